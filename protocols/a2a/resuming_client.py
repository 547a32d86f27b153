"""The client half with our resume extension: numbered events, and a stream that goes on where the last one broke."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from a2a.client import ClientCallContext

from ...agents.errors import Conflict, InvalidInput
from ...agents.events import Event, Snapshot
from ..client import ClientSettings
from .client import A2AClient, connect_grpc
from .resume import EXTENSION, parameters


class ResumingClient(A2AClient):
    """Asks for the extension in every call."""

    def _context(self, timeout_s: float | None = None, after: int | None = None) -> ClientCallContext:
        return ClientCallContext(timeout=timeout_s, service_parameters=parameters(after))

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """Every event above `after`, of a task that has ended too. The task as it stands, with which each subscription has to
        begin, is left out: what it tells is told by its events.
        """
        if after < 0:
            raise InvalidInput("after", after, "0 or the number of an event is accepted")
        try:
            async with aclosing(self._subscribed(task_id, after)) as events:
                async for event in events:
                    if not isinstance(event.body, Snapshot):
                        yield event
        except Conflict:
            return  # the task has ended, and there is nothing above `after`


@asynccontextmanager
async def connect_grpc_resuming(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[ResumingClient]:
    """As `connect_grpc`. Raises also: InvalidInput when the card does not declare the extension."""
    async with connect_grpc(url, settings) as plain:
        if EXTENSION not in {extension.uri for extension in plain.card.capabilities.extensions}:
            raise InvalidInput("url", url, f"accepted: an agent whose card declares the extension {EXTENSION}")
        yield ResumingClient(plain.card, plain.unary, plain.streaming, plain.settings)
