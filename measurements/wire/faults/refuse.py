"""The connection is reset, and new ones are refused for a while."""

from __future__ import annotations

import anyio

from .contract import Fault, Line


async def _strike(line: Line) -> None:
    for tap in line.taps:
        tap.refuse()
    try:
        for link in line.links:
            link.cut("reset")
        await anyio.sleep(line.outage_s)
    finally:
        for tap in line.taps:
            tap.accept()


FAULT = Fault("refuse", "connections are refused for a while", 15, _strike)
