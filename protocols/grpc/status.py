"""Errors as google.rpc.Status with google.rpc.ErrorInfo (AIP-193), and back to the class that was raised."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any, Never

import grpc
import grpc.aio
from google.protobuf import json_format, struct_pb2

from ...agents.errors import ConnectionLost, SametaskError
from ..errors import DOMAIN, codes, from_peer

MAX_MESSAGE_LENGTH = 16_384
"""Characters of a message in the trailers, where it stands twice; what is longer is cut."""

# Libraries without types.
_status_pb2: Any = import_module("google.rpc.status_pb2")
_error_details_pb2: Any = import_module("google.rpc.error_details_pb2")
_rpc_status: Any = import_module("grpc_status.rpc_status")

_log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]


def to_status(error: SametaskError) -> Any:
    """The google.rpc.Status of an error. A detail that is not a text travels in a google.protobuf.Struct beside it."""
    texts = {name: value for name, value in error.details.items() if isinstance(value, str)}
    others = {name: value for name, value in error.details.items() if name not in texts}
    message = error.message if len(error.message) <= MAX_MESSAGE_LENGTH else error.message[: MAX_MESSAGE_LENGTH - 3] + "..."
    status = _status_pb2.Status(code=grpc.StatusCode[codes(error).grpc].value[0], message=message)
    info = _error_details_pb2.ErrorInfo(reason=error.code.upper(), domain=DOMAIN, metadata=texts)
    status.details.add().Pack(info)
    if others:
        status.details.add().Pack(json_format.ParseDict(others, struct_pb2.Struct()))
    return status


def from_status(status: Any) -> SametaskError | None:
    """The error in a google.rpc.Status, or None where it is not one of ours."""
    info, others = _error_details_pb2.ErrorInfo(), struct_pb2.Struct()
    for detail in status.details:
        if not detail.Unpack(info):
            detail.Unpack(others)
    if info.domain != DOMAIN:
        return None
    details: dict[str, Any] = {**info.metadata, **json_format.MessageToDict(others)}
    return SametaskError.from_json({"code": info.reason.lower(), "message": status.message, "details": details})


async def abort(context: Context, error: Exception) -> Never:
    """End the call with an error. One that is none of ours is a mistake in this server: it is logged, and not told."""
    if not isinstance(error, SametaskError):
        _log.error("unexpected", exc_info=error)
        error = SametaskError(f"internal error: {type(error).__name__}")
    await context.abort_with_status(_rpc_status.to_status(to_status(error)))


def from_rpc(error: grpc.aio.AioRpcError) -> SametaskError:
    """The error that a call ended with. A status without our details that does not speak of the request was made by gRPC
    itself, when the peer went away or fell silent.
    """
    try:
        status = _rpc_status.from_call(error)
    except ValueError:
        status = None
    ours = from_status(status) if status is not None else None
    if ours is not None:
        return ours
    name, message = error.code().name, error.details() or error.code().name
    if name in ("INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ALREADY_EXISTS"):
        return from_peer(message, grpc=name)
    return ConnectionLost(f"{name}: {message}")
