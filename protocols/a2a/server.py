"""The server half: agent cards on HTTP, the A2A service on gRPC."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc.aio
from a2a.types import AgentCard, AgentInterface, a2a_pb2, a2a_pb2_grpc
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH, TransportProtocol
from google.protobuf.json_format import MessageToJson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...agents.engine import TaskEngine
from ..grpc_listening import listen_grpc
from ..listening import bind_socket, listen_http
from ..variants import Bind, Endpoint
from .card import PROTOCOL_VERSION, agent_card, root_card
from .handler import TaskHandler
from .servicer import A2AServicer

_CACHE_CONTROL = "public, max-age=60"


@asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """Both listeners over one engine; the cards tell where the gRPC one is.

    Raises: Unavailable when a port cannot be bound.
    """
    handler = TaskHandler(engine, "a2a-grpc")

    def register(server: grpc.aio.Server) -> Sequence[str]:
        cast(Any, a2a_pb2_grpc).add_A2AServiceServicer_to_server(A2AServicer(handler), server)
        return (a2a_pb2.DESCRIPTOR.services_by_name["A2AService"].full_name,)

    http = bind_socket(bind)
    try:
        async with listen_grpc(register, bind, 1) as grpc_address:
            url = bind.advertise.get("grpc") or grpc_address
            interfaces = [AgentInterface(url=url, protocol_binding=TransportProtocol.GRPC, protocol_version=PROTOCOL_VERSION)]
            routes = [_card_route(AGENT_CARD_WELL_KNOWN_PATH, root_card(engine.roster, interfaces))]
            routes += [
                _card_route(f"/agents/{agent.name}{AGENT_CARD_WELL_KNOWN_PATH}", agent_card(agent, interfaces))
                for agent in engine.roster.values()
            ]
            async with listen_http(Starlette(routes=routes), http) as http_address:
                yield Endpoint(f"http://{http_address}", {"http": http_address, "grpc": grpc_address})
    finally:
        http.close()


def _card_route(path: str, card: AgentCard) -> Route:
    """The card as ProtoJSON, made once; a client that has it already is told so (RFC 9110 section 13.1.2)."""
    body = MessageToJson(card, indent=None).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": _CACHE_CONTROL}

    async def get(request: Request) -> Response:
        known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
        if etag in known or "*" in known:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    return Route(path, get, methods=["GET"])
