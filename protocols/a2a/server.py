"""The server half: agent cards and the two JSON bindings on HTTP, the A2A service on gRPC."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import grpc.aio
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import AgentCard, AgentInterface, a2a_pb2, a2a_pb2_grpc
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH, TransportProtocol
from google.protobuf.json_format import MessageToJson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...agents.contract import Roster
from ...agents.engine import TaskEngine
from ..grpc_listening import listen_grpc
from ..listening import bind_socket, host_port, listen_http
from ..variants import Bind, Endpoint
from ..webhook_delivery import delivering
from . import http_json, jsonrpc
from .card import PROTOCOL_VERSION, agent_card, root_card
from .handler import TaskHandler
from .http_service import HttpService
from .push import FORMATS
from .quick import QuickCalls
from .servicer import A2AServicer

_CACHE_CONTROL = "public, max-age=60"


@asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """All three bindings over one engine, on two listeners; the cards tell where each of them is.

    Raises: Unavailable when a port cannot be bound.
    """
    handler, quick = TaskHandler(engine, bind.webhooks), QuickCalls(engine.roster)
    async with delivering(engine, FORMATS, bind.webhooks), serve_handler(handler, engine.roster, bind, quick) as endpoint:
        yield endpoint


@asynccontextmanager
async def serve_handler(
    handler: RequestHandler, roster: Roster, bind: Bind, quick: QuickCalls | None = None
) -> AsyncGenerator[Endpoint]:
    """As `serve`, with any handler; `quick` answers what it can before the handler is asked."""

    def register(server: grpc.aio.Server) -> Sequence[str]:
        cast(Any, a2a_pb2_grpc).add_A2AServiceServicer_to_server(A2AServicer(handler, quick), server)
        return (a2a_pb2.DESCRIPTOR.services_by_name["A2AService"].full_name,)

    service = HttpService(handler, bind.max_message_bytes, anyio.Event())
    sock = bind_socket(bind)
    try:
        async with listen_grpc(register, bind, 1) as grpc_address:
            interfaces = _interfaces(bind.advertise.get("http") or host_port(sock), bind.advertise.get("grpc") or grpc_address)
            routes = [_card_route(AGENT_CARD_WELL_KNOWN_PATH, root_card(roster, interfaces))]
            routes += [
                _card_route(f"/agents/{agent.name}{AGENT_CARD_WELL_KNOWN_PATH}", agent_card(agent, interfaces))
                for agent in roster.values()
            ]
            app = Starlette(routes=[*routes, *jsonrpc.routes(service), *http_json.routes(service)])
            async with listen_http(app, sock) as http_address:
                try:
                    yield Endpoint(f"http://{http_address}", {"http": http_address, "grpc": grpc_address})
                finally:
                    service.draining.set()
    finally:
        sock.close()


def _interfaces(http: str, grpc_address: str) -> list[AgentInterface]:
    """Where each binding is; a client without a preference of its own takes the first (A2A 1.0 section 8.3.2)."""
    places = {
        TransportProtocol.GRPC: grpc_address,
        TransportProtocol.JSONRPC: f"http://{http}{jsonrpc.PATH}",
        TransportProtocol.HTTP_JSON: f"http://{http}{http_json.PATH}",
    }
    return [
        AgentInterface(url=url, protocol_binding=binding, protocol_version=PROTOCOL_VERSION) for binding, url in places.items()
    ]


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
