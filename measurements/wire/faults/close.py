"""FIN on both sides: an orderly end of the connection, which says nothing of the work."""

from __future__ import annotations

from .contract import Fault, Line


async def _strike(line: Line) -> None:
    for link in line.links:
        link.cut("close")


FAULT = Fault("close", "the connection is closed", 11, _strike)
