"""How long a stream may be silent, and what becomes of it then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from ...agents.errors import ConnectionLost

Value = TypeVar("Value")
Ask = Callable[[], Awaitable[object]]


async def heard(queue: asyncio.Queue[Value], limit_s: float | None, ask: Ask | None) -> Value:
    """The next that comes. Silence for `limit_s` is a lost connection, which is made again; None waits for ever.

    A pipe cannot be made again: its server would end, and begin again with what it was at. There everything comes on the one
    pipe, so `ask` asks the server for anything, and its answer says that the stream lives. Raises: ConnectionLost; what `ask`
    raises.
    """
    while True:
        try:
            with anyio.fail_after(limit_s):
                return await queue.get()
        except TimeoutError:
            if ask is None:
                raise ConnectionLost(f"the stream was silent for {limit_s:g} s; the task may still be running") from None
            await ask()
