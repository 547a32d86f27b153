"""Who calls, and what with: the context of one call, the same for every binding."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio
from a2a.extensions.common import HTTP_EXTENSION_HEADER, get_requested_extensions
from a2a.server.context import ServerCallContext
from a2a.utils.constants import VERSION_HEADER
from a2a.utils.errors import VersionNotSupportedError

from .card import PROTOCOL_VERSION
from .resume import EXTENSION


def call_context(
    fields: Iterable[tuple[str, str]],
    variant: str,
    tenant: str,
    *,
    version: str = "",
    time_remaining: Callable[[], float | None] | None = None,
    draining: anyio.Event | None = None,
) -> ServerCallContext:
    """The context of a call with these header fields, or gRPC metadata (lower-case names); those of one name are one list (RFC
    9110 section 5.3). `version` stands in where the header is missing.

    Raises: VersionNotSupportedError (A2A 1.0 section 3.6.2; no version means 0.3).
    """
    headers: dict[str, str] = {}
    for name, value in fields:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    version = headers.get(VERSION_HEADER.lower(), "") or version or "0.3"
    if ".".join(version.split(".")[:2]) != PROTOCOL_VERSION:
        raise VersionNotSupportedError(f"A2A-Version: {version!r} is not accepted; accepted: {PROTOCOL_VERSION}")
    extensions = get_requested_extensions([headers.get(HTTP_EXTENSION_HEADER.lower(), "")])
    variant = f"{variant}+resume" if EXTENSION in extensions else variant
    return ServerCallContext(
        state={"headers": headers, "variant": variant, "time_remaining": time_remaining, "draining": draining},
        tenant=tenant,
        requested_extensions=extensions,
    )
