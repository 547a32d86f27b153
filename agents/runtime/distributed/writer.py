"""What the running tasks of a process write, in batches: one transaction for all that came while the last one was on its way.

What is only posted waits up to `GAP_S` for company, or until someone awaits something. A batch that a broken connection leaves
in doubt is not sent again: its tasks are given up, and run again from what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg_pool import PoolTimeout

from ...errors import SametaskError, Unavailable
from ..journal import Attempts, Fenced
from . import log
from .log import Db
from .store import LOST, Store

GAP_S = 0.02
BATCH_COUNT = 2048
PENDING_COUNT = 4096
PENDING_BYTES = 8 * 2**20


@dataclass(slots=True)
class Run:
    """The run that writes: row number of the task, epoch, and what is to be called when a posted write could not be made. Once
    one was not, none of its later ones is: a log must have no hole.
    """

    n: int
    epoch: int
    lose: Callable[[Exception], None]
    failure: Exception | None = None


@dataclass(frozen=True, slots=True)
class Told:
    at: float
    kind: str
    scope: str | None
    body: str
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    path: str
    value: str


@dataclass(frozen=True, slots=True)
class Failed:
    path: str
    attempts: Attempts


@dataclass(frozen=True, slots=True)
class Ended:
    at: float
    state: str
    body: str


@dataclass(frozen=True, slots=True)
class _Write:
    run: Run
    what: Told | Recorded | Failed | Ended | None
    size_bytes: int
    done: asyncio.Future[None] | None


class Writer:
    """`on_commit` is called with the tasks of each batch, once it is durable."""

    def __init__(self, store: Store, on_commit: Callable[[set[int]], None]) -> None:
        self._store, self._on_commit = store, on_commit
        self._queue: list[_Write] = []
        self._pending_count = self._pending_bytes = 0
        self._posted, self._urgent, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="sametask-writer")

    @property
    def pending_count(self) -> int:
        return self._pending_count

    def post(self, run: Run, what: Told) -> None:
        """Queue it behind all that was posted before."""
        self._add(_Write(run, what, len(what.body), None))

    async def write(self, run: Run, what: Recorded | Failed | Ended | None) -> None:
        """Return once it, and all that this run has posted before, is durable.

        Raises: Fenced, or Unavailable where the database cannot be written.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(_Write(run, what, 0, done))
        self._urgent.set()
        await done

    async def room(self) -> None:
        """Back-pressure: wait while too many writes, or too many bytes, are on their way to the database."""
        while self._pending_count >= PENDING_COUNT or self._pending_bytes >= PENDING_BYTES:
            self._urgent.set()
            self._room.clear()
            await self._room.wait()

    async def flush(self) -> None:
        """Write what is queued; what the database does not take within a moment is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                while self._pending_count:
                    self._urgent.set()
                    self._room.clear()
                    await self._room.wait()

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def _add(self, write: _Write) -> None:
        self._pending_count += 1
        self._pending_bytes += write.size_bytes
        self._queue.append(write)
        self._posted.set()

    async def _run(self) -> None:
        while True:
            await self._posted.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GAP_S):
                    await self._urgent.wait()
            batch, self._queue = self._queue[:BATCH_COUNT], self._queue[BATCH_COUNT:]
            if not self._queue:
                self._posted.clear()
                self._urgent.clear()
            standing: set[tuple[int, int]] = set()
            failure: Exception = Fenced()
            wanted = [write for write in batch if write.run.failure is None]
            try:
                standing = await self._send(wanted) if wanted else standing
            except SametaskError as error:
                failure = error
            except Exception as error:
                # The wall: whatever the driver raised, the tasks of this batch are in doubt, and the next batch is not.
                failure = self._store.place.unavailable(error)
            self._settle(batch, standing, failure)

    async def _send(self, batch: Sequence[_Write]) -> set[tuple[int, int]]:
        """Shape: the runs whose writes were made."""
        while True:
            try:
                async with self._store.connection() as db:
                    return await _transaction(db, batch)
            except (PoolTimeout, psycopg.errors.DeadlockDetected):  # nothing was written, and no doubt about it
                await self._store.connected()
            except LOST:
                with contextlib.suppress(Unavailable):
                    await self._store.connected()  # so that the next batch meets no connection of before
                raise

    def _settle(self, batch: Sequence[_Write], standing: set[tuple[int, int]], failure: Exception) -> None:
        changed: set[int] = set()
        for write in batch:
            self._pending_count -= 1
            self._pending_bytes -= write.size_bytes
            run = write.run
            if run.failure is None and (run.n, run.epoch) in standing:
                changed.add(run.n)
                if write.done is not None and not write.done.done():
                    write.done.set_result(None)
                continue
            run.failure = run.failure or failure
            if write.done is None:
                run.lose(run.failure)
            elif not write.done.done():
                write.done.set_exception(run.failure)
        self._room.set()
        self._on_commit(changed)


_LOCK: LiteralString = """
SELECT t.n, t.epoch FROM tasks t JOIN unnest(%s::bigint[], %s::int[]) AS g(n, epoch) ON t.n = g.n AND t.epoch = g.epoch
WHERE t.open ORDER BY t.n FOR NO KEY UPDATE OF t
"""
_TELL: LiteralString = """
WITH g AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY n ORDER BY i) AS place
    FROM unnest(%s::bigint[], %s::int[], %s::float8[], %s::text[], %s::text[], %s::text[], %s::text[])
        WITH ORDINALITY AS g(n, epoch, at, kind, scope, body, state, i)),
