"""Our errors as MCP carries them, and back: JSON-RPC errors with our code in `data`, tool errors with it in `_meta`.

What a caller can correct by calling again with other arguments, and what the skill itself says, is the result of the tool
(`isError`), so that a model sees it; a tool, task or resource that does not exist is a JSON-RPC error (MCP 2025-11-25 and
2026-07-28, server/tools, "Error Handling"; SEP-1303).
"""

from __future__ import annotations

from typing import Any, cast

import mcp.types as t
from mcp.shared.exceptions import MCPError

from ...agents.errors import BY_CODE, ConnectionLost, SametaskError
from ..errors import codes, from_peer
from .wire import ERROR


def protocol_error(error: SametaskError) -> MCPError:
    return MCPError(codes(error).jsonrpc, error.message, error.to_json())


def tool_error(error: SametaskError) -> t.CallToolResult:
    text = t.TextContent(type="text", text=error.message)
    return t.CallToolResult(content=[text], is_error=True, _meta={ERROR: error.to_json()})


def from_protocol(error: MCPError) -> SametaskError:
    """The error that a JSON-RPC error tells of; what the SDK reports of its own transport is ConnectionLost."""
    said = _said(error.data)
    if said is not None:
        return SametaskError.from_json(said)
    if error.code in (t.CONNECTION_CLOSED, t.REQUEST_TIMEOUT):
        return ConnectionLost(f"{error.message}; the task, if there is one, may still be running")
    return from_peer(error.message, jsonrpc=error.code)


def from_result(result: t.CallToolResult) -> SametaskError:
    """The error that a tool result with `isError` tells of; SkillFailed's class where the server is not ours."""
    said = _said((result.meta or {}).get(ERROR))
    if said is not None:
        return SametaskError.from_json(said)
    text = " ".join(block.text for block in result.content if isinstance(block, t.TextContent))
    return from_peer(text or "the tool failed and said nothing", code="skill_failed")


def _said(data: Any) -> dict[str, Any] | None:
    if isinstance(data, dict):
        found = cast(dict[str, Any], data)
        if found.get("code") in BY_CODE:
            return found
    return None
