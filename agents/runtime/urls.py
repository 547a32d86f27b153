"""The URL that names an engine, and what may be said in it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from ..errors import InvalidInput

ACCEPTED = "accepted: sqlite:///PATH or sqlite:///:memory:"
_DURABILITY = ("FULL", "NORMAL")


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
            try:
                settings[name] = float(value)
            except ValueError:
                raise InvalidInput("engine", url, "key_lifetime_s: a number of seconds is accepted") from None
        else:
            raise InvalidInput("engine", url, f"{name}: accepted settings: synchronous, key_lifetime_s")
    return path, settings
