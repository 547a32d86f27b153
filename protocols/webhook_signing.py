"""Signatures of webhooks by Standard Webhooks (https://www.standardwebhooks.com, specification 1.0): HMAC-SHA256 over id,
timestamp and body, with a secret that is shared when the webhook is set.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from ..agents.errors import InvalidInput

PREFIX = "whsec_"
SECRET_BYTES = 32
SHORTEST_BYTES, LONGEST_BYTES = 24, 64
_DIGIT = "[A-Za-z0-9+/]"
_QUAD, _ONE, _TWO = f"({_DIGIT}{{4}})", f"{_DIGIT}{{2}}==", f"{_DIGIT}{{3}}="
SECRET_PATTERN = f"^{PREFIX}({_QUAD}{{8,20}}({_ONE}|{_TWO})?|{_QUAD}{{21}}({_ONE})?)$"


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(secret: str, field: str = "secret") -> None:
    """Raises: InvalidInput, which does not tell the secret."""
    if not re.fullmatch(SECRET_PATTERN, secret):
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
