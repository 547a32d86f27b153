"""Ten thousand events at once, for a client that may read slowly: none is lost, and the server does not pile them up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from ....agents.events import Event
from ..contract import STEPS, Cell, Scenario, Trial
from ..memory import peak_memory, watch_memory

MARKS, STEP_MS = 250, 1
"""Each mark is two events, so that the twenty steps tell ten thousand."""


async def _act(trial: Trial) -> None:
    request = trial.request(marks=max(1, round(MARKS * trial.scale)), step_ms=STEP_MS)
    await trial.follow(_weighed(trial, trial.caller().run(request)))


async def _weighed(trial: Trial, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    """The same events; how much the server's memory grew from the first to the last is entered in the sample."""
    pid: int | None = None
    before: int | None = None
    async with aclosing(events):
        async for event in events:
            if pid is None and (pid := trial.station.pid) is not None:
                before = watch_memory(pid)
            if event.final and pid is not None and before is not None and (peak := peak_memory(pid)) is not None:
                trial.extra["server_rss_growth_bytes"] = peak - before
            yield event


SCENARIO = Scenario(
    "burst",
    f"{2 * STEPS * MARKS:,} events in one burst",
    90,
    _act,
    (Cell(), Cell("slow_reader", "between_events")),
)
