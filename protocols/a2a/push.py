"""A2A's push notifications (A2A 1.0 sections 3.1.7 to 3.1.10 and 4.3): configurations kept as webhooks, and what they are told.

The payload is a StreamResponse as ProtoJSON, whichever binding set it. The specification names no header for the token: the
reference SDKs send `X-A2A-Notification-Token` (Python) and `A2A-Notification-Token` (Go), so both are sent. A configuration
with the authentication scheme `StandardWebhooks` is signed with its credentials, a `whsec_` secret; without credentials one is
made and told once, in the answer to its creation.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace

import pydantic_core
from a2a.types import (
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    StreamResponse,
    TaskPushNotificationConfig,
    TaskStatusUpdateEvent,
)
from google.protobuf.json_format import MessageToDict

from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput
from ...agents.events import Event
from ...agents.webhooks import Webhook
from ..webhook_delivery import Format
from ..webhook_registration import check_webhook, webhooks_of
from ..webhook_settings import WebhookSettings
from ..webhook_signing import new_secret
from .translate import to_updates

FORMAT = "a2a"
SIGNED = "StandardWebhooks"
TOKEN_HEADERS = ("A2A-Notification-Token", "X-A2A-Notification-Token")
PAGE_COUNT = 100


def bodies(hook: Webhook, event: Event) -> list[bytes]:
    """The updates of one event, as a stream tells them; the same whenever they are made."""
    found: list[bytes] = []
    for update in to_updates(hook.task_id, hook.kept["context_id"], event):
        if isinstance(update, TaskStatusUpdateEvent):
            found.append(_json(StreamResponse(status_update=update)))
        else:
            found.append(_json(StreamResponse(artifact_update=update)))
    return found


def _json(told: StreamResponse) -> bytes:
    return pydantic_core.to_json(MessageToDict(told))


FORMATS = {FORMAT: Format("application/a2a+json", bodies)}


class PushConfigs:
    """The configurations of the tasks of one engine."""

    def __init__(self, engine: TaskEngine, settings: WebhookSettings) -> None:
        self._engine, self._settings = engine, settings

    async def checked(self, config: TaskPushNotificationConfig, *, told: bool) -> Webhook:
        """What to store for it, once its task is known. `told`: its answer can tell a secret that was made here.

        Raises: InvalidInput, naming the field.
        """
        headers = [(name, config.token) for name in TOKEN_HEADERS if config.token]
        scheme, credentials = config.authentication.scheme, config.authentication.credentials
        secret = ""
        if scheme.lower() == SIGNED.lower():
            secret = credentials or (new_secret() if told else "")
            if not secret:
                raise InvalidInput.missing("authentication.credentials", "a whsec_ secret, or a configuration set by itself")
        elif scheme and credentials:
            headers.append(("Authorization", f"{scheme} {credentials}"))
        # A message that is sent again sets the same one again, not another beside it.
        own = uuid.uuid4().hex if told else hashlib.sha256(config.url.encode()).hexdigest()[:32]
        hook = Webhook(config.id or own, "", config.url, FORMAT, secret, tuple(headers), {"scheme": scheme})
        await check_webhook(hook, self._settings)
        return hook

    async def set(self, hook: Webhook, task_id: str, context_id: str) -> Webhook:
        kept = {**hook.kept, "context_id": context_id}
        return await webhooks_of(self._engine).set(replace(hook, task_id=task_id, kept=kept))

    async def get(self, task_id: str, config_id: str) -> TaskPushNotificationConfig:
        return to_config(await webhooks_of(self._engine).get(task_id, config_id))

    async def delete(self, task_id: str, config_id: str) -> None:
        await webhooks_of(self._engine).delete(task_id, config_id)

    async def list(self, asked: ListTaskPushNotificationConfigsRequest) -> ListTaskPushNotificationConfigsResponse:
        if not 0 <= asked.page_size <= PAGE_COUNT:
            raise InvalidInput("page_size", asked.page_size, f"accepted: 1 to {PAGE_COUNT}, or 0 for as many as there are")
        hooks = await webhooks_of(self._engine).list(asked.task_id)
        ids = [hook.id for hook in hooks]
        if asked.page_token:
            if asked.page_token not in ids:
                raise InvalidInput("page_token", asked.page_token, "accepted: the token that the last page gave")
            hooks = hooks[ids.index(asked.page_token) + 1 :]
        page = hooks[: asked.page_size or None]
        return ListTaskPushNotificationConfigsResponse(
            configs=[to_config(hook) for hook in page], next_page_token=page[-1].id if len(page) < len(hooks) else ""
        )


def to_config(hook: Webhook, *, secret: bool = False) -> TaskPushNotificationConfig:
    """A configuration as it is told: without token and credentials, but for the `secret` that was just made."""
    config = TaskPushNotificationConfig(id=hook.id, task_id=hook.task_id, url=hook.url)
    if scheme := hook.kept.get("scheme"):
        config.authentication.scheme = scheme
    if secret:
        config.authentication.credentials = hook.secret
    return config
