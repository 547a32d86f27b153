"""The faults of the wire, found by looking into this folder: a file for each, exporting `FAULT` or `FAULTS`."""

from __future__ import annotations

from ...exported import exported
from .contract import Fault, Line


def faults() -> list[Fault[Line]]:
    """All of them, in their order."""
    return sorted(exported(__name__, "FAULT"), key=lambda fault: fault.order)
