"""Who is there: each process holds an advisory lock and beats; its neighbours watch, and bury it when it is gone.

That a process is dead, its lock tells: Postgres drops it with the connection. One that is stopped or hangs still holds it: it
is passed over when it has not beaten for the length of its lease, by the clock of whoever watches. Workers stand in a ring by
their ids, and each watches the next few, so that what watching costs does not grow with their number.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from . import log
from .log import Db
from .schema import LOCKS

WATCHED_COUNT = 8

Neighbour = tuple[str, str, int, float, bool]
"""Its id, its executor id, its beats, its lease in seconds, and whether its lock is held."""


class Watch:
    """For how long each neighbour has not beaten, as far as this process has seen. `grace_s`: how long one whose lock is free
    may take to get it back, as all have to after a restart of the server.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._seen: dict[str, tuple[int, float]] = {}

    def gone(self, neighbours: Iterable[Neighbour]) -> list[Neighbour]:
        now = time.monotonic()
        before, self._seen = self._seen, {}
        gone: list[Neighbour] = []
        for neighbour in neighbours:
            id_, _, beats, lease_s, held = neighbour
            known = before.get(id_)
            since = known[1] if known is not None and known[0] == beats else now
            self._seen[id_] = beats, since
            if now - since > (lease_s if held else self._grace_s):
                gone.append(neighbour)
        return gone

    def forget(self) -> None:
        """Nobody could beat meanwhile."""
        self._seen = {}


async def hold(db: Db, me: str) -> None:
    """Take the lock, on a connection that is kept. A connection of ours that broke may hold it for a while longer."""
    await db.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (LOCKS, me))


async def arrive(db: Db, me: str, executor: str, lease_s: float) -> None:
    """Be there, from before the first task is taken. `executor`: what DBOS calls this process."""
    await db.execute("INSERT INTO workers VALUES(%s, %s, 1, %s) ON CONFLICT(id) DO NOTHING", (me, executor, lease_s))


async def is_there(db: Db, me: str) -> bool:
    return await (await db.execute("SELECT 1 FROM workers WHERE id = %s", (me,))).fetchone() is not None


async def beat(db: Db, me: str) -> bool:
    """Shape: False when this worker has been buried."""
    found = await db.execute("UPDATE workers SET beats = beats + 1 WHERE id = %s", (me,))
    return found.rowcount == 1


async def neighbours(db: Db, me: str) -> list[Neighbour]:
    """The next few of the ring."""
    found = await db.execute(
        "SELECT w.id, w.executor, w.beats, w.lease_s, EXISTS("
        "SELECT 1 FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = %(locks)s AND l.objsubid = 2 AND l.granted"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND l.objid = (hashtext(w.id)::bigint & 4294967295)::oid)"
        " FROM ((SELECT * FROM workers WHERE id > %(me)s ORDER BY id LIMIT %(count)s) UNION"
        " (SELECT * FROM workers WHERE id < %(me)s ORDER BY id LIMIT %(count)s)) w"
        " ORDER BY w.id < %(me)s, w.id LIMIT %(count)s",
        {"locks": LOCKS, "me": me, "count": WATCHED_COUNT},
    )
    return [(id_, executor, beats, lease_s, held) for id_, executor, beats, lease_s, held in await found.fetchall()]


async def hang_up(db: Db, worker: str, beats: int) -> None:
    """End the sessions of a worker that has not beaten since. It may have been stopped in the middle of a transaction, and of a
    pipeline, in which no timeout of Postgres' ends it: what it has locked then, nobody could take over.
    """
    await db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
        " AND application_name = %s AND EXISTS(SELECT 1 FROM workers WHERE id = %s AND beats = %s)",
        (f"sametask {worker}", worker, beats),
    )


async def set_all_free(db: Db, worker: str, beats: int | None, runs: list[str]) -> bool:
    """What the worker ran and delivered, and the `runs` that it never began. With `beats`, only if it has not beaten since.

    Shape: False where it has, or was buried by another.
    """
    found = await db.execute("SELECT beats FROM workers WHERE id = %s FOR UPDATE", (worker,))
    row = await found.fetchone()
    if row is None or (beats is not None and row[0] != beats):
        return False
    await log.set_free(db, worker)
    await log.run_again(db, runs)
    await db.execute("UPDATE webhooks SET owner = NULL WHERE owner = %s", (worker,))
    return True


async def remove(db: Db, worker: str, beats: int | None) -> None:
    """The last act of a burial: until then another one will take it up."""
    await db.execute("DELETE FROM workers WHERE id = %s AND (%s::bigint IS NULL OR beats = %s)", (worker, beats, beats))
