"""The connections to the database. An operation that meets a server that restarts is tried again for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from ...errors import Unavailable
from ..journal import Unreadable
from .log import Db
from .schema import Place

Result = TypeVar("Result")
Given = ParamSpec("Given")

LOST = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
"""What is raised while the server is away; whether a write that met it took place is not known."""


class Store:
    """A pool of up to `size` connections of that worker's. `patience_s`: how long an operation waits for a server that is
    away.
    """

    def __init__(self, place: Place, worker: str, size: int, patience_s: float) -> None:
        self.place, self._patience_s = place, patience_s
        # What they log of a server that is away, and of callers that went, whoever waits is told.
        for name in ("psycopg", "psycopg.pool"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._pool: AsyncConnectionPool[Db] = AsyncConnectionPool(
            place.session_of(worker),
            connection_class=AsyncConnection[tuple[Any, ...]],
            kwargs={"autocommit": True},
            min_size=1,
            max_size=size,
            open=False,
            timeout=2.0,
            reconnect_timeout=2.0,
            name="sametask",
        )
        self._closed = False

    async def open(self) -> None:
        await self._pool.open()

    async def close(self) -> None:
        self._closed = True
        await self._pool.close(timeout=2.0)

    async def read(
        self, query: Callable[Concatenate[Db, Given], Awaitable[Result]], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """What `query(connection, *args, **kwargs)` gives: one that reads, or one statement that may be made twice.

        Raises: what it raises; Unavailable where the server stays away, Unreadable when what it holds makes no sense.
        """

        async def once() -> Result:
            async with self.connection() as db:
                return await query(db, *args, **kwargs)

        return await self._patiently(once)

    async def write(
        self, op: Callable[Concatenate[Db, Given], Awaitable[Result]], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """As `read`, in a transaction. `op` is to change nothing when it is made a second time."""

        async def once() -> Result:
            async with self.connection() as db, db.transaction():
                return await op(db, *args, **kwargs)

        return await self._patiently(once)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Db]:
        """Raises: Unavailable once the store is closed; one of `LOST` while there is none to be had."""
        if self._closed:
            raise Unavailable("the engine is shut down")
        waiting = asyncio.current_task()
        asked_count = waiting.cancelling() if waiting else 0
        try:
            async with self._pool.connection() as db:
                # The pool waits with asyncio.wait_for, which before Python 3.12 may swallow a cancel that comes together with
                # the connection: it would be asked for once, and never happen.
                if waiting and waiting.cancelling() > asked_count:
                    raise asyncio.CancelledError
                yield db
        except PoolClosed:
            raise Unavailable("the engine is shut down") from None

    async def connected(self) -> None:
        """Wait until there is a connection that works. Raises: Unavailable where the server stays away."""

        async def once() -> None:
            async with self.connection() as db:
                await db.execute("SELECT 1")

        await self._patiently(once)

    async def _patiently(self, once: Callable[[], Awaitable[Result]]) -> Result:
        until = asyncio.get_running_loop().time() + self._patience_s
        while True:
            try:
                return await once()
            except LOST as error:
                if asyncio.get_running_loop().time() >= until:
                    raise self.place.unavailable(error) from None
                await asyncio.sleep(0.1)
            except psycopg.Error as error:
                raise self.place.unavailable(error) from None
            except (ValueError, TypeError) as error:
                raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> Unreadable:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Unreadable(
            f"store: {self.place} has a damaged row ({reason}); accepted: a database that nothing else has written to",
            field="store",
            value=str(self.place),
        )
