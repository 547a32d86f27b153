"""A2A errors on the two JSON bindings: an ErrorInfo with A2A's reason, our code and details in its metadata."""

from __future__ import annotations

import logging
from typing import Any

from a2a.utils.error_handlers import build_error_details
from a2a.utils.errors import A2A_ERROR_MAPPING, JSON_RPC_ERROR_CODE_MAP, A2AError, ErrorMapping, InternalError, JSONParseError

from ...agents.errors import SametaskError
from .errors import to_a2a

logger = logging.getLogger(__name__)

_MAPPING = {**A2A_ERROR_MAPPING, JSONParseError: ErrorMapping(400, "INVALID_ARGUMENT", "INVALID_REQUEST")}


def as_a2a(error: Exception) -> A2AError:
    """The wall of both bindings: whatever went wrong as an A2A error in one line, a fault of ours without its traceback."""
    if isinstance(error, A2AError):
        return error
    if isinstance(error, SametaskError):
        return to_a2a(error)
    logger.exception("A2A call failed", exc_info=error)
    return InternalError(f"internal error: {type(error).__name__}")


def jsonrpc_error(error: A2AError) -> dict[str, Any]:
    """The error member of a JSON-RPC response (JSON-RPC 2.0 section 5.1)."""
    return {
        "code": JSON_RPC_ERROR_CODE_MAP[type(error)],
        "message": error.message,
        "data": build_error_details(error),
    }


def http_error(error: A2AError, status: int | None = None) -> tuple[int, dict[str, Any]]:
    """An HTTP status (of A2A's table, unless it is given), and the body that goes with it: a `google.rpc.Status` as Google's
    APIs send it (AIP-193).
    """
    mapped = _MAPPING[type(error)]
    code = status or mapped.http_code
    said = {"code": code, "status": mapped.grpc_status, "message": error.message}
    return code, {"error": said | {"details": build_error_details(error)}}
