"""Hold an SDK client in a task of its own, so that a broken transport breaks the requests on it and nobody else.

The SDK's transports run task groups around their client's block: a network error there cancels whatever that block awaits
and leaves it as an ExceptionGroup. Here that block is only ours; a caller sees its own request fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import anyio
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CONNECTION_CLOSED
from pydantic import ValidationError

from ...agents.errors import ConnectionLost, SametaskError
from .failures import from_protocol

CLOSE_S = 10.0
TRANSPORT_ENDED = "Connection closed"
"""What the SDK tells every open request when its transport has ended (`mcp.shared.jsonrpc_dispatcher`)."""
TOLD_S = 0.2
"""How long a failed request waits for its transport to say why it ended."""
Value = TypeVar("Value")


class Connection:
    """A connected client, and what became of its transport."""

    def __init__(self, client: Client, peer: str, holding: asyncio.Task[None]) -> None:
        self.client = client
        self._peer, self._holding = peer, holding

    async def ask(self, request: Awaitable[Value]) -> Value:
        """The answer to a request.

        Raises: the class that the server raised; ConnectionLost when the transport broke or no answer came in time.
        """
        try:
            return await request
        except MCPError as error:
            failure = from_protocol(error)
            # The SDK uses this code for one broken stream too, on a transport that lives on: that one has nothing to tell.
            if error.code == CONNECTION_CLOSED and error.message == TRANSPORT_ENDED:
                await asyncio.wait([self._holding], timeout=TOLD_S)
                failure = lost(self._peer, self._holding)
            raise failure from None
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            raise lost(self._peer, self._holding) from None
        except (ValidationError, RuntimeError) as error:
            # What the SDK raises for a result that breaks the revision's schema or the tool's own output schema.
            first = str(error).partition("\n")[0]
            raise SametaskError(f"the server's answer is not accepted: {first}") from None


@asynccontextmanager
async def held(client: Client, peer: str) -> AsyncGenerator[Connection]:
    """Yields the connection. Leaving the block ends the transport (and a stdio server's process) within `CLOSE_S`.

    Raises: ConnectionLost, naming the peer, where it cannot be reached or started.
    """
    ready, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with client:
            ready.set()
            await leave.wait()

    holding = asyncio.create_task(hold())
    opening = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait([holding, opening], return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            raise lost(peer, holding)
        yield Connection(client, peer, holding)
    finally:
        leave.set()
        opening.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([holding], timeout=CLOSE_S)
            if not holding.done():
                holding.cancel()
                await asyncio.wait([holding], timeout=CLOSE_S)
        if holding.done() and not holding.cancelled():
            holding.exception()  # how the transport ended is told by the requests that it failed


def lost(peer: str, holding: asyncio.Task[None]) -> ConnectionLost:
    return ConnectionLost(f"no connection to {peer}: {_reason(holding)}; a task that was started may still be running")


def _reason(holding: asyncio.Task[None]) -> str:
    if not holding.done() or holding.cancelled() or (error := holding.exception()) is None:
        return "it was closed"
    while isinstance(error, BaseExceptionGroup):
        error = cast(BaseExceptionGroup[BaseException], error).exceptions[0]
    return f"{type(error).__name__}: {error}"
