"""The sessions of 2025-11-25: the SDK's, each with events of its own.

The SDK gives one store of events to all of them and names a stream by the id of its request, which is unique only within a
session (2025-11-25, basic, "Requests"): whoever resumed a stream would be told another client's messages and take its answer.
"""

from __future__ import annotations

from mcp.server.auth.middleware.bearer_auth import AuthorizationContext
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from .event_store import Events, Kept


class Sessions(StreamableHTTPSessionManager):
    """`kept` is where all of them keep their events."""

    kept: Kept

    def _admit_session(self, requestor: AuthorizationContext | None) -> StreamableHTTPServerTransport | None:
        self.event_store = own = Events(self.kept)
        transport = super()._admit_session(requestor)
        if transport is not None and transport.mcp_session_id is not None:
            own.session = transport.mcp_session_id
        return transport
