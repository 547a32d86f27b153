"""The operations on a task's webhooks, and what these are told: each event as JSON, as the stream of the task tells it."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from fastapi import FastAPI, Path
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from ...agents.contract import invalid_input
from ...agents.errors import InvalidInput
from ...agents.events import Event, Given
from ...agents.webhooks import Webhook, WebhookState
from ..webhook_delivery import Format
from ..webhook_registration import check_webhook, webhooks_of
from ..webhook_settings import WebhookSettings
from ..webhook_signing import SECRET_PATTERN, new_secret
from ..webhook_targets import MAX_URL_CHARACTERS
from .problems import documented
from .requests import read_json
from .streams import Service
from .tasks import TaskId

FORMAT = "rest"


def bodies(hook: Webhook, event: Event) -> list[bytes]:
    return [event.model_dump_json().encode()]


FORMATS = {FORMAT: Format("application/json", bodies)}

WebhookId = Annotated[str, Path(description="The id of a webhook, as its creation gave it")]


class WebhookRequest(Given):
    """Where to send a task's events."""

    url: str = Field(
        description="https, to a public address; others where the server is started to allow them",
        json_schema_extra={"format": "uri", "pattern": "^https?://", "maxLength": MAX_URL_CHARACTERS},
    )
    secret: str | None = Field(
        default=None,
        description="Signs each delivery (Standard Webhooks): `whsec_` and 24 to 64 bytes as base64; without it, one is made",
        json_schema_extra={"pattern": SECRET_PATTERN},
    )
    after: int = Field(default=0, ge=0, le=2**53 - 1, description="Only events with a sequence number above this one")


class WebhookEntry(BaseModel):
    """A webhook of a task, and how far it is. `cursor` is the last event that was accepted."""

    id: str
    task_id: str
    url: str
    state: WebhookState
    cursor: int
    failed_attempts: int = Field(description="since the last delivery that was accepted")
    next_attempt_at: float | None = Field(default=None, description="seconds since the Unix epoch, while attempts fail")
    last_error: str


class WebhookCreated(WebhookEntry):
    """Told once: the secret is not shown again."""

    secret: str


class WebhookList(BaseModel):
    webhooks: list[WebhookEntry]


def add_webhooks(app: FastAPI, service: Service, settings: WebhookSettings) -> None:
    """The operations under `/tasks/{task_id}/webhooks`."""
    engine, path = service.engine, "/tasks/{task_id}/webhooks"

    @app.post(
        path,
        operation_id="create_webhook",
        tags=["webhooks"],
        status_code=201,
        response_model=WebhookCreated,
        responses={201: {"headers": {"Location": {"schema": {"type": "string"}}}}, **documented(404, 409, 413, 415, 422)},
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{WebhookRequest.__name__}"}}},
            }
        },
    )
    async def create_webhook(request: Request, task_id: TaskId) -> Response:
        """Have every event of the task sent to a URL, in order and at least once, each until it is accepted with a 2xx."""
        webhooks = webhooks_of(engine)
        asked = _parsed(await read_json(request, service.max_body_bytes))
        await engine.get(task_id)
        secret = new_secret() if asked.secret is None else asked.secret
        if not secret:
            raise InvalidInput("secret", secret, "accepted: a whsec_ secret, or none, so that one is made")
        hook = Webhook(uuid.uuid4().hex, task_id, asked.url, FORMAT, secret, cursor=asked.after)
        await check_webhook(hook, settings)
        created = WebhookCreated(**_entry(await webhooks.set(hook)), secret=secret)
        location = f"/tasks/{task_id}/webhooks/{hook.id}"
        return Response(created.model_dump_json(), 201, {"Location": location}, media_type="application/json")

    @app.get(path, operation_id="list_webhooks", tags=["webhooks"], response_model=WebhookList, responses=documented(404))
    async def list_webhooks(task_id: TaskId) -> Response:
        """The webhooks of a task, the oldest first, and how far each of them is."""
        entries = WebhookList(webhooks=[WebhookEntry(**_entry(hook)) for hook in await webhooks_of(engine).list(task_id)])
        return Response(entries.model_dump_json(), media_type="application/json")

    @app.get(
        path + "/{webhook_id}",
        operation_id="get_webhook",
        tags=["webhooks"],
        response_model=WebhookEntry,
        responses=documented(404),
    )
    async def get_webhook(task_id: TaskId, webhook_id: WebhookId) -> Response:
        entry = WebhookEntry(**_entry(await webhooks_of(engine).get(task_id, webhook_id)))
        return Response(entry.model_dump_json(), media_type="application/json")

    @app.delete(
        path + "/{webhook_id}",
        operation_id="delete_webhook",
        tags=["webhooks"],
        status_code=204,
        response_class=Response,
        responses=documented(404),
    )
    async def delete_webhook(task_id: TaskId, webhook_id: WebhookId) -> Response:
        """Send nothing more to it."""
        await webhooks_of(engine).get(task_id, webhook_id)
        await webhooks_of(engine).delete(task_id, webhook_id)
        return Response(status_code=204)


def webhook_schemas() -> dict[str, Any]:
    """The schemas that the operations refer to and FastAPI does not see."""
    return {WebhookRequest.__name__: WebhookRequest.model_json_schema()}


def _parsed(body: bytes) -> WebhookRequest:
    try:
        return WebhookRequest.model_validate_json(body)
    except ValidationError as error:
        raise invalid_input(error) from None


def _entry(hook: Webhook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "task_id": hook.task_id,
        "url": hook.url,
        "state": hook.state,
        "cursor": hook.cursor,
        "failed_attempts": hook.attempts,
        "next_attempt_at": hook.next_attempt_at if hook.attempts and hook.state is WebhookState.ACTIVE else None,
        "last_error": hook.last_error,
    }
