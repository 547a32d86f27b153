"""The messages of open streams of 2025-11-25, by event id, so that a client whose connection broke gets the rest.

What is told of a task has the task's log behind it: its event id is a cursor into that log, and says all that is needed to go
on from there. So it is understood after a restart, and by any other process on the same store (see `resumed.py`). Everything
else is kept in memory, the newest of it, as long as the server lives: a session of that revision does not outlive it either.

Source: MCP 2025-11-25, basic/transports, "Resumability and Redelivery".
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections import OrderedDict
from dataclasses import astuple, dataclass
from typing import Any, Final

import anyio
import pydantic_core
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCResponse
from pydantic import TypeAdapter, ValidationError

from .wire import EVENT

KEPT_COUNT: Final = 10_000
_PREFIX: Final = "t."
_FIELDS: Final = TypeAdapter(tuple[str, int, str | int, str | int, str])


@dataclass(frozen=True)
class Cursor:
    """Where in a task's log a stream stands: `seq` is told. `request` is the id of the call that the stream answers, `token`
    its progress token, and `tool` what was called.
    """

    task: str
    seq: int
    request: str | int
    token: str | int
    tool: str

    def encoded(self) -> str:
        return _PREFIX + base64.urlsafe_b64encode(pydantic_core.to_json(astuple(self))).decode().rstrip("=")


def decoded(event_id: str) -> Cursor | None:
    """The cursor that an event id is; None where it is none of ours."""
    if not event_id.startswith(_PREFIX):
        return None
    text = event_id.removeprefix(_PREFIX)
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return Cursor(*_FIELDS.validate_json(raw, strict=True))
    except (ValidationError, binascii.Error, ValueError):
        return None


Sent = tuple[int, str, JSONRPCMessage | None]
"""A message's number, and the stream that it was sent on, which is named by the id of the call that it answers."""


class Kept:
    """The newest messages of all sessions. `knows` says whether this process has the event of that session in memory, so that
    the SDK can go on with its stream.
    """

    def __init__(self, kept_count: int = KEPT_COUNT) -> None:
        # Under the session's id too: each counts its requests from 1, and two that follow one task have the same cursors.
        self.events: OrderedDict[tuple[str, str], Sent] = OrderedDict()
        self.news = anyio.Event()
        self._kept_count = kept_count
        self._process, self._count = secrets.token_urlsafe(9), 0

    def knows(self, session: str, event_id: str) -> bool:
        return (session, event_id) in self.events

    def keep(self, session: str, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Shape: the event's id."""
        self._count += 1
        cursor = _cursor(message)
        event_id = f"{self._process}.{self._count}" if cursor is None else cursor.encoded()
        self.events.pop((session, event_id), None)
        self.events[session, event_id] = (self._count, stream_id, message)
        if len(self.events) > self._kept_count:
            self.events.popitem(last=False)
        self.news.set()
        self.news = anyio.Event()
        return event_id


class Events(EventStore):
    """The SDK's seam, for one session: the rest of a stream is no other session's."""

    def __init__(self, kept: Kept, session: str = "") -> None:
        self._kept, self.session = kept, session

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        return self._kept.keep(self.session, stream_id, message)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Send what came after that event on its stream, and what comes, up to the answer of its call.

        Shape: always None. The SDK would take over from a stream that is named, and what is stored between the last event
        sent and that moment would be lost (`mcp.server.streamable_http`, "replay→live-tail ordering window").
        """
        found = self._kept.events.get((self.session, last_event_id))
        if found is None:
            return None
        seen, stream_id, message = found
        while not isinstance(message, JSONRPCResponse | JSONRPCError):
            news = self._kept.news
            fresh = self._after(seen, stream_id)
            for number, event_id, message in fresh:
                await send_callback(EventMessage(message, event_id))
                seen = number
            if not fresh:
                await news.wait()
        return None

    def _after(self, seen: int, stream_id: str) -> list[tuple[int, str, JSONRPCMessage]]:
        found: list[tuple[int, str, JSONRPCMessage]] = []
        for (session, event_id), (number, of, message) in reversed(self._kept.events.items()):
            if number <= seen:
                break
            if (session, of) == (self.session, stream_id) and message is not None:
                found.append((number, event_id, message))
        return found[::-1]


def _cursor(message: JSONRPCMessage | None) -> Cursor | None:
    if not isinstance(message, JSONRPCNotification) or message.method != "notifications/progress":
        return None
    params: dict[str, Any] = message.params or {}
    meta: dict[str, Any] = params.get("_meta") or {}
    told: dict[str, Any] | None = meta.get(EVENT)
    if told is None:
        return None
    return Cursor(told["task"], told["seq"], told["request"], params["progressToken"], told["tool"])
