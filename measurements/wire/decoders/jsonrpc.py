"""What a JSON body says it is: the JSON-RPC method, and the protocol revision that an MCP message names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

REVISION_KEY = "io.modelcontextprotocol/protocolVersion"


def parse(body: bytes) -> Any:
    """The JSON value, or None where there is none to be had."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def rpc_method(body: bytes) -> str:
    """The `method` of a JSON-RPC body (of a batch: joined by `+`); "" where it is something else."""
    value = parse(body)
    if isinstance(value, list):
        return "+".join(filter(None, (_method(item) for item in cast(list[Any], value))))
    return _method(value)


def _method(value: Any) -> str:
    if isinstance(value, dict):
        message = cast(Mapping[str, Any], value)
        method = message.get("method")
        if "jsonrpc" in message and isinstance(method, str):
            return method
    return ""


def revision(message: Mapping[str, Any]) -> str:
    """The MCP revision a message names: in a request's `_meta`, or in `initialize`'s parameters or result; else ""."""
    for field in ("params", "result"):
        inner = message.get(field)
        if isinstance(inner, dict):
            fields = cast(Mapping[str, Any], inner)
            meta = fields.get("_meta")
            named = cast(Mapping[str, Any], meta).get(REVISION_KEY) if isinstance(meta, dict) else None
            named = named or fields.get("protocolVersion")
            if isinstance(named, str):
                return named
    return ""
