"""One gRPC listener inside the caller's event loop, and the channel that a client reaches it by: options, health,
reflection and draining, the same for every protocol here that speaks gRPC.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, NoReturn, TypeAlias, cast

import anyio
import grpc
import grpc.aio

from ..agents.errors import Unavailable
from .client import ClientSettings
from .variants import Bind

DRAIN_S = 2.0

KEEPALIVE_TIME_MS = 2_500
KEEPALIVE_TIMEOUT_MS = 2_000
"""While a call is open, either side pings a connection that was silent for KEEPALIVE_TIME_MS, and gives it up when no answer
comes within KEEPALIVE_TIMEOUT_MS: a peer that is gone without a word is noticed within their sum, which is under 5 s.
"""

RETRIES = {
    "maxAttempts": 3,
    "initialBackoff": "0.1s",
    "maxBackoff": "1s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
"""gRFC A6. A call is repeated only as long as nothing of an answer has arrived."""

MAX_METADATA_BYTES = 256 * 2**10
"""Room for error details in the trailers; gRPC's own limit is 8 KiB."""

Options = Sequence[tuple[str, int | str]]
_Context = grpc.aio.ServicerContext[Any, Any]
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Register = Callable[[grpc.aio.Server], Sequence[str]]
"""Adds services to the server and returns their full names, which health and reflection then tell."""


_KEEPALIVE: Options = (
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    # keepalive_timeout_ms alone leaves the ping's own timeout at a minute.
    ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    ("grpc.http2.max_pings_without_data", 0),
)


def service_config(idempotent: Sequence[str]) -> str:
    """gRPC's service config (gRFC A2): the unary methods `SERVICE/METHOD` that change nothing by being called twice are tried
    again where the server was not there. Streams are not: their callers resume them after what they have heard.
    """
    names = [dict(zip(("service", "method"), name.split("/"), strict=True)) for name in idempotent]
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": RETRIES}] if names else []})


def server_options(max_message_bytes: int) -> Options:
    return (
        # Without it a second server binds the same port silently, and connections go to either.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        *_KEEPALIVE,
        # Clients ping silent connections, too; one that does so more often than gRPC likes is not to be sent away for it.
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),
    )


def channel_options(settings: ClientSettings, idempotent: Sequence[str] = ()) -> Options:
    connect_timeout_ms = max(1, round(settings.connect_timeout_s * 1000))
    return (
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.service_config", service_config(idempotent)),
        *_KEEPALIVE,
        # The name is misleading: it is how long one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", connect_timeout_ms),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # A proxy that the environment names would come between the caller and the address that was asked for.
        ("grpc.enable_http_proxy", 0),
        # Channels of one process would otherwise share a connection, and close it for each other.
        ("grpc.use_local_subchannel_pool", 1),
    )


def channel(target: str, settings: ClientSettings = ClientSettings(), *, idempotent: Sequence[str] = ()) -> grpc.aio.Channel:
    """A channel to `host:port` that notices a peer that has gone silent. It connects with its first call. `idempotent` names
    the methods to be tried again, see `service_config`. With `as_library` it is gRPC's own, without any option.
    """
    if settings.as_library:
        return grpc.aio.insecure_channel(target)
    return grpc.aio.insecure_channel(target, options=channel_options(settings, idempotent))


