"""Where a trial is held is where the point's name says, whatever the protocol."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sametask.measurements.bench import Station
from sametask.measurements.longhaul.contract import STEPS, AnyFault, World
from sametask.measurements.longhaul.ledger import Deeds
from sametask.measurements.longhaul.measure import PROBE, RECOMMENDED
from sametask.measurements.longhaul.points import TOLD, points
from sametask.measurements.longhaul.scenarios import scenarios
from sametask.measurements.longhaul.trial import Setting, run_trial
from sametask.protocols.client import ClientSettings
from sametask.protocols.variants import variants

VARIANTS = ("rest", "mcp-http", "mcp-stdio", "mcp-http-2025", "a2a-grpc", "a2a-jsonrpc", "grpc")
SCENARIOS = {scenario.name: scenario for scenario in scenarios()}


class Seen:
    """What there was to see of a trial while it was held."""

    def __init__(self, station: Station, deeds: Deeds, known: set[str]) -> None:
        self._station, self._deeds, self._known = station, deeds, known

    async def look(self, world: World) -> None:
        station, marker = self._station, self._deeds.path.name
        self.held = world.link is not None
        self.done = len(self._deeds.effects())
        # The probe's own database: what is stored is what the server has acted on.
        self.states = [task.state for task in await station._store.list() if task.id not in self._known]
        relayed = [message for record in station.recording.connections for message in record.messages]
        asked = [at for at, message in enumerate(relayed) if message.direction == "up" and marker in message.text]
        self.asked = bool(asked)
        after = relayed[asked[0] + 1 :] if asked else []
        self.told = sum(message.direction == "down" and message.kind in TOLD for message in after)


CHECKS: dict[str, Callable[[Seen], Any]] = {
    "before_send": lambda seen: seen.held and not seen.asked and not seen.states,
    "request_sent": lambda seen: seen.held and seen.asked,  # the way back is not held: the server may answer while we look
    "before_response": lambda seen: seen.held and seen.done and len(seen.states) == 1 and not seen.told,
    "after_side_effect": lambda seen: 1 <= seen.done < STEPS,
    "between_events": lambda seen: seen.told and seen.done < STEPS,
    "inside_event": lambda seen: seen.told and seen.done < STEPS,
    "after_completion": lambda seen: seen.held and seen.done == STEPS and seen.states[0].terminal,
}


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_trial_is_held_where_the_point_says_and_goes_on_to_its_end(tmp_path: Path, variant: str):
    scenario, setting = SCENARIOS["long_task"], Setting({"recommended": RECOMMENDED}, 30.0)
    async with Station(variants()[variant], f"sqlite:///{tmp_path}/tasks.db", PROBE, ClientSettings()) as station:
        for name, check in CHECKS.items():
            ledger = tmp_path / f"{name}.ledger"
            seen = Seen(station, Deeds(ledger), {task.id for task in await station._store.list()})
            spy = AnyFault("spy", "", 0, seen.look)
            outcome = await run_trial(station, scenario, spy, points()[name], "recommended", Random(1), ledger, setting)
            assert check(seen), (name, vars(seen))
            assert (outcome.verdict, outcome.reason) == ("delivered", ""), name
            assert outcome.values["events_duplicated_count"] == 0


async def test_a_question_is_a_point_too(tmp_path: Path):
    assert points()["waiting_for_answer"].idle, "a client need not keep a connection open for it"
    assert list(points()) == [point.name for point in sorted(points().values(), key=lambda point: point.order)]
