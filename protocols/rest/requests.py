"""What a request says: its body within the limit, its preferences, its idempotency key, the event it has seen last."""

from __future__ import annotations

import re

from starlette.requests import Request

from ...agents.contract import Origin
from ...agents.errors import InvalidInput
from ..http_bodies import read_body
from .problems import UnsupportedMediaType

MAX_WAIT_S = 60
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])', re.IGNORECASE)


async def read_json(request: Request, max_body_bytes: int) -> bytes:
    """The raw JSON body.

    Raises: UnsupportedMediaType (a page of another site can send a form or text here without asking first, but not JSON),
    TooLarge.
    """
    media_type = request.headers.get("content-type", "")
    essence = media_type.partition(";")[0].strip().lower()
    if essence != "application/json" and not essence.endswith("+json"):
        raise UnsupportedMediaType(media_type)
    return await read_body(request, max_body_bytes)


def preferred_wait_s(prefer: str | None) -> int | None:
    """The `wait` preference (RFC 7240 section 4.3), at most `MAX_WAIT_S`; one that is malformed is ignored (section 2)."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_S) if found else None


def idempotency_key(value: str | None) -> str | None:
    """The key of an `Idempotency-Key` header: a structured-field string, quoted (draft-ietf-httpapi-idempotency-key-header
    section 2.1); one without quotes is taken as it is, as widespread APIs do.
    """
    if value is None or not (len(value) > 1 and value[0] == value[-1] == '"'):
        return value
    return re.sub(r'\\(["\\])', r"\1", value[1:-1])


def last_event_id(value: str) -> int | None:
    """The sequence number in a `Last-Event-ID` header, or None where there is none.

    Raises: InvalidInput when it is not a number that this server gave.
    """
    if not value:
        return None
    if not (value.isascii() and value.isdecimal()):
        raise InvalidInput("Last-Event-ID", value, "the id of an event of this task is accepted")
    return int(value)


def origin(request: Request, key: str | None) -> Origin:
    return Origin(variant="rest", caller=request.headers.get("user-agent", ""), message_id=key or "")
