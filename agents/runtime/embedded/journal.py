"""A running task's writes in the embedded engine: durable one by one, or kept in memory until the task is worth a file.

*Late durability*: a task that nobody was told of is written whole, in one transaction, only when it must be; a crash before
that loses what nobody knew.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from ...events import BODY, Artifact, ArtifactEmitted, Progress, StateChanged, Task
from ..artifacts import merged
from ..journal import Asked, Attempts
from ..submission import Submission
from . import log
from .store import Store

Result = TypeVar("Result")
Op = Callable[[sqlite3.Connection, int, int], Any]
"""One write: `(connection, row number of the task, epoch)`."""

MAX_HELD_BYTES = 2**20


class SqliteJournal:
    """Shape: satisfies `Journal`. `n` is the task's row number."""

    __slots__ = ("_lose", "_store", "epoch", "n")

    def __init__(self, store: Store, n: int, epoch: int, lose: Callable[[Exception], None]) -> None:
        self._store, self.n, self.epoch, self._lose = store, n, epoch, lose

    def start(self) -> None:
        self._post(partial(log.start, at=time.time()))

    def tell(self, kind: str, scope: str, body: str) -> None:
        self._post(partial(log.append, kind=kind, scope=scope, body=body, at=time.time()), len(body))

    async def room(self) -> None:
        await self._store.room()

    async def record(self, path: str, value: str) -> None:
        await self._write(partial(log.record, path=path, value=value))

    async def failed(self, path: str, attempts: Attempts) -> None:
        await self._write(partial(log.failed, path=path, attempts=attempts))

    async def ask(self, path: str, text: str, schema: dict[str, Any], timeout_s: float | None) -> Asked:
        expires_at = None if timeout_s is None else time.time() + timeout_s
        return await self._write(partial(log.ask, path=path, text=text, schema=schema, expires_at=expires_at))

    async def asked(self, request_id: str) -> Asked:
        return self._store.read(log.asked, self.n, request_id)

    async def expire(self, request_id: str) -> Asked:
        return await self._write(partial(log.expire, request_id=request_id))

    async def input_json(self) -> str:
        return self._store.read(log.input_json, self.n)

    async def finish(self, body: StateChanged) -> None:
        await self._write(partial(log.finish, body=body, at=time.time()))

    def _post(self, op: Op, size_bytes: int = 0) -> None:
        self._store.post(lambda db: op(db, self.n, self.epoch), self._posted, self.n, size_bytes)

    async def _write(self, op: Callable[..., Result]) -> Result:
        return await self._store.write(lambda db: op(db, self.n, self.epoch), self.n)

    def _posted(self, _: Any, error: Exception | None) -> None:
        if error is not None:
            self._lose(error)


class LateJournal(SqliteJournal):
    """In memory until `keep`. `n` is 0 until then; `on_kept` is called once it is not."""

    def __init__(
        self,
        store: Store,
        new: Submission,
        owner: str,
        lose: Callable[[Exception], None],
        on_kept: Callable[[LateJournal], None],
    ) -> None:
        super().__init__(store, 0, 1, lose)
        self._new, self._owner, self._on_kept = new, owner, on_kept
        self._held: list[tuple[Op, int]] | None = []
        self._held_bytes = 0
        self._keeping: asyncio.Future[None] | None = None
        self._event_count = 0
        self._told: list[Progress | Artifact] = []
        self._end: StateChanged | None = None
        self._created_at = self._ended_at = time.time()
        self._stored = asyncio.Event()

    async def settled(self, run: asyncio.Task[None], late_s: float) -> None:
        """Wait until the run has ended or the task is stored, at most `late_s`."""
        stored = asyncio.ensure_future(self._stored.wait())
        try:
            await asyncio.wait({run, stored}, timeout=late_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stored.cancel()

    @property
    def keeping(self) -> bool:
        """True from when it is to be stored: whether somebody was told of it can no longer be known."""
        return self._keeping is not None

    @property
    def ended(self) -> bool:
        """True where the whole task took place in memory."""
        return self._end is not None

    def task(self) -> Task:
        """The ended task as `log.task` would give it, had it been stored."""
        assert self._end is not None
        progress = [told for told in self._told if isinstance(told, Progress)]
        artifacts = [told for told in self._told if isinstance(told, Artifact)]
        return Task(
            id=self._new.id,
            agent=self._new.agent,
            skill=self._new.skill,
            state=self._end.state,
            result=self._end.result,
            error=self._end.error,
            progress=progress[-1] if progress else None,
            artifacts=merged(artifacts),
            created_at=self._created_at,
            updated_at=self._ended_at,
            last_seq=2 + self._event_count,
        )

    async def keep(self) -> None:
        """Write the whole task in one transaction; from then on every write is durable at once.

        Raises: Unavailable when it cannot be written; then the task has never been.
        """
        self.keep_soon()
        if self._keeping is not None:
            await asyncio.shield(self._keeping)

    def keep_soon(self) -> None:
        """Begin to. Where it cannot be done, the run is told that it has lost its task."""
        if self._keeping is None:
            self._keeping = asyncio.ensure_future(self._keep())
            self._keeping.add_done_callback(self._kept)

    def _kept(self, keeping: asyncio.Future[None]) -> None:
        if (error := keeping.exception()) is not None:
            self._lose(cast(Exception, error))

    async def _keep(self) -> None:
        held, rest = self._held or [], list[tuple[Op, int]]()
        self._held = rest

        def write(db: sqlite3.Connection) -> int:
            stored = log.submit(db, self._new, self._owner, self._created_at)
            assert isinstance(stored, log.Taken)  # it has no key
            for op, _ in held:
                op(db, stored.n, self.epoch)
            return stored.n

        self.n = await self._store.write(write)
        self._on_kept(self)
        # What came meanwhile; not before, since the number of a row that was rolled back is given to another task.
        self._held = None
        for op, size_bytes in rest:
            self._post(op, size_bytes)
        self._stored.set()

    def tell(self, kind: str, scope: str, body: str) -> None:
        if self._held is not None:
            told = BODY.validate_json(body)
            self._told.append(told.artifact if isinstance(told, ArtifactEmitted) else cast(Progress, told))
        super().tell(kind, scope, body)

    async def room(self) -> None:
        if self._held_bytes > MAX_HELD_BYTES:
            await self.keep()
        await super().room()

    async def ask(self, path: str, text: str, schema: dict[str, Any], timeout_s: float | None) -> Asked:
        await self.keep()
        return await super().ask(path, text, schema, timeout_s)

    async def finish(self, body: StateChanged) -> None:
        if self._held is not None and self._keeping is None:
            self._end, self._ended_at = body, time.time()
            await self._write(partial(log.finish, body=body, at=self._ended_at))
        else:
            await super().finish(body)

    def _post(self, op: Op, size_bytes: int = 0) -> None:
        if self._held is None:
            super()._post(op, size_bytes)
        else:
            self._held.append((op, size_bytes))
            self._held_bytes += size_bytes
            self._event_count += 1

    async def _write(self, op: Callable[..., Any]) -> Any:
        if self._keeping is not None:
            await self.keep()
        if self._held is None:
            return await super()._write(op)
        self._held.append((op, 0))
        return None
