"""The SDK's gRPC transport on a channel of ours, with one repair: a stream that its reader leaves is ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import grpc.aio
from a2a.client import Client, ClientCallContext, ClientConfig, ClientFactory
from a2a.client.transports.grpc import GrpcTransport
from a2a.types import AgentCard, StreamResponse
from a2a.utils.constants import TransportProtocol


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


def client_on(channel: grpc.aio.Channel, card: AgentCard, *, streaming: bool) -> Client:
    """The official client over that channel, which stays the caller's to close. `streaming` decides how it sends a message:
    by SendStreamingMessage, or by SendMessage.
    """
    config = ClientConfig(streaming=streaming, supported_protocol_bindings=[TransportProtocol.GRPC], use_client_preference=True)
    factory = ClientFactory(config)
    factory.register(TransportProtocol.GRPC, lambda card, _url, _config: LeavableGrpcTransport(channel, card))
    return factory.create(card)
