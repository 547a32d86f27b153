"""The URL that names an engine, and what may be said in it."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ..errors import InvalidInput

ACCEPTED = "accepted: sqlite:///PATH, sqlite:///:memory: or postgresql://USER@HOST:PORT/DATABASE"
_DURABILITY = ("FULL", "NORMAL")
_DISTRIBUTED = ("lease_s", "beat_s", "queue_poll_s", "key_lifetime_s")


def sqlite_path(url: str) -> tuple[str, dict[str, Any]]:
    """The file that `sqlite:///PATH?synchronous=NORMAL&key_lifetime_s=3600` names, and the settings.

    Raises: InvalidInput for another scheme, or a setting that is not accepted.
    """
    scheme, separator, rest = url.partition(":///")
    path, _, query = rest.partition("?")
    if scheme != "sqlite" or not separator or not path:
        raise InvalidInput("engine", url, ACCEPTED)
    settings: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "synchronous":
            if value.upper() not in _DURABILITY:
                raise InvalidInput("engine", url, f"synchronous: accepted: one of {', '.join(_DURABILITY)}")
            settings[name] = value.upper()
        elif name == "key_lifetime_s":
            settings[name] = _seconds(url, value, name)
        else:
            raise InvalidInput("engine", url, f"{name}: accepted settings: synchronous, key_lifetime_s")
    return path, settings


def is_distributed(url: str) -> bool:
    return url.partition("://")[0] in ("postgresql", "postgres")


def postgres_url(url: str) -> tuple[str, dict[str, Any]]:
    """The address in `postgresql://USER@HOST:PORT/DATABASE?lease_s=6`, and the settings: `lease_s`, `beat_s`, `queue_poll_s`,
    `key_lifetime_s`. Whatever else it says is libpq's.

    Raises: InvalidInput for a setting that is not accepted.
    """
    address, _, query = url.partition("?")
    given = parse_qsl(query, keep_blank_values=True)
    ours = {name: _seconds(shown(url), value, name) for name, value in given if name in _DISTRIBUTED}
    rest = urlencode([(name, value) for name, value in given if name not in ours])
    return address + (f"?{rest}" if rest else ""), ours


def _seconds(url: str, value: str, name: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    # A key that lives for no time names its task while that runs; a lease or a pause of none would only spin.
    if not math.isfinite(seconds) or seconds < 0 or (seconds == 0 and name != "key_lifetime_s"):
        least = "0 or more" if name == "key_lifetime_s" else "above 0"
        raise InvalidInput("engine", url, f"{name}: a number of seconds, {least}, is accepted")
    return seconds


def shown(url: str) -> str:
    """The URL as people may see it: without a password."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1@", re.sub(r"([?&]password=)[^&]*", r"\1...", url))
