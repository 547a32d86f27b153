"""What the SDK's client raises, as our own classes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

import grpc
import grpc.aio
import httpx
from a2a.client.errors import A2AClientError, A2AClientTimeoutError
from a2a.utils.errors import A2AError, MethodNotFoundError
from a2a.utils.grpc_status import status_from_call
from google.rpc import error_details_pb2  # pyright: ignore[reportMissingTypeStubs] - none exist

from ...agents.errors import ConnectionLost, SametaskError
from ..errors import DOMAIN, from_peer
from .errors import from_a2a

_TRANSPORT = frozenset({"UNAVAILABLE", "UNKNOWN", "CANCELLED", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED"})
"""A status without details that gRPC itself gives when a connection or a stream breaks; an A2A error has details."""


@contextmanager
def our_errors() -> Generator[None]:
    """Raises ConnectionLost where the peer went away, and else the error that it sent, of the very class."""
    try:
        yield
    except A2AError as error:
        raise _ours(error) from error
    except grpc.aio.UsageError as error:
        raise ConnectionLost(f"the channel is closed ({error})") from error


def _ours(error: A2AError) -> SametaskError:
    cause = error.__cause__
    if isinstance(error, A2AClientTimeoutError):
        return ConnectionLost("no answer came in time; the task may still be running")
    if isinstance(cause, httpx.RequestError):
        return ConnectionLost(f"{type(cause).__name__}: {cause}")
    if not isinstance(cause, grpc.aio.AioRpcError):
        return _ours_in_json(error)
    status, said = cause.code().name, cause.details() or ""
    for info in _error_infos(cause):
        if info.domain == DOMAIN:
            return from_a2a(type(error)(said), info.reason, info.metadata)
    if not isinstance(error, A2AClientError):
        return from_a2a(error)
    if status in _TRANSPORT:
        return ConnectionLost(f"{status}: {said}")
    return from_peer(said, grpc=status)


def _ours_in_json(error: A2AError) -> SametaskError:
    """On the JSON bindings our code and details are the metadata of A2A's own ErrorInfo."""
    metadata = {name: str(value) for name, value in cast("dict[str, Any]", cast(Any, error).data or {}).items()}
    if metadata.pop("domain", "") == DOMAIN:
        return from_a2a(error, metadata.pop("reason", ""), metadata)
    if isinstance(error.__cause__, httpx.HTTPStatusError) and type(error) in (A2AClientError, MethodNotFoundError):
        return from_peer(error.message, http=error.__cause__.response.status_code)
    return from_a2a(error)


def _error_infos(error: grpc.aio.AioRpcError) -> Generator[error_details_pb2.ErrorInfo]:
    try:
        status = status_from_call(cast(Any, error))
    except ValueError:  # a status that contradicts its own trailers: there is nothing in it to trust
        return
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            yield info
