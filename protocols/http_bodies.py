"""A request's body, read no further than its limit."""

from __future__ import annotations

from starlette.requests import Request

from ..agents.errors import TooLarge


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body.

    Raises: TooLarge.
    """
    _within(int(request.headers.get("content-length", "0")), limit_bytes)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        _within(size, limit_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


def _within(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(
            f"body: more than {limit} bytes are not accepted; at most {limit} bytes",
            field="body", value=size, accepted=f"at most {limit} bytes",
        )  # fmt: skip
