"""Tell a client that its message is too large in the words of JSON-RPC, where the SDK's server only gives a status."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...agents.errors import TooLarge
from ..errors import codes

_DRAIN_FACTOR = 2


class TellsTooLarge:
    """ASGI middleware: a 413 carries `TooLarge` as a JSON-RPC error, sent once the rest of the body has been read (an
    unread body makes the kernel reset the connection, and with it the answer); at most twice the limit is read.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app, self._limit_bytes = app, limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = False
        whole = False

        async def watched() -> Message:
            nonlocal whole
            message = await receive()
            whole = not message.get("more_body", False)
            return message

        async def told(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == 413:
                refused = True
                drained = 0
                while not whole and drained < self._limit_bytes * _DRAIN_FACTOR:
                    drained += len((await watched()).get("body", b""))
                body = self._body()
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await send({"type": "http.response.start", "status": 413, "headers": headers})
                await send({"type": "http.response.body", "body": body})
            elif not refused:
                await send(message)

        await self._app(scope, watched if scope["type"] == "http" else receive, told)

    def _body(self) -> bytes:
        limit = self._limit_bytes
        error = TooLarge(f"message: more than {limit} bytes are not accepted; at most {limit} bytes", field="message")
        said = {"code": codes(error).jsonrpc, "message": error.message, "data": error.to_json()}
        return json.dumps({"jsonrpc": "2.0", "id": None, "error": said}).encode()
