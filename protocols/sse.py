"""Server-Sent Events (WHATWG HTML, section 9.2) as a response that a drain ends and a silence does not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_S = 15.0  # what the standard advises against proxies that drop a silent connection


class FrameStream(Response):
    """Sends `frames`, whole Server-Sent Events, as they come, with a comment where there is silence.

    Once `draining` is set the stream ends with `drained`, so that a stream that stopped is never taken for one that finished.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self, frames: AsyncGenerator[bytes], drained: bytes, draining: anyio.Event, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["Content-Length"]
        self.frames, self.drained, self.draining = frames, drained, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connected, silent, last = True, True, b""

        async def write(chunk: bytes, more: bool = True) -> None:
            # One whole frame a call: uvicorn writes it in one go or, when cancelled, not at all.
            nonlocal silent
            silent = False
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

        async def listen_for_disconnect() -> None:
            nonlocal connected
            while (await receive())["type"] != "http.disconnect":
                pass
            connected = False
            group.cancel_scope.cancel()

        async def listen_for_drain() -> None:
            nonlocal last
            await self.draining.wait()
            last = self.drained
            group.cancel_scope.cancel()

        async def keep_alive() -> None:
            nonlocal silent
            while True:
                silent = True
                await anyio.sleep(KEEP_ALIVE_S)
                if silent:
                    await write(b": keep-alive\n\n")

        async with aclosing(self.frames) as frames:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async with anyio.create_task_group() as group:
                for watch in (listen_for_disconnect, listen_for_drain, keep_alive):
                    group.start_soon(watch)
                async for frame in frames:
                    await write(frame)
                group.cancel_scope.cancel()
        if connected:
            await write(last, more=False)
