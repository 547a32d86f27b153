"""What both JSON bindings stand on: the handler, and how its answers and updates become JSON."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import anyio
import pydantic_core
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import ListTasksResponse
from a2a.utils.errors import A2AError
from a2a.utils.proto_utils import to_stream_response
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from starlette.responses import Response

from ...agents.errors import Unavailable
from ..sse import FrameStream
from .errors import to_a2a
from .json_errors import as_a2a
from .resume import activated

Told = Callable[[dict[str, Any]], dict[str, Any]]
"""How a binding wraps one update."""
Failed = Callable[[A2AError], bytes]
"""How a binding tells, as the last frame of a stream, that it failed."""


@dataclass(frozen=True)
class HttpService:
    """What every operation needs. `draining` is set when the server is about to stop."""

    handler: RequestHandler
    max_body_bytes: int
    draining: anyio.Event


def json_response(
    body: dict[str, Any], status: int = 200, media_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> Response:
    return Response(pydantic_core.to_json(body), status, headers, media_type=media_type)


def to_json(message: Message) -> dict[str, Any]:
    """ProtoJSON. A page of tasks tells its size and its next token even where they are 0 and empty: both are required."""
    if not isinstance(message, ListTasksResponse):
        return MessageToDict(message)
    page = MessageToDict(message, always_print_fields_with_no_presence=True)
    for told, task in zip(page["tasks"], message.tasks, strict=True):
        if not task.artifacts:
            del told["artifacts"]
    return page


async def stream_response(
    service: HttpService, updates: AsyncGenerator[Any], context: ServerCallContext, told: Told, failed: Failed
) -> Response:
    """The updates as they come; one frame each.

    Raises: what the operation raises before its first update, so that it has a status of its own.
    """
    first = await anext(updates)
    drained = Unavailable("the server is shutting down; the task goes on, subscribe to it again")
    frames = _frames(first, updates, told, failed)
    return FrameStream(frames, failed(to_a2a(drained)), service.draining, activated(context))


async def _frames(first: Any, updates: AsyncGenerator[Any], told: Told, failed: Failed) -> AsyncGenerator[bytes]:
    def framed(update: Any) -> bytes:
        return frame(told(to_json(cast(Message, to_stream_response(update)))))

    async with aclosing(updates):
        yield framed(first)
        try:
            async for update in updates:
                yield framed(update)
        except Exception as error:
            yield failed(as_a2a(error))


def frame(data: dict[str, Any], event: str = "") -> bytes:
    """One Server-Sent Event."""
    named = f"event: {event}\n".encode() if event else b""
    return named + b"data: " + pydantic_core.to_json(data) + b"\n\n"
