"""The messages of open streams of 2025-11-25, by event id, so that a client whose connection broke gets the rest.

They are kept in memory, the newest of them, as long as the server lives: a session of that revision does not outlive it either.

Source: MCP 2025-11-25, basic/transports, "Resumability and Redelivery".
"""

from __future__ import annotations

import secrets
from collections import OrderedDict

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCMessage

KEPT_COUNT = 10_000


class RecentEvents(EventStore):
    """Shape: an event id is a number behind a draw of this process's, so that another process's is unknown here."""

    def __init__(self, kept_count: int = KEPT_COUNT) -> None:
        self._events: OrderedDict[str, tuple[str, JSONRPCMessage | None]] = OrderedDict()
        self._kept_count = kept_count
        self._process, self._count = secrets.token_urlsafe(9), 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._count += 1
        event_id = f"{self._process}.{self._count}"
        self._events[event_id] = (stream_id, message)
        if len(self._events) > self._kept_count:
            self._events.popitem(last=False)
        return event_id

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after that event on its stream. Shape: the stream's id, None where the event is not known."""
        found = self._events.get(last_event_id)
        if found is None:
            return None
        stream_id = found[0]
        after = int(last_event_id.rpartition(".")[2])
        for event_id, (of, message) in [*self._events.items()]:
            if of == stream_id and message is not None and int(event_id.rpartition(".")[2]) > after:
                await send_callback(EventMessage(message, event_id))
        return stream_id
