"""The one table from our error classes to each protocol's own codes.

`code` of `agents/errors.py` travels beside them: in problem+json's `code` (RFC 9457 extension member), in JSON-RPC's
`error.data`, in gRPC's `google.rpc.ErrorInfo.reason` (upper case, domain `sametask`). So a client gives back the very
class that was raised on the server.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..agents.errors import SametaskError

DOMAIN = "sametask"


@dataclass(frozen=True)
class Codes:
    """Shape: a JSON-RPC 2.0 error code, an HTTP status, the name of a `grpc.StatusCode`."""

    jsonrpc: int
    http: int
    grpc: str


TABLE: dict[str, Codes] = {
    "error": Codes(-32603, 500, "INTERNAL"),
    "invalid_input": Codes(-32602, 422, "INVALID_ARGUMENT"),
    "not_found": Codes(-32602, 404, "NOT_FOUND"),
    "unknown_agent": Codes(-32602, 404, "NOT_FOUND"),
    "unknown_skill": Codes(-32602, 404, "NOT_FOUND"),
    "unknown_task": Codes(-32602, 404, "NOT_FOUND"),
    "unknown_webhook": Codes(-32602, 404, "NOT_FOUND"),
    "conflict": Codes(-32600, 409, "FAILED_PRECONDITION"),
    "task_finished": Codes(-32600, 409, "FAILED_PRECONDITION"),
    "not_waiting": Codes(-32600, 409, "FAILED_PRECONDITION"),
    "key_reused": Codes(-32600, 409, "ALREADY_EXISTS"),
    "rejected": Codes(-32000, 422, "FAILED_PRECONDITION"),
    "too_large": Codes(-32600, 413, "RESOURCE_EXHAUSTED"),
    "skill_failed": Codes(-32603, 500, "INTERNAL"),
    "deadline_exceeded": Codes(-32000, 504, "DEADLINE_EXCEEDED"),
    "unavailable": Codes(-32000, 503, "UNAVAILABLE"),
    "connection_lost": Codes(-32000, 502, "UNAVAILABLE"),
}


def codes(error: SametaskError) -> Codes:
    """The codes of this error's class."""
    return TABLE[error.code]


_BY_STATUS = {"INVALID_ARGUMENT": "invalid_input", "NOT_FOUND": "not_found", "RESOURCE_EXHAUSTED": "too_large",
              "FAILED_PRECONDITION": "conflict", "ALREADY_EXISTS": "conflict", "UNAVAILABLE": "unavailable"}  # fmt: skip
_BY_HTTP = {
    400: "invalid_input",
    422: "invalid_input",
    404: "not_found",
    409: "conflict",
    413: "too_large",
    503: "unavailable",
}
_BY_JSONRPC = {-32602: "invalid_input", -32600: "conflict"}


def from_peer(
    message: str,
    *,
    code: str | None = None,
    details: dict[str, object] | None = None,
    http: int | None = None,
    grpc: str | None = None,
    jsonrpc: int | None = None,
) -> SametaskError:
    """The error a peer sent: of the class its `code` names, else of the class nearest to the protocol's own code, so that
    a server that is not ours is understood as well.
    """
    if code is None and http is not None:
        code = _BY_HTTP.get(http)
    if code is None and grpc is not None:
        code = _BY_STATUS.get(grpc)
    if code is None and jsonrpc is not None:
        code = _BY_JSONRPC.get(jsonrpc)
    return SametaskError.from_json({"code": code or "error", "message": message, "details": details or {}})
