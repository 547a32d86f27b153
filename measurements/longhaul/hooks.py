"""A receiver of webhooks, and what a delivery tells in each protocol that has them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from a2a.types import StreamResponse
from google.protobuf.json_format import ParseDict
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ...agents.events import Event
from ...protocols.a2a.reading import UpdateReader
from ...protocols.listening import bind_socket, listen_http
from ...protocols.variants import Bind
from ..wire.tap import Tap, WireTap


class HasWebhooks(Protocol):
    """A client of a protocol that has webhooks."""

    async def create_webhook(self, task_id: str, url: str) -> None: ...


Read = Callable[[bytes], Iterable[Event]]


def reader_of(protocol: str) -> Read:
    """What gives the events that the body of a delivery tells, for one receiver."""
    return {"rest": _rest, "a2a": _a2a}[protocol]()


@asynccontextmanager
async def receiving(hear: Callable[[bytes], None]) -> AsyncGenerator[tuple[str, Tap]]:
    """A receiver on loopback: yields its url, and the line that leads to it. What `hear` was given is answered with a 204."""

    async def accept(request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:  # the sender was killed in the middle: nobody waits for this answer
            return Response(status_code=400)
        hear(body)
        return Response(status_code=204)

    app = Starlette(routes=[Route("/", accept, methods=["POST"])])
    async with listen_http(app, bind_socket(Bind())) as address, WireTap(address, name="webhook") as tap:
        yield f"http://{tap.address}/", tap


def _rest() -> Read:
    return lambda body: [Event.model_validate_json(body)]


def _a2a() -> Read:
    reader = UpdateReader()
    return lambda body: reader.read(ParseDict(json.loads(body), StreamResponse()))
