"""The SDK's transports on connections of ours; gRPC's with one repair: a stream that its reader leaves is ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc.aio
import httpx
from a2a.client import Client, ClientCallContext, ClientConfig, ClientFactory
from a2a.client.transports.base import ClientTransport
from a2a.client.transports.grpc import GrpcTransport
from a2a.client.transports.jsonrpc import JsonRpcTransport
from a2a.client.transports.rest import RestTransport
from a2a.types import AgentCard, StreamResponse
from a2a.utils.constants import TransportProtocol

Make = Callable[[AgentCard, str, ClientConfig], ClientTransport]


class LeavableGrpcTransport(GrpcTransport):
    async def _call_grpc_stream(
        self, method: Callable[..., Any], request: Any, context: ClientCallContext | None, **kwargs: Any
    ) -> AsyncGenerator[StreamResponse]:
        """As the SDK's, whose generator just forgets its call when it is closed: the server would go on sending until the
        channel is closed.
        """
        call = method(request, metadata=self._get_grpc_metadata(context), timeout=self._get_grpc_timeout(context), **kwargs)
        try:
            while (response := await call.read()) is not grpc.aio.EOF:
                yield response
        finally:
            call.cancel()


def grpc_client(channel: grpc.aio.Channel, card: AgentCard, *, streaming: bool) -> Client:
    """The official client over that channel, which stays the caller's to close. `streaming` decides how it sends a message:
    by SendStreamingMessage, or by SendMessage.
    """
    return _client(TransportProtocol.GRPC, card, streaming, lambda card, _url, _config: LeavableGrpcTransport(channel, card))


def http_client(http: httpx.AsyncClient, binding: TransportProtocol, card: AgentCard, *, streaming: bool) -> Client:
    """As `grpc_client`, for one of the two JSON bindings; `http` stays the caller's to close."""
    kind = JsonRpcTransport if binding == TransportProtocol.JSONRPC else RestTransport
    return _client(binding, card, streaming, lambda card, url, _config: kind(http, card, url, is_shared_httpx=True))


def _client(binding: TransportProtocol, card: AgentCard, streaming: bool, make: Make) -> Client:
    # Another binding that the card offers is no way out: what is compared is this one.
    config = ClientConfig(streaming=streaming, supported_protocol_bindings=[binding], use_client_preference=True)
    factory = ClientFactory(config)
    factory.register(binding, make)
    return factory.create(card)
