"""RST on both sides: both are told at once, and what was on its way is thrown away."""

from __future__ import annotations

from .contract import Fault, Line


async def _strike(line: Line) -> None:
    for link in line.links:
        link.cut("reset")


FAULT = Fault("reset", "the connection is reset", 10, _strike)
