"""The connections of webhooks: to addresses that were checked, and to no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import httpcore

from .webhook_targets import Resolve, Targets, resolve


class TargetRefused(OSError):
    """None of the addresses of a name may be connected to."""


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, each just before it is connected to. TLS still checks the certificate against
    the name.
    """

    def __init__(self, targets: Targets, *, secure: bool, resolver: Resolve = resolve) -> None:
        self._targets, self._secure, self._resolve = targets, secure, resolver
        self._backend = cast(Any, httpcore.AnyIOBackend())  # httpcore types it narrower than its own base

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises: TargetRefused; httpcore.ConnectError, ConnectTimeout."""
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error.strerror or error}") from None
        allowed = [each for each in addresses if self._targets.accepts(host, each, secure=self._secure)]
        if not allowed:
            raise TargetRefused(f"no address of {host} is allowed")
        failure: Exception | None = None
        for address in allowed:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise TargetRefused("a unix socket is not allowed")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
