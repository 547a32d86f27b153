"""Signatures of webhooks by Standard Webhooks (https://www.standardwebhooks.com, specification 1.0): HMAC-SHA256 over id,
timestamp and body, with a secret that is shared when the webhook is set.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from ..agents.errors import InvalidInput

PREFIX = "whsec_"
SECRET_BYTES = 32
SHORTEST_BYTES, LONGEST_BYTES = 24, 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(secret: str, field: str = "secret") -> None:
    """Raises: InvalidInput, which does not tell the secret."""
    try:
        size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not secret.startswith(PREFIX) or not SHORTEST_BYTES <= size <= LONGEST_BYTES:
        accepted = f"accepted: {PREFIX} and {SHORTEST_BYTES} to {LONGEST_BYTES} bytes as base64"
        raise InvalidInput(field, "(not shown)", accepted)


def signed_headers(secret: str, message_id: str, timestamp_s: int, body: bytes) -> list[tuple[str, str]]:
    """The headers of one attempt. A message that is sent again keeps its id; without a secret it is not signed."""
    headers = [("webhook-id", message_id), ("webhook-timestamp", str(timestamp_s))]
    if secret:
        key = base64.b64decode(secret.removeprefix(PREFIX))
        digest = hmac.digest(key, f"{message_id}.{timestamp_s}.".encode() + body, hashlib.sha256)
        headers.append(("webhook-signature", "v1," + base64.b64encode(digest).decode()))
    return headers
