"""The client reads slowly for a while, with next to no buffer on the way: the server has to wait with what it tells."""

from __future__ import annotations

import anyio

from .contract import Fault, Line

BYTES_PER_S = 20_000.0
BUFFER_BYTES = 4096


async def _strike(line: Line) -> None:
    links = line.links
    for link in links:
        link.pace("down", BYTES_PER_S, buffer_bytes=BUFFER_BYTES)
    line.release()
    await anyio.sleep(line.outage_s)
    for link in links:
        link.pace("down", None)


FAULT = Fault("slow_reader", "the client reads slowly for a while", 18, _strike)
