"""A running task's writes in the distributed engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from ...events import StateChanged, TaskState
from ..journal import Asked, Attempts
from . import log
from .log import Db
from .store import Store
from .writer import Ended, Failed, Recorded, Run, Told, Writer

Result = TypeVar("Result")
Given = ParamSpec("Given")


class PostgresJournal:
    """Shape: satisfies `Journal`. `n` is the task's row number. `on_ask` is called when the task begins to wait."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        taken: log.Taken,
        lose: Callable[[Exception], None],
        on_ask: Callable[[int], None],
        on_change: Callable[[int], None],
    ) -> None:
        self._store, self._writer, self.n, self.epoch = store, writer, taken.n, taken.epoch
        self._run = Run(taken.n, taken.epoch, lose)
        self._begun = taken.state != TaskState.SUBMITTED
        self._on_ask, self._on_change = on_ask, on_change
        self._in_order = asyncio.Lock()

    def start(self) -> None:
        if not self._begun:
            body = StateChanged(state=TaskState.WORKING)
            self._writer.post(self._run, Told(time.time(), "state", None, body.model_dump_json(), body.state.value))

    def tell(self, kind: str, scope: str, body: str) -> None:
        self._writer.post(self._run, Told(time.time(), kind, _stored(scope), body))

    async def room(self) -> None:
        await self._writer.room()

    async def record(self, path: str, value: str) -> None:
        await self._writer.write(self._run, Recorded(_stored(path), value))

    async def failed(self, path: str, attempts: Attempts) -> None:
        await self._writer.write(self._run, Failed(_stored(path), attempts))

    async def ask(self, path: str, text: str, schema: dict[str, Any], timeout_s: float | None) -> Asked:
        expires_at = None if timeout_s is None else time.time() + timeout_s
        asked = await self._write(log.ask, path=_stored(path), text=text, schema=schema, expires_at=expires_at)
        self._on_ask(self.n)
        return asked

    async def asked(self, request_id: str) -> Asked:
        return await self._store.read(log.asked, self.n, request_id)

    async def expire(self, request_id: str) -> Asked:
        return await self._write(log.expire, request_id)

    async def input_json(self) -> str:
        return await self._store.read(log.input_json, self.n)

    async def finish(self, body: StateChanged) -> None:
        await self._writer.write(self._run, Ended(time.time(), body.state.value, body.model_dump_json()))

    async def _write(
        self,
        op: Callable[Concatenate[Db, int, int, Given], Awaitable[Result]],
        *args: Given.args,
        **kwargs: Given.kwargs,
    ) -> Result:
        async def once(db: Db) -> Result:
            result = await op(db, self.n, self.epoch, *args, **kwargs)
            await log.notify(db, [self.n])
            return result

        async with self._in_order:
            await self._writer.write(self._run, None)  # what was told before
            result = await self._store.write(once)
        self._on_change(self.n)
        return result


def _stored(path: str) -> str:
    """Postgres' text has no NUL; a path has `%` as `%25`."""
    return path.replace("\0", "%00")
