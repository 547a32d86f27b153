"""A request's body, read no further than its limit."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from ..agents.errors import InvalidInput, TooLarge


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body.

    Raises: TooLarge; InvalidInput where the client went away in the middle of it, which nobody is left to read.
    """
    _within(int(request.headers.get("content-length", "0")), limit_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            _within(size, limit_bytes)
            chunks.append(chunk)
    except ClientDisconnect as error:
        raise InvalidInput("body", f"{size} bytes of it", "the whole of it is accepted") from error
    return b"".join(chunks)


def _within(size: int, limit: int) -> None:
    if size > limit:
        raise TooLarge(
            f"body: more than {limit} bytes are not accepted; at most {limit} bytes",
            field="body", value=size, accepted=f"at most {limit} bytes",
        )  # fmt: skip
