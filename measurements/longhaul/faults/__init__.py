"""The faults there are: those of the wire, and those of the server, found by looking into this folder."""

from __future__ import annotations

from ...exported import exported
from ...wire.faults import faults as wire_faults
from ..contract import NONE, AnyFault, World


async def _nothing(world: World) -> None:
    return


NO_FAULT = AnyFault(NONE, "nothing is broken", 0, _nothing)


def faults() -> dict[str, AnyFault]:
    """All of them by name, in their order."""
    found: list[AnyFault] = [NO_FAULT, *wire_faults(), *exported(__name__, "FAULT")]
    return {fault.name: fault for fault in sorted(found, key=lambda fault: fault.order)}
