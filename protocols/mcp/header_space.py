"""Header values without the white space around them, which a parser has to take off (RFC 9110 section 5.5) and httptools
leaves at the end; the SDK compares `Mcp-Name` and its fellows with the body byte by byte.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class TrimsHeaders:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
        await self._app(scope, receive, send)