class _Draining:
    """Stands in for the server where services are added to it, and has each method of theirs told to it once, then: what an
    interceptor would do at every call, for a sixth of the price of an empty one.

    Once the server drains: open streams end with UNAVAILABLE, so that none of them looks finished; new calls are refused
    with the same; open unary calls may end. Health answers throughout, and who watches it is waited for, too: a server that
    stops to listen while somebody is there ends what they call with a bare CANCELLED.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server
        self.began = False
        self._streaming: set[asyncio.Task[Any]] = set()
        self._open_count = 0
        self._all_ended = asyncio.Event()

    async def drain(self) -> None:
        """Returns once no call is open."""
        self.began = True
        for task in tuple(self._streaming):
            task.cancel()
        if self._open_count:
            await self._all_ended.wait()

    def add_registered_method_handlers(self, service: str, handlers: dict[str, _Handler]) -> None:
        wrapped = {name: self._watched(service, handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, wrapped)

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Generated code adds its methods this way too, and gRPC prefers those that are registered: this is for code that was
        generated by an older release, which adds them this way only.
        """
        self._server.add_generic_rpc_handlers([_WatchedGeneric(handler, self._watched) for handler in handlers])

    def _watched(self, service: str, handler: _Handler) -> _Handler:
        sides = f"{'stream' if handler.request_streaming else 'unary'}_{'stream' if handler.response_streaming else 'unary'}"
        behaviour = cast(Callable[..., Any], getattr(handler, sides))
        refusable = not service.startswith("grpc.health.v1.")
        wrapped = (self._stream if handler.response_streaming else self._unary)(behaviour, refusable)
        make = cast(Callable[..., _Handler], getattr(grpc, f"{sides}_rpc_method_handler"))
        return make(wrapped, handler.request_deserializer, handler.response_serializer)

    def _unary(self, behaviour: Callable[..., Any], refusable: bool) -> Callable[..., Any]:
        async def unary(request: Any, context: _Context) -> Any:
            self._open_count += 1
            try:
                if self.began and refusable:
                    await _refuse(context)
                return await behaviour(request, context)
            finally:
                self._closed()

        return unary

    def _stream(self, behaviour: Callable[..., Any], refusable: bool) -> Callable[..., Any]:
        async def stream(request: Any, context: _Context) -> AsyncGenerator[Any]:
            task = asyncio.current_task()
            assert task is not None
            if refusable:
                self._streaming.add(task)
            self._open_count += 1
            try:
                if self.began and refusable:
                    await _refuse(context)
                answer = behaviour(request, context)
                if not hasattr(answer, "__aiter__"):  # a servicer may also write to the context itself
                    await answer
                    return
                async with contextlib.aclosing(answer) as messages:
                    async for message in cast(AsyncIterator[Any], messages):
                        yield message
            except asyncio.CancelledError:
                if not self.began:
                    raise
                task.uncancel()
                await _refuse(context)
            finally:
                self._streaming.discard(task)
                self._closed()

        return stream

    def _closed(self) -> None:
        self._open_count -= 1
        if self.began and not self._open_count:
            self._all_ended.set()


class _WatchedGeneric(grpc.GenericRpcHandler):
    def __init__(self, handler: grpc.GenericRpcHandler, watched: Callable[[str, _Handler], _Handler]) -> None:
        self._handler, self._watched = handler, watched

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> _Handler | None:
        found = self._handler.service(handler_call_details)
        return None if found is None else self._watched(handler_call_details.method.strip("/"), found)


async def _refuse(context: _Context) -> NoReturn:
    await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down; its tasks go on")


@contextlib.asynccontextmanager
async def listen_grpc(register: Register, bind: Bind, listener: int = 0) -> AsyncGenerator[str]:
    """Serve what `register` adds; yields the bound `host:port`. Health (`grpc.health.v1`) and reflection come with it.

    Leaving the block turns health to NOT_SERVING, ends open streams with UNAVAILABLE, refuses new calls, and gives open
    unary calls `DRAIN_S` seconds to end; health can be asked until then, and only after that the listener closes.

    Raises: Unavailable, naming the port, when it cannot be bound.
    """
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

    server = grpc.aio.server(options=server_options(bind.max_message_bytes))
    draining = _Draining(server)
    watched = cast(grpc.aio.Server, draining)  # generated code calls no other method of it
    names = tuple(register(watched))
    status = cast(Any, health).aio.HealthServicer()
    cast(Any, health_pb2_grpc).add_HealthServicer_to_server(status, watched)
    health_name = cast(Any, health_pb2).DESCRIPTOR.services_by_name["Health"].full_name
    mirror = cast(Any, reflection).aio.ReflectionServicer((*names, health_name, reflection.SERVICE_NAME))
    cast(Any, reflection_pb2_grpc).add_ServerReflectionServicer_to_server(mirror, watched)
    host = f"[{bind.host}]" if ":" in bind.host else bind.host
    wanted = bind.port_of(listener)
    try:
        port = server.add_insecure_port(f"{host}:{wanted}")
    except RuntimeError:
        raise Unavailable(
            f"port: {host}:{wanted} cannot be bound; accepted: a free port, or 0 for any", field="port", value=wanted
        ) from None
    for name in names:
        await status.set(name, cast(Any, health_pb2).HealthCheckResponse.SERVING)
    await server.start()
    try:
        yield f"{host}:{port}"
    finally:
        with anyio.CancelScope(shield=True):
            until = anyio.current_time() + DRAIN_S
            await status.enter_graceful_shutdown()
            with anyio.move_on_at(until):
                await draining.drain()
            await server.stop(max(0.0, until - anyio.current_time()))
