"""Where a request came from, as far as MCP tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp.server.context import ServerRequestContext

from ...agents.contract import Origin
from ...agents.errors import InvalidInput
from .failures import protocol_error
from .wire import KEY, MODERN


def origin(ctx: ServerRequestContext[Any, Any]) -> Origin:
    """Shape: the variant, the client's name and version, the JSON-RPC id, and `_meta` without what MCP and we reserve."""
    transport = "stdio" if ctx.request is None else "http"
    revision = "" if ctx.protocol_version in MODERN else "-2025"
    client = ctx.session.client_params
    caller = f"{client.client_info.name}/{client.client_info.version}" if client is not None else ""
    metadata = {
        name: value
        for name, value in _meta(ctx).items()
        if name not in ("progressToken", "progress_token") and not name.startswith(("io.modelcontextprotocol/", "sametask/"))
    }
    message_id = "" if ctx.request_id is None else str(ctx.request_id)
    return Origin(variant=f"mcp-{transport}{revision}", caller=caller, message_id=message_id, metadata=metadata)


def idempotency_key(ctx: ServerRequestContext[Any, Any]) -> str | None:
    """The key in the request's `_meta`. Raises: MCPError where it is not a text."""
    key = _meta(ctx).get(KEY)
    if key is None or (isinstance(key, str) and key):
        return key
    raise protocol_error(InvalidInput(f"_meta.{KEY}", key, "a text of at least 1 character is accepted"))


def _meta(ctx: ServerRequestContext[Any, Any]) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], ctx.meta or {})
