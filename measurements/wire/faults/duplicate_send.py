"""Something on the way (a proxy that retries) sends the server everything a second time, and then the connection is reset."""

from __future__ import annotations

from .contract import Fault, Line


async def _strike(line: Line) -> None:
    for link in line.links:
        await link.again()
        link.cut("reset")


FAULT = Fault("duplicate_send", "the request is sent twice", 19, _strike)
