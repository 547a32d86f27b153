"""One gRPC listener inside the caller's event loop, and the channel that a client reaches it by: options, health,
reflection and draining, the same for every protocol here that speaks gRPC.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

import anyio
import grpc
import grpc.aio

from ..agents.errors import Unavailable
from .client import ClientSettings
from .variants import Bind

DRAIN_S = 2.0

KEEPALIVE_TIME_MS = 5_000
KEEPALIVE_TIMEOUT_MS = 2_000
"""A silent connection is pinged after KEEPALIVE_TIME_MS and given up when no answer comes within KEEPALIVE_TIMEOUT_MS."""

MAX_METADATA_BYTES = 256 * 2**10
"""Room for error details in the trailers; gRPC's own limit is 8 KiB."""

Options = Sequence[tuple[str, int]]
Register = Callable[[grpc.aio.Server], Sequence[str]]
"""Adds services to the server and returns their full names, which health and reflection then tell."""


def server_options(max_message_bytes: int) -> Options:
    return (
        # Without it a second server binds the same port silently, and connections go to either.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        # Clients ping idle and silent connections; a server that does not permit it answers GOAWAY too_many_pings.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
        ("grpc.http2.max_ping_strikes", 0),
    )


def channel_options(settings: ClientSettings) -> Options:
    connect_timeout_ms = max(1, round(settings.connect_timeout_s * 1000))
    return (
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        # keepalive_timeout_ms alone leaves the ping's own timeout at a minute.
        ("grpc.http2.ping_timeout_ms", KEEPALIVE_TIMEOUT_MS),
        ("grpc.http2.max_pings_without_data", 0),
        # The name is misleading: it is how long one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", connect_timeout_ms),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # A proxy that the environment names would come between the caller and the address that was asked for.
        ("grpc.enable_http_proxy", 0),
        # Channels of one process would otherwise share a connection, and close it for each other.
        ("grpc.use_local_subchannel_pool", 1),
    )


def channel(target: str, settings: ClientSettings = ClientSettings()) -> grpc.aio.Channel:
    """A channel to `host:port` that notices a peer that has gone silent. It connects with its first call."""
    return grpc.aio.insecure_channel(target, options=channel_options(settings))


class _Draining(grpc.aio.ServerInterceptor):
    """Ends open streams with UNAVAILABLE when the server drains, so that none of them looks finished."""

    def __init__(self) -> None:
        self.began = False
        self._streaming: set[asyncio.Task[Any]] = set()

    def begin(self) -> None:
        self.began = True
        for task in tuple(self._streaming):
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        # Health's own watchers are told NOT_SERVING by health itself.
        if handler is None or not handler.response_streaming or handler_call_details.method.startswith("/grpc.health.v1."):
            return handler
        behaviour = cast(Callable[..., Any], handler.stream_stream if handler.request_streaming else handler.unary_stream)

        async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncGenerator[Any]:
            task = asyncio.current_task()
            assert task is not None
            self._streaming.add(task)
            try:
                if self.began:
                    raise asyncio.CancelledError
                answer = behaviour(request, context)
                if not hasattr(answer, "__aiter__"):  # a servicer may also write to the context itself
                    await answer
                    return
                async for message in cast(AsyncIterator[Any], answer):
                    yield message
            except asyncio.CancelledError:
                if not self.began:
                    raise
                task.uncancel()
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down; its tasks go on")
            finally:
                self._streaming.discard(task)

        make = cast(
            Callable[..., "grpc.RpcMethodHandler[Any, Any]"],
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler,
        )
        return make(stream, handler.request_deserializer, handler.response_serializer)


@contextlib.asynccontextmanager
async def listen_grpc(register: Register, bind: Bind, listener: int = 0) -> AsyncGenerator[str]:
    """Serve what `register` adds; yields the bound `host:port`. Health (`grpc.health.v1`) and reflection come with it.

    Leaving the block turns health to NOT_SERVING, ends open streams with UNAVAILABLE, refuses new calls, and gives open
    unary calls `DRAIN_S` seconds to end.

    Raises: Unavailable, naming the port, when it cannot be bound.
    """
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection

    draining = _Draining()
    server = grpc.aio.server(options=server_options(bind.max_message_bytes), interceptors=(draining,))
    names = tuple(register(server))
    status = cast(Any, health).aio.HealthServicer()
    cast(Any, health_pb2_grpc).add_HealthServicer_to_server(status, server)
    health_name = cast(Any, health_pb2).DESCRIPTOR.services_by_name["Health"].full_name
    cast(Any, reflection).enable_server_reflection((*names, health_name, reflection.SERVICE_NAME), server)
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
            await status.enter_graceful_shutdown()
            draining.begin()
            await server.stop(DRAIN_S)
