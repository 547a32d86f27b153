"""What processes tell each other by LISTEN and NOTIFY, on the one connection of each that is kept: it also holds its lock.

The channel `sametask` has the numbers of the tasks that a commit changed; each process has one of its own besides, for those of
its tasks that another one answered or canceled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import psycopg
from psycopg import AsyncConnection

from ...errors import Unavailable
from . import presence
from .log import Db
from .schema import Place

AGAIN_S = 0.2

Hear = Callable[[list[int], bool], Awaitable[None]]
"""Called with the numbers of tasks, and whether they were meant for this process alone."""


class News:
    """Of the worker `me`. With `listens` false it does not hear what is meant for all."""

    def __init__(self, place: Place, me: str, listens: bool) -> None:
        self._place, self._me, self._listens = place, me, listens

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncGenerator[Db]:
        """The one that holds our lock and listens. Raises: Unavailable."""
        try:
            db = await AsyncConnection[tuple[Any, ...]].connect(self._place.session_of(self._me), autocommit=True)
        except psycopg.Error as error:
            raise self._place.unavailable(error) from None
        try:
            try:
                await presence.hold(db, self._me)
                if self._listens:
                    await db.execute("LISTEN sametask")
                await db.execute(f'LISTEN "{_channel(self._me)}"'.encode())
            except psycopg.Error as error:
                raise self._place.unavailable(error) from None
            yield db
        finally:
            await db.close()

    async def listen(self, own: Db, hear: Hear, reconnected: Callable[[], None]) -> None:
        """For ever: on `own`, and on a connection that is made anew whenever one breaks."""
        with contextlib.suppress(psycopg.Error):
            await self._hear_all(own, hear)
        while True:
            await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(Unavailable, psycopg.Error):
                async with self.connection() as db:
                    reconnected()
                    await self._hear_all(db, hear)

    async def _hear_all(self, db: Db, hear: Hear) -> None:
        async for note in db.notifies():
            await hear([int(n) for n in note.payload.split(",")], note.channel == _channel(self._me))


async def tell(db: Db, worker: str, n: int) -> None:
    """Tell one process of one of its tasks, once the transaction is committed."""
    await db.execute("SELECT pg_notify(%s, %s)", (_channel(worker), str(n)))


def _channel(worker: str) -> str:
    return f"sametask_{worker}"
