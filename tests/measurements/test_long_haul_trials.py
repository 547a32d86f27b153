"""Long-haul trials over real servers: a healthy one is delivered whole, and whatever is broken on purpose turns its cell."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sametask.agents.events import ArtifactEmitted, Event
from sametask.measurements.bench import Bench, Effort, Station
from sametask.measurements.longhaul.contract import STEPS, AnyFault, Cell, ClientName, TrialBroken, World
from sametask.measurements.longhaul.faults import faults
from sametask.measurements.longhaul.measure import PROBE, RECOMMENDED, measure
from sametask.measurements.longhaul.points import points
from sametask.measurements.longhaul.scenarios import scenarios
from sametask.measurements.longhaul.trial import Outcome, Setting, run_trial
from sametask.measurements.wire.tap import WireTap
from sametask.protocols.client import AgentClient, ClientSettings
from sametask.protocols.variants import variants

SCENARIOS = {scenario.name: scenario for scenario in scenarios()}
WHOLE, CUT, KILLED = ("none", "none"), ("reset", "between_events"), ("sigkill", "after_side_effect")
PROBES = str(Path(__file__).with_name("long_haul_probes.py"))
DEADLINE_S = 20.0
EVENTS = 2 * STEPS
Tell = Callable[[AsyncGenerator[Event]], AsyncGenerator[Event]]


@asynccontextmanager
async def at_work(
    folder: Path, *, variant: str = "rest", probe: str = "", engine: str = "", tell: Tell | None = None
) -> AsyncGenerator[Station]:
    agents = (f"{PROBES}:{probe}",) if probe else PROBE
    station = Telling(variants()[variant], engine or f"sqlite:///{folder}/tasks.db", agents, ClientSettings())
    station.tell = tell
    async with station:
        yield station


class Telling(Station):
    """Its clients pass on what `tell` makes of the events that came."""

    tell: Tell | None = None

    @asynccontextmanager
    async def open(self, settings: ClientSettings | None = None) -> AsyncGenerator[Any]:
        async with super().open(settings) as client:
            yield client if self.tell is None else Teller(client, self.tell)


class Teller:
    def __init__(self, client: AgentClient, tell: Tell) -> None:
        self._client, self._tell = client, tell

    def stream(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Any:
        events: Any = self._client.stream(agent, skill, request, key=key)
        return self._tell(events)

    def events(self, task_id: str, after: int = 0) -> Any:
        events: Any = self._client.events(task_id, after)
        return self._tell(events)


async def trial(
    station: Station,
    folder: Path,
    strike: tuple[str, str] | AnyFault = WHOLE,
    deadline_s: float = DEADLINE_S,
    seed: int = 0,
    client: ClientName = "recommended",
) -> Outcome:
    """A long task, struck by that fault at that point, or by one that a test has made after the first half of the steps."""
    fault, point = (faults()[strike[0]], strike[1]) if isinstance(strike, tuple) else (strike, "after_side_effect")
    setting = Setting({"recommended": RECOMMENDED, "defaults": ClientSettings(as_library=True)}, deadline_s)
    ledger = folder / f"{fault.name}-{point}-{client}-{seed}.ledger"
    return await run_trial(station, SCENARIOS["long_task"], fault, points()[point], client, Random(seed), ledger, setting)


def is_mark(event: Event, number: int) -> bool:
    return isinstance(event.body, ArtifactEmitted) and event.body.artifact.name == f"mark-{number}"


async def dropping(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    async for event in events:
        if not is_mark(event, 7):
            yield event


async def repeating(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    async for event in events:
        yield event
        if is_mark(event, 7):
            yield event


async def swapping(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    held: Event | None = None
    async for event in events:
        if is_mark(event, 7):
            held = event
            continue
        yield event
        if held is not None and is_mark(event, 8):
            yield held


async def endless(events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
    async for event in events:
        if not event.final:
            yield event


REPLAYING = [
    name for name, each in variants().items() if each.server and not each.stock_of and "event_replay" not in each.lacks
]


@pytest.mark.parametrize("variant", REPLAYING)
async def test_where_a_protocol_can_replay_no_event_is_lost_or_told_twice(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant=variant) as station:
        for seed, strike in enumerate([CUT, KILLED, ("sigkill", "any_moment")]):
            outcome = await trial(station, tmp_path, strike, seed=seed)
            told = [outcome.values[f"events_{what}_count"] for what in ("lost", "duplicated", "reordered")]
            assert (outcome.verdict, told) == ("delivered", [0, 0, 0]), strike


async def test_what_came_before_the_cut_is_no_news_to_a_client_whose_library_mends_it(tmp_path: Path):
    """The SDK asks for the rest by itself and raises nothing; what lies in its buffer by then is read after the fault."""
    async with at_work(tmp_path, variant="mcp-http-2025") as station:
        outcome = await trial(station, tmp_path, CUT)
    told, struck_at = outcome.trial.told, outcome.trial.struck_at
    assert struck_at is not None
    assert outcome.values["reconnections_count"] == len(told.losses) == 1
    (known_at,) = [at for at in told.statements if abs(at - struck_at - outcome.values["time_to_know_ms"] / 1000) < 1e-6]
    assert struck_at < told.losses[0] < known_at
    assert outcome.values["time_to_recover_ms"] == outcome.values["time_to_know_ms"], "the rest begins with what it has not"


async def test_what_is_whole_is_delivered_whatever_breaks(tmp_path: Path):
    async with at_work(tmp_path) as station:
        outcomes = {strike: await trial(station, tmp_path, strike) for strike in (WHOLE, CUT, KILLED)}
    for strike, outcome in outcomes.items():
        assert (outcome.verdict, outcome.reason) == ("delivered", "")
        values = dict(outcome.values)
        times = [values.pop(key) for key in ("time_to_know_ms", "time_to_recover_ms") if key in values]
        assert values.pop("steps_rerun_count") in ((0, 1) if strike == KILLED else (0,)), "at least once, and known to be"
        costs = [values.pop(key) for key in ("requests_count", "connections_count", "wire_bytes")]
        assert costs[:2] == ([1, 1] if strike == WHOLE else [2, costs[1]])
        assert values == {
            "events_expected_count": EVENTS,
            "events_live_count": EVENTS,
            "events_lost_count": 0,
            "events_duplicated_count": 0,
            "events_reordered_count": 0,
            "effects_duplicated_count": 0,
            "tasks_count": 1,
            "reconnections_count": 0 if strike == WHOLE else 1,
            "finished_by_snapshot": False,
            "looked_finished": False,
        }
        if strike == WHOLE:
            assert not times, "where nothing broke nothing is recovered"
        else:
            know, recover = times
            assert 0 < know <= recover


@pytest.mark.parametrize(
    ("tell", "lost", "duplicated", "reordered"), [(dropping, 1, 0, 0), (repeating, 0, 1, 0), (swapping, 0, 0, 1)]
)
async def test_one_event_that_is_wrong_is_one_in_its_count_and_in_no_other(
    tmp_path: Path, tell: Tell, lost: int, duplicated: int, reordered: int
):
    async with at_work(tmp_path, tell=tell) as station:
        outcome = await trial(station, tmp_path)
    assert outcome.verdict == "delivered"
    counts = [outcome.values[f"events_{what}_count"] for what in ("lost", "duplicated", "reordered")]
    assert counts == [lost, duplicated, reordered]
    assert outcome.values["events_live_count"] == EVENTS - lost


async def test_a_stream_that_ends_without_an_end_is_a_loss(tmp_path: Path):
    async with at_work(tmp_path, tell=endless) as station:
        outcome = await trial(station, tmp_path)
    assert (outcome.verdict, outcome.reason) == ("lost", "the stream ended with None")
    assert outcome.values["looked_finished"], "as if it had been told all"


async def test_a_server_that_forgets_is_not_believed_to_deliver(tmp_path: Path):
    async with at_work(tmp_path, engine="sqlite:///:memory:") as station:
        outcome = await trial(station, tmp_path, KILLED)
        assert (outcome.verdict, outcome.reason.split(":")[0]) == ("failed_cleanly", "UnknownTask")
        assert outcome.values["events_lost_count"] > 0
        assert "time_to_recover_ms" not in outcome.values, "an error is no recovery"
        again = await trial(station, tmp_path, CUT)
    assert again.verdict == "delivered", "the same server keeps what it knows while it lives"


async def test_a_server_that_falls_silent_hangs_the_client(tmp_path: Path):
    async def freeze(world: World) -> None:
        assert world.station.pid is not None
        os.kill(world.station.pid, signal.SIGSTOP)

    async with at_work(tmp_path) as station:
        try:
            outcome = await trial(station, tmp_path, AnyFault("freeze", "", 0, freeze), deadline_s=1.5)
        finally:
            await station.kill()
    assert (outcome.verdict, outcome.reason) == ("hung", "nothing final by the deadline")
    assert outcome.values["events_lost_count"] > 0
    assert outcome.values["reconnections_count"] == 0
    known = {"time_to_know_ms", "time_to_recover_ms"} & outcome.values.keys()
    assert not known, "an event that was under way when the server froze is no sign of life"


async def test_a_server_that_never_comes_back_hangs_the_client(tmp_path: Path):
    async def end(world: World) -> None:
        await world.station.kill()

    async with at_work(tmp_path) as station:
        outcome = await trial(station, tmp_path, AnyFault("end", "", 0, end), deadline_s=1.5)
        assert not station.up
    assert outcome.verdict == "hung"
    assert outcome.values["reconnections_count"] == 1
    assert not {"time_to_know_ms", "time_to_recover_ms"} & outcome.values.keys(), "nothing was told any more"


async def test_side_effects_without_a_key_take_place_twice_after_a_crash(tmp_path: Path):
    async with at_work(tmp_path, probe="reworking_probe") as station:
        healthy = await trial(station, tmp_path, CUT)
        crashed = await trial(station, tmp_path, KILLED)
    assert (healthy.verdict, healthy.values["steps_rerun_count"]) == ("delivered", 0)
    again = crashed.values["steps_rerun_count"]
    assert again == crashed.values["effects_duplicated_count"] >= 1
    said = f"{again} of {STEPS + again} side effects repeated one that had taken place"
    assert (crashed.verdict, crashed.reason) == ("duplicated", said)


@pytest.mark.parametrize(
    ("probe", "verdict", "lost"),
    [
        ("boasting_probe", "lost", 0),
        ("silent_boasting_probe", "lost", EVENTS),
        ("failing_probe", "failed_cleanly", EVENTS // 2),
        ("failing_after_all_probe", "lost", 0),
    ],
)
async def test_what_the_client_is_told_is_held_against_the_deeds(tmp_path: Path, probe: str, verdict: str, lost: int):
    async with at_work(tmp_path, probe=probe) as station:
        outcome = await trial(station, tmp_path)
    assert (outcome.verdict, outcome.values["events_lost_count"]) == (verdict, lost)
    assert ("0 of 20 steps were done" if "boasting" in probe else "the stream ended with failed") in outcome.reason


async def test_a_swapped_label_is_no_trial_of_that_variant(tmp_path: Path):
    async with at_work(tmp_path) as station:
        station.variant = replace(station.variant, name="grpc", fingerprint=variants()["grpc"].fingerprint)
        with pytest.raises(TrialBroken, match="this is not grpc: the wire carried 'POST /agents/probe/skills/work"):
            await trial(station, tmp_path)


async def raising(world: World) -> None:
    raise LookupError("a defect of ours")


async def leaving_it_dead(world: World) -> None:
    await world.station.kill()
    raise LookupError("it does not start any more")


async def test_what_the_harness_breaks_is_no_verdict_and_the_next_trial_finds_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    broken = {act.__name__: AnyFault(act.__name__, "", 0, act) for act in (raising, leaving_it_dead)}
    strikes = [*((name, "after_side_effect") for name in broken), ("reset", "waiting_for_answer"), WHOLE]
    cells = [Cell(*strike, quick=("recommended",)) for strike in strikes]
    monkeypatch.setitem(measure.__globals__, "scenarios", lambda: [replace(SCENARIOS["long_task"], cells=cells)])
    monkeypatch.setitem(measure.__globals__, "faults", lambda: faults() | broken)
    effort = Effort("one", repeats=0, trials=1, deadline_s=2.0)
    bench = Bench((variants()["rest"], variants()["inproc"]), effort, seed=0, scratch=tmp_path)
    async with aclosing(measure(bench)) as measured:
        samples = {(sample.variant, sample.cell["fault"]): sample async for sample in measured}
    assert {fault: sample.status for (variant, fault), sample in samples.items() if variant == "rest"} == {
        "raising": "harness_error", "leaving_it_dead": "harness_error", "reset": "harness_error", "none": "ok",
    }  # fmt: skip
    assert samples["rest", "raising"].reason == "LookupError: a defect of ours"
    never = "TrialBroken: reset never struck: the trial did not come to waiting_for_answer"
    assert samples["rest", "reset"].reason == never
    assert not samples["rest", "raising"].values
    assert samples["rest", "none"].values["verdict"] == "delivered"
    assert {s.status for (variant, _), s in samples.items() if variant == "inproc"} == {"not_testable"}


async def test_a_server_that_does_not_come_up_takes_no_other_variant_with_it(tmp_path: Path):
    missing = replace(variants()["rest"], name="rest-missing")
    bench = Bench((missing, variants()["rest"]), Effort("one", repeats=0, trials=1), seed=0, scratch=tmp_path)
    async with aclosing(measure(bench)) as measured:
        samples = [sample async for sample in measured]
    assert {(s.variant, s.status) for s in samples} == {("rest-missing", "harness_error"), ("rest", "ok")}
    tried = [[s.cell for s in samples if s.variant == name] for name in ("rest-missing", "rest")]
    assert tried[0] == tried[1]
    assert all("rest-missing" in s.reason for s in samples if s.variant == "rest-missing")


async def test_a_cut_that_finds_no_connection_is_no_trial(tmp_path: Path):
    async def elsewhere(world: World) -> None:
        world.taps, world.link = [WireTap()], None
        await faults()["reset"].strike(world)

    async with at_work(tmp_path) as station:
        with pytest.raises(TrialBroken, match="no connection was open to be struck"):
            await trial(station, tmp_path, AnyFault("elsewhere", "", 0, elsewhere))


async def test_a_caller_that_leaves_early_leaves_with_its_own_reason(tmp_path: Path):
    bench = Bench((variants()["rest"],), Effort("one", repeats=0, trials=50), seed=0, scratch=tmp_path)

    async def keep() -> None:
        async with aclosing(measure(bench)) as measured:
            async for _ in measured:
                raise LookupError("a full disk")

    with pytest.raises(LookupError, match="a full disk"):
        await keep()
