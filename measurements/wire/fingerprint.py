"""The fingerprint: what protocol was really spoken, read off the wire, with everything that differs between runs taken out."""

from __future__ import annotations

import re

from .exchanges import Exchange

_SEPARATORS = re.compile(r"([/:])")  # a colon stands before a port, and before an operation (`/tasks/{id}:cancel`)
_ID = (
    re.compile(r"\d+"),
    re.compile(r".*[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}.*", re.IGNORECASE),
    re.compile(r"(?=.*\d).*[0-9a-fA-F]{8,}.*"),
    re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w-]{16,}"),
    re.compile(r"(?=.*[a-z])(?=.*[A-Z])[\w-]{16,}"),
)


def normal_path(path: str) -> str:
    """A path without the ids, ports and query values that tell one run from another."""
    path, _, query = path.partition("?")
    segments = ("{id}" if any(each.fullmatch(segment) for each in _ID) else segment for segment in _SEPARATORS.split(path))
    names = "&".join(pair.partition("=")[0] for pair in query.split("&"))
    return "".join(segments) + (f"?{names}" if query else "")


def fingerprint(exchange: Exchange, protocol: str) -> str:
    """One line for an exchange.

    Shape: `stdio METHOD REVISION` (on a connection: `json-lines ...`), `grpc /package.Service/Method ...`, or `METHOD /path
    [request type] -> [status] [response type] ...`, followed by the version headers that were there. `-> ?` means that no
    response was seen.
    """
    request, response = exchange.request, exchange.response
    if protocol in ("stdio", "json-lines"):
        return " ".join(filter(None, [protocol, request.rpc_method, request.version or exchange.version]))
    asked = request.headers.get("content-type", "")
    parts: list[str] = []
    if asked.startswith("application/grpc"):
        parts += ["grpc", request.path]
        status = exchange.status.get("grpc-status", "")
        parts += [f"grpc-status={status}"] if status not in ("", "0") else []
    else:
        parts += [request.method, normal_path(request.path), _media_type(asked), "->"]
        parts += (
            ["?"] if response is None else [_status(response.status), _media_type(response.headers.get("content-type", ""))]
        )
    for name in ("mcp-protocol-version", "mcp-method", "a2a-version", "a2a-extensions"):
        parts += [f"{name}={request.headers[name]}"] if name in request.headers else []
    parts += [f"jsonrpc={exchange.rpc_method}"] if exchange.rpc_method else []
    return " ".join(filter(None, parts))


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip()


def _status(status: int) -> str:
    return "" if 200 <= status < 300 else str(status)