c AS (
    SELECT n, epoch, COUNT(*) AS count, MAX(at) AS at, MAX(place) FILTER (WHERE kind = 'progress') AS progress,
        MAX(place) FILTER (WHERE state IS NOT NULL) AS state_place, MAX(state) AS state FROM g GROUP BY n, epoch),
t AS (
    UPDATE tasks SET last_seq = last_seq + c.count, updated_at = c.at,
        progress_seq = COALESCE(last_seq + c.progress, progress_seq),
        state_seq = COALESCE(last_seq + c.state_place, state_seq), state = COALESCE(c.state, tasks.state)
    FROM c WHERE tasks.n = c.n AND tasks.epoch = c.epoch AND open RETURNING tasks.n, last_seq - c.count AS base)
INSERT INTO events SELECT g.n, t.base + g.place, g.at, g.kind, g.scope, g.body FROM g JOIN t ON t.n = g.n
"""
_RECORD: LiteralString = """
INSERT INTO steps SELECT g.n, g.path, g.value
FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::text[]) AS g(n, epoch, path, value)
JOIN tasks t ON t.n = g.n AND t.epoch = g.epoch AND t.open
"""
_FAIL: LiteralString = """
INSERT INTO attempts SELECT g.n, g.path, g.count, g.next_at
FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::int[], %s::float8[]) AS g(n, epoch, path, count, next_at)
JOIN tasks t ON t.n = g.n AND t.epoch = g.epoch AND t.open
ON CONFLICT(task, path) DO UPDATE SET count = excluded.count, next_at = excluded.next_at
"""
_END: LiteralString = """
WITH g AS (SELECT * FROM unnest(%s::bigint[], %s::int[], %s::float8[], %s::text[], %s::text[]) AS g(n, epoch, at, state, body)),
t AS (
    UPDATE tasks SET last_seq = last_seq + 1, state_seq = last_seq + 1, updated_at = g.at, open = false, owner = NULL,
        state = CASE WHEN cancel THEN 'canceled' ELSE g.state END
    FROM g WHERE tasks.n = g.n AND tasks.epoch = g.epoch AND open
    RETURNING tasks.n, last_seq, at, CASE WHEN cancel THEN %s ELSE body END AS body)
INSERT INTO events SELECT n, last_seq, at, 'state', NULL, body FROM t
"""


async def _transaction(db: Db, batch: Sequence[_Write]) -> set[tuple[int, int]]:
    runs = sorted({(write.run.n, write.run.epoch) for write in batch})
    told = [(write.run, what) for write in batch if isinstance(what := write.what, Told)]
    recorded = [(write.run, what) for write in batch if isinstance(what := write.what, Recorded)]
    failed = [(write.run, what) for write in batch if isinstance(what := write.what, Failed)]
    ended = [(write.run, what) for write in batch if isinstance(what := write.what, Ended)]
    async with db.pipeline(), db.transaction(), db.cursor() as locked:
        await locked.execute(_LOCK, _columns(runs, 2))
        if told:
            rows = [(run.n, run.epoch, w.at, w.kind, w.scope, w.body, w.state) for run, w in told]
            await db.execute(_TELL, _columns(rows, 7))
        if recorded:
            await db.execute(_RECORD, _columns([(run.n, run.epoch, w.path, w.value) for run, w in recorded], 4))
        if failed:
            rows = {(run.n, w.path): (run.n, run.epoch, w.path, w.attempts.count, w.attempts.next_at) for run, w in failed}
            await db.execute(_FAIL, _columns(list(rows.values()), 5))
        if ended:
            rows = {run.n: (run.n, run.epoch, w.at, w.state, w.body) for run, w in ended}
            await db.execute(_END, [*_columns(list(rows.values()), 5), log.CANCELED])
        if told or ended:
            await log.notify(db, sorted({run.n for run, _ in [*told, *ended]}))
        return {(n, epoch) for n, epoch in await locked.fetchall()}


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[i] for row in rows] for i in range(width)]
