"""One attempt to deliver one message: an HTTP POST that follows no redirect, uses no proxy, and believes nothing but a 2xx."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cached_property

import anyio
import httpcore
import httpx

from .webhook_connecting import CheckedBackend, TargetRefused
from .webhook_settings import WebhookSettings

MAX_ANSWER_BYTES = 16 * 2**10
GONE = 410


@dataclass(frozen=True)
class Attempt:
    """What came of it. Shape: `error` is empty where the message was accepted; `status` is 0 where there was no answer."""

    status: int
    error: str = ""
    retry_after_s: float | None = None


class Poster:
    """Keeps connections to receivers; `close` lets go of them. Nothing is opened before the first `post`."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings

    @cached_property
    def _pools(self) -> dict[str, httpcore.AsyncConnectionPool]:
        # One for each scheme: what may be connected to over http is not what may be over https.
        settings = self._settings
        context = (
            ssl.create_default_context(cafile=settings.ca_file)
            if settings.ca_file
            else httpx.create_ssl_context(trust_env=False)
        )
        return {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=settings.concurrent_count,
                max_keepalive_connections=settings.concurrent_count,
                keepalive_expiry=5.0,
                network_backend=CheckedBackend(settings.targets, secure=scheme == "https", resolver=settings.resolver),
            )
            for scheme in ("http", "https")
        }

    async def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes) -> Attempt:
        target = httpx.URL(url).copy_with(fragment=None)
        place = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        sent = [
            ("Host", target.netloc.decode("ascii")),
            ("Content-Length", str(len(body))),
            ("User-Agent", "sametask"),
            ("Accept", "*/*"),
            *headers,
        ]
        limit_s = self._settings.attempt_timeout_s
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), limit_s)
        try:
            with anyio.fail_after(limit_s):  # of the whole: each byte of a slow answer would begin a timeout anew
                async with self._pools[target.scheme].stream(
                    "POST", place, headers=sent, content=body, extensions={"timeout": timeouts}
                ) as answer:
                    size = 0
                    async for chunk in answer.aiter_stream():
                        size += len(chunk)
                        if size > MAX_ANSWER_BYTES:
                            break
                    return self._judged(answer)
        except TimeoutError:
            return Attempt(0, f"no answer within {limit_s:g} s")
        except TargetRefused as error:
            return Attempt(0, f"refused: {error}")
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            return Attempt(0, f"{type(error).__name__}: {error}".removesuffix(": "))

    def _judged(self, answer: httpcore.Response) -> Attempt:
        if 200 <= answer.status < 300:
            return Attempt(answer.status)
        waits = [value for name, value in answer.headers if name.lower() == b"retry-after"]
        wait_s = retry_after_s(waits[0].decode("latin-1"), self._settings.clock()) if waits else None
        return Attempt(answer.status, f"answered {answer.status}", wait_s)

    async def close(self) -> None:
        if "_pools" in self.__dict__:
            for pool in self._pools.values():
                await pool.aclose()


def retry_after_s(value: str, now: float) -> float | None:
    """A `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3); None where it is neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
