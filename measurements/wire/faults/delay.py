"""A slow path: 200 ms of round-trip time are added for a while."""

from __future__ import annotations

import anyio

from .contract import Fault, Line

DELAY_MS = 200.0


async def _strike(line: Line) -> None:
    for tap in line.taps:
        tap.delay_ms = DELAY_MS
    line.release()
    await anyio.sleep(line.outage_s)
    for tap in line.taps:
        tap.delay_ms = 0.0


FAULT = Fault("delay", "200 ms of delay are added for a while", 16, _strike)
