"""The connection is reset after the k-th event that went to the client; the server lives on."""

from __future__ import annotations

import time

import anyio

from ...wire.faults.cut import CutAfterEvents
from ..trial import STEPS, Scenario, Strike, TrialBroken

POLLING_GRACE_STEPS = 2


async def _strike(strike: Strike) -> None:
    k = strike.draw.randint(STEPS // 4, STEPS // 2)
    taps = list(strike.station.taps.values())
    for tap in taps:
        tap.arm(CutAfterEvents(k))

    async def fired(index: int) -> None:
        await taps[index].fired.wait()
        strike.at = taps[index].fired_at
        group.cancel_scope.cancel()

    async def overdue() -> None:
        # A client that polls gets no events to count: it is cut when the work is as far as the k-th event would be.
        await strike.deeds.reach(k + POLLING_GRACE_STEPS)
        strike.at = time.monotonic()
        if not sum(tap.cut_all() for tap in taps):
            raise TrialBroken("no connection was open to be cut")
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for index in range(len(taps)):
            group.start_soon(fired, index)
        group.start_soon(overdue)
    for tap in taps:
        tap.arm()


SCENARIO = Scenario("connection_cut", "the connection is cut", 1, _strike)
