"""Requests that are still open when the server stops end as an HTTP response does: the SDK's would last until they are
cancelled, with a traceback for each.
"""

from __future__ import annotations

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRACE_S = 1.0
"""How long a call may still take. It is less than what the listener gives all of them, see `listening.DRAIN_S`."""


class EndsWithDrain:
    """ASGI middleware. Once `draining` is set a standing stream (`GET`) ends at once, any other response after `GRACE_S`. A
    stream just ends, between two events, so that its client asks for the rest; what has not begun to answer is a 503.
    """

    def __init__(self, app: ASGIApp, draining: anyio.Event) -> None:
        self._app, self._draining = app, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = ended = False

        async def watched(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        async def end() -> None:
            await self._draining.wait()
            if scope["method"] != "GET":
                await anyio.sleep(GRACE_S)
            group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(end)
            await self._app(scope, receive, watched)
            group.cancel_scope.cancel()
        if ended:
            return
        if not begun:
            await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
