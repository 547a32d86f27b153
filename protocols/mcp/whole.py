"""Requests that came whole: half of one has nobody who waits for its answer, and the SDK would log a traceback for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class WholeRequests:
    """ASGI middleware. What is cut goes no further, and is not answered: there is nobody to read it. Of a request beyond
    `limit_bytes` no more is read here; refusing it is left to `app`.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        messages = [await receive()]
        size = len(messages[0].get("body", b""))
        while messages[-1].get("more_body") and size <= self._limit_bytes:
            messages.append(await receive())
            size += len(messages[-1].get("body", b""))
        if messages[-1]["type"] != "http.disconnect":
            await self._app(scope, again(messages, receive), send)


def again(messages: Sequence[Message], receive: Receive) -> Receive:
    """A `receive` that gives what was read already first."""
    waiting = list(messages[::-1])

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return cast(Receive, next_message)
