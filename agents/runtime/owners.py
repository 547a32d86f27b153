"""Who runs what: each process that has the file open is an owner, and a dead owner's tasks are taken over at once.

An owner holds an exclusive flock(2) on a file of its own beside the store. The kernel drops it the moment the process is
gone, however it went, and no clock or process id can mislead. Where there is no flock, or a stopped process still holds
its own, the lease in the store decides.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from ..events import StateChanged, TaskState
from . import log, webhooks

if sys.platform != "win32":
    import fcntl


class OwnerLock:
    """This engine's own lock, held from before its first claim until `release`. `id` names it in the store."""

    def __init__(self, store: Path) -> None:
        self.id = uuid.uuid4().hex
        self._store = store
        self._fd = os.open(self._file(self.id), os.O_RDWR | os.O_CREAT, 0o644)
        if sys.platform != "win32":
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_dead(self, owner: str) -> bool:
        """True when that owner's process is known to be gone. Only for owners that the store names: those hold their lock."""
        if sys.platform == "win32":
            return False
        try:
            fd = os.open(self._file(owner), os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look at once do not mistake each other for it
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def sweep(self, owner: str) -> None:
        """Remove a dead owner's lock file."""
        self._file(owner).unlink(missing_ok=True)

    def release(self) -> None:
        os.close(self._fd)
        self.sweep(self.id)

    def _file(self, owner: str) -> Path:
        return self._store.with_name(f"{self._store.name}-owner-{owner}")


def renew(db: sqlite3.Connection, me: str, lease_s: float) -> bool:
    """Hold the lease for another `lease_s`. Shape: False when it had been lost, and with it every task."""
    until = time.time() + lease_s
    held = db.execute("UPDATE owners SET lease_until = ? WHERE id = ?", (until, me)).rowcount == 1
    if not held:
        db.execute("INSERT INTO owners VALUES(?, ?)", (me, until))
    return held


def others(db: sqlite3.Connection, me: str) -> list[tuple[str, float]]:
    """Every other owner, with the time until which it holds its lease."""
    return db.execute("SELECT id, lease_until FROM owners WHERE id <> ?", (me,)).fetchall()


def bury(db: sqlite3.Connection, owner: str, lease_until: float | None = None) -> None:
    """Set an owner's tasks free, in a new epoch that fences it. With `lease_until`, only if it has not renewed since."""
    if lease_until is not None:
        row = db.execute("SELECT lease_until FROM owners WHERE id = ?", (owner,)).fetchone()
        if row is None or row[0] != lease_until:
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
                log.append_state(db, n, epoch + 1, StateChanged(state=TaskState.CANCELED))


_FREE = "open = 1 AND owner IS NULL AND agent || '.' || skill IN (SELECT value FROM json_each(?))"


def has_free(db: sqlite3.Connection, served: str) -> bool:
    """True when a task of a served skill has no owner. `served` is a JSON list of `agent.skill`."""
    return db.execute(f"SELECT 1 FROM tasks WHERE {_FREE} LIMIT 1", (served,)).fetchone() is not None


def claim(db: sqlite3.Connection, me: str, served: str) -> list[log.Claim]:
    """Take every free task of a served skill, each in a new epoch. Tasks of other skills are left for who serves them."""
    rows = db.execute(
        f"UPDATE tasks SET owner = ?, epoch = epoch + 1 WHERE {_FREE} RETURNING n, id, agent, skill, origin, epoch, cancel",
        (me, served),
    ).fetchall()
    return [log.Claim(n, id_, agent, skill, origin, epoch, bool(c)) for n, id_, agent, skill, origin, epoch, c in sorted(rows)]


def take_wakeups(db: sqlite3.Connection, me: str) -> list[tuple[int, int, bool, bool]]:
    """The tasks of ours that another process wrote to. Shape: row number, epoch, cancel asked for, still ours."""
    rows = db.execute(
        "SELECT n, epoch, cancel, tasks.owner IS ? FROM wakeups JOIN tasks ON n = task WHERE wakeups.owner = ?", (me, me)
    ).fetchall()
    db.execute("DELETE FROM wakeups WHERE owner = ?", (me,))
    return [(n, epoch, bool(cancel), bool(ours)) for n, epoch, cancel, ours in rows]


def has_wakeups(db: sqlite3.Connection, me: str) -> bool:
    return db.execute("SELECT 1 FROM wakeups WHERE owner = ? LIMIT 1", (me,)).fetchone() is not None
