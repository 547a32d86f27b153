"""Who runs what: each process that has the file open is an owner, and a dead owner's tasks are taken over at once.

That one is dead, its lock tells (`locks.py`). One that is stopped or hangs still holds its lock: it is passed over when it has
not renewed its lease for the length of it, by the clock of whoever watches. No two clocks are compared, so that one that is
set, or that jumps, takes nobody's tasks away.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from ...events import StateChanged, TaskState
from ..journal import Claim
from . import log, webhooks


class Watch:
    """For how long each other owner has not renewed its lease, as far as this process has seen."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}

    def expired(self, owners: Iterable[tuple[str, int, float]]) -> list[tuple[str, int]]:
        """Those whose lease has run out, with the renewal at which it stood. `owners` is what `others` gives now."""
        now = time.monotonic()
        before, self._seen = self._seen, {}
        gone: list[tuple[str, int]] = []
        for owner, beats, lease_s in owners:
            known = before.get(owner)
            since = known[1] if known is not None and known[0] == beats else now
            self._seen[owner] = beats, since
            if now - since > lease_s:
                gone.append((owner, beats))
        return gone


def renew(db: sqlite3.Connection, me: str, lease_s: float) -> bool:
    """Hold the lease for another `lease_s`. Shape: False when it had been lost, and with it every task."""
    held = db.execute("UPDATE owners SET beats = beats + 1, lease_s = ? WHERE id = ?", (lease_s, me)).rowcount == 1
    if not held:
        db.execute("INSERT INTO owners VALUES(?, 1, ?)", (me, lease_s))
    return held


def others(db: sqlite3.Connection, me: str) -> list[tuple[str, int, float]]:
    """Every other owner, with how often it has renewed its lease and for how long that is."""
    return db.execute("SELECT id, beats, lease_s FROM owners WHERE id <> ?", (me,)).fetchall()


def bury(db: sqlite3.Connection, owner: str, beats: int | None = None) -> None:
    """Set an owner's tasks free, in a new epoch that fences it. With `beats`, only if it has not renewed since."""
    if beats is not None:
        row = db.execute("SELECT beats FROM owners WHERE id = ?", (owner,)).fetchone()
        if row is None or row[0] != beats:
            return
    set_free(db, owner)
    webhooks.let_go(db, owner)
    db.execute("DELETE FROM owners WHERE id = ?", (owner,))
    db.execute("DELETE FROM wakeups WHERE owner = ?", (owner,))


def set_free(db: sqlite3.Connection, owner: str, only: Iterable[int] | None = None) -> None:
    """Give up an owner's open tasks (or `only` those of these row numbers); one that was to be canceled ends here."""
    rows = db.execute("SELECT n, epoch, cancel FROM tasks WHERE open = 1 AND owner = ?", (owner,)).fetchall()
    wanted = None if only is None else set(only)
    for n, epoch, cancel in rows:
        if wanted is None or n in wanted:
            db.execute("UPDATE tasks SET owner = NULL, epoch = epoch + 1 WHERE n = ?", (n,))
            if cancel:
                log.append_state(db, n, epoch + 1, StateChanged(state=TaskState.CANCELED), time.time())


_FREE = "open = 1 AND owner IS NULL AND agent || '.' || skill IN (SELECT value FROM json_each(?))"


def has_free(db: sqlite3.Connection, served: str) -> bool:
    """True when a task of a served skill has no owner. `served` is a JSON list of `agent.skill`."""
    return db.execute(f"SELECT 1 FROM tasks WHERE {_FREE} LIMIT 1", (served,)).fetchone() is not None


def claim(db: sqlite3.Connection, me: str, served: str) -> list[log.Taken]:
    """Take every free task of a served skill, each in a new epoch. Tasks of other skills are left for who serves them. Who
    has been buried takes none, or nobody would bury it a second time.
    """
    rows = db.execute(
        f"UPDATE tasks SET owner = ?, epoch = epoch + 1 WHERE {_FREE} AND EXISTS (SELECT 1 FROM owners WHERE id = ?)"
        " RETURNING n, epoch, id, agent, skill, origin, cancel, deadline_at",
        (me, served, me),
    ).fetchall()
    return [
        log.Taken(n, epoch, Claim(id_, agent, skill, origin, bool(cancel), deadline_at))
        for n, epoch, id_, agent, skill, origin, cancel, deadline_at in sorted(rows)
    ]


def take_wakeups(db: sqlite3.Connection, me: str) -> list[tuple[int, int, bool, bool]]:
    """The tasks of ours that another process wrote to. Shape: row number, epoch, cancel asked for, still ours."""
    rows = db.execute(
        "SELECT n, epoch, cancel, tasks.owner IS ? FROM wakeups JOIN tasks ON n = task WHERE wakeups.owner = ?", (me, me)
    ).fetchall()
    db.execute("DELETE FROM wakeups WHERE owner = ?", (me,))
    return [(n, epoch, bool(cancel), bool(ours)) for n, epoch, cancel, ours in rows]


def has_wakeups(db: sqlite3.Connection, me: str) -> bool:
    return db.execute("SELECT 1 FROM wakeups WHERE owner = ? LIMIT 1", (me,)).fetchone() is not None
