"""The server half: a FastAPI application over the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastapi import FastAPI

from ...agents.engine import TaskEngine
from ..listening import bind_socket, listen_http
from ..variants import Bind, Endpoint
from ..webhook_delivery import delivering
from ..webhook_settings import WebhookSettings
from .problems import Problem, install
from .skills import add_skills
from .streams import Service
from .tasks import add_catalogue, add_tasks
from .webhooks import FORMATS, add_webhooks, webhook_schemas


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schemas = super().openapi().setdefault("components", {}).setdefault("schemas", {})
            schemas[Problem.__name__] = Problem.model_json_schema(mode="serialization")
            schemas.update(webhook_schemas())
        assert self.openapi_schema is not None
        return self.openapi_schema


def application(service: Service, webhooks: WebhookSettings = WebhookSettings()) -> FastAPI:
    """The ASGI application; its OpenAPI document is at `/openapi.json`."""
    app = _Application(
        title="sametask", summary="The agents served here, one operation per skill", version="1", redirect_slashes=False
    )
    install(app)
    add_skills(app, service)
    add_catalogue(app, service)
    add_tasks(app, service)
    add_webhooks(app, service, webhooks)
    return app


@asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """Serve the engine's roster over HTTP; yields once it accepts.

    Raises: Unavailable when the port cannot be bound.
    """
    service = Service(engine, bind.max_message_bytes, anyio.Event())
    app = application(service, bind.webhooks)
    async with delivering(engine, FORMATS, bind.webhooks), listen_http(app, bind_socket(bind)) as address:
        try:
            yield Endpoint(f"http://{address}", {"http": address})
        finally:
            service.draining.set()
