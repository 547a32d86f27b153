"""A narrow path: a while of 2,000 bytes a second each way."""

from __future__ import annotations

import anyio

from ..trigger import BOTH
from .contract import Fault, Line

BYTES_PER_S = 2000.0


async def _strike(line: Line) -> None:
    links = line.links
    for link in links:
        for direction in BOTH:
            link.pace(direction, BYTES_PER_S)
    line.release()
    await anyio.sleep(line.outage_s)
    for link in links:
        for direction in BOTH:
            link.pace(direction, None)


FAULT = Fault("throttle", "the path is narrow for a while", 17, _strike)
