"""The timeouts that an HTTP library has out of the box, for who cannot wait for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    import httpx2


def scale_timeouts(http: httpx.AsyncClient | httpx2.AsyncClient, scale: float) -> None:
    """Multiply each timeout that the client has. A scale of 1 leaves the library's own object where it is."""
    if scale != 1.0:
        own = http.timeout
        http.timeout = (_times(own.connect, scale), _times(own.read, scale), _times(own.write, scale), _times(own.pool, scale))


def _times(limit_s: float | None, scale: float) -> float | None:
    return None if limit_s is None else limit_s * scale
