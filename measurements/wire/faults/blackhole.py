"""Silence: the connections stay open and carry nothing any more; new ones are accepted and not answered, for a while."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import anyio

from ..message import Direction
from ..trigger import BOTH
from .contract import Fault, Line


async def _strike(line: Line, directions: Sequence[Direction]) -> None:
    for link in line.links:
        link.silence(directions)
    for tap in line.taps:
        tap.silent = True
    line.release()
    await anyio.sleep(line.outage_s)
    for tap in line.taps:
        tap.silent = False


FAULTS = (
    Fault("blackhole", "the network falls silent", 13, partial(_strike, directions=BOTH)),
    Fault("blackhole_down", "the way back falls silent", 14, partial(_strike, directions=("down",))),
)
