"""What a webhook must be before it is stored, the same for every protocol."""

from __future__ import annotations

import re

from ..agents.engine import TaskEngine
from ..agents.errors import Conflict, InvalidInput
from ..agents.webhooks import KeepsWebhooks, Webhook, Webhooks
from .webhook_settings import WebhookSettings
from .webhook_signing import check_secret
from .webhook_targets import check_url

MAX_HEADER_CHARACTERS = 4096
_ID = re.compile(r"[A-Za-z0-9._~:@-]{1,128}")


def webhooks_of(engine: TaskEngine) -> Webhooks:
    """Raises: Conflict, where this engine keeps none."""
    if not isinstance(engine, KeepsWebhooks):
        raise Conflict("webhooks: the engine of this server keeps none")
    return engine.webhooks


async def check_webhook(hook: Webhook, settings: WebhookSettings) -> None:
    """Raises: InvalidInput, naming the field; secrets are not shown."""
    if not _ID.fullmatch(hook.id):
        raise InvalidInput("id", hook.id, "accepted: 1 to 128 letters, digits and any of ._~:@-")
    for name, value in hook.headers:
        if not (value.isascii() and value.isprintable() and len(value) <= MAX_HEADER_CHARACTERS) or value != value.strip():
            raise InvalidInput(name, "(not shown)", f"accepted: up to {MAX_HEADER_CHARACTERS} printable ASCII characters")
    if hook.secret:
        check_secret(hook.secret)
    await check_url(hook.url, settings.targets, settings.resolver)
