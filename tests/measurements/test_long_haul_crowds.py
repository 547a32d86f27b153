"""Many tasks, many events, and webhooks: a healthy trial is whole, and what is broken on purpose moves its own count."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sametask.agents.events import ArtifactEmitted, Event, Task, TaskState
from sametask.measurements.bench import Station
from sametask.measurements.longhaul.callers import Recommended
from sametask.measurements.longhaul.contract import ClientName, Trial
from sametask.measurements.longhaul.faults import faults
from sametask.measurements.longhaul.measure import PROBE, RECOMMENDED
from sametask.measurements.longhaul.points import points
from sametask.measurements.longhaul.scenarios import burst, scenarios, webhook
from sametask.measurements.longhaul.trial import Outcome, Setting, run_trial
from sametask.protocols.client import ClientSettings
from sametask.protocols.variants import variants

SCENARIOS = {scenario.name: scenario for scenario in scenarios()}
SETTING = Setting(
    {"recommended": RECOMMENDED, "defaults": ClientSettings(as_library=True)}, deadline_s=30.0, outage_s=0.3, scale=0.02
)
TASKS = 20
EVENTS = 40
BURST_BYTES = 32 * 2**20
TELLS_MEMORY = Path("/proc/self/clear_refs").exists()


@asynccontextmanager
async def at_work(folder: Path, variant: str, engine: str = "") -> AsyncGenerator[Station]:
    async with Station(variants()[variant], engine or f"sqlite:///{folder}/tasks.db", PROBE, ClientSettings()) as station:
        yield station


async def trial(
    station: Station,
    folder: Path,
    scenario: str,
    fault: str = "none",
    point: str = "none",
    client: ClientName = "recommended",
    **changes: Any,
) -> Outcome:
    ledger = folder / f"{scenario}-{fault}-{client}.ledger"
    chosen = replace(SCENARIOS[scenario], **changes)
    return await run_trial(station, chosen, faults()[fault], points()[point], client, Random(0), ledger, SETTING)


def tasks(outcome: Outcome) -> dict[str, int]:
    names = ("submitted", "lost", "duplicated", "failed", "hung")
    return {name: outcome.values[f"tasks_{name}_count"] for name in names}


@pytest.mark.parametrize("variant", ["rest", "mcp-http", "mcp-stdio-2025", "a2a-jsonrpc"])
async def test_no_task_is_lost_or_done_twice_when_the_server_is_killed_under_many(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        outcome = await trial(station, tmp_path, "in_flight", "sigkill", "in_flight")
    assert (outcome.verdict, outcome.reason) == ("delivered", "")
    assert tasks(outcome) == {"submitted": TASKS, "lost": 0, "duplicated": 0, "failed": 0, "hung": 0}
    assert 0 < outcome.values["tasks_unfinished_count"] <= TASKS
    assert outcome.values["events_lost_count"] == 0


async def test_a_server_that_forgets_loses_every_task_that_was_under_way(tmp_path: Path):
    async with at_work(tmp_path, "rest", "sqlite:///:memory:") as station:
        healthy = await trial(station, tmp_path, "in_flight")
        outcome = await trial(station, tmp_path, "in_flight", "sigkill", "in_flight")
    assert healthy.verdict == "delivered"
    found = tasks(outcome)
    assert found["submitted"] == TASKS == found["lost"] + found["failed"]
    assert outcome.verdict != "delivered"
    assert "UnknownTask" in outcome.reason
    assert outcome.values["events_lost_count"] == TASKS * outcome.trial.steps


async def test_a_task_that_was_done_and_acknowledged_to_nobody_is_a_duplicate(tmp_path: Path):
    async def act(trial: Trial) -> None:
        async with trial.station.open(trial.settings) as client:
            stray = await client.submit("probe", "work", trial.request(steps=5), key="a submit whose answer was lost")
            await client.wait(stray.id)
        await SCENARIOS["in_flight"].act(trial)

    async with at_work(tmp_path, "rest") as station:
        outcome = await trial(station, tmp_path, "in_flight", act=act)
    assert outcome.verdict == "duplicated"
    assert tasks(outcome) == {"submitted": TASKS, "lost": 0, "duplicated": 1, "failed": 0, "hung": 0}


async def test_a_task_that_a_client_takes_for_ended_and_is_not_is_never_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    wait, hasty = Recommended.wait, iter([True])

    async def waited(self: Recommended, task_id: str) -> Task:
        task = await wait(self, task_id)
        return task.model_copy(update={"state": TaskState.WORKING, "result": None}) if next(hasty, False) else task

    monkeypatch.setattr(Recommended, "wait", waited)
    async with at_work(tmp_path, "rest") as station:
        outcome = await trial(station, tmp_path, "in_flight")
    assert outcome.verdict == "lost"
    assert tasks(outcome) == {"submitted": TASKS, "lost": 0, "duplicated": 0, "failed": 0, "hung": 1}


@pytest.mark.parametrize("variant", ["rest", "a2a-grpc", "a2a-grpc+resume"])
async def test_a_webhook_tells_everything_whether_its_receiver_or_its_server_goes_away(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        for fault in ("none", "webhook_down", "sigkill"):
            point = "none" if fault == "none" else "between_deliveries"
            outcome = await trial(station, tmp_path, "webhook", fault, point)
            assert (outcome.verdict, outcome.reason) == ("delivered", ""), fault
            assert outcome.values["events_live_count"] == EVENTS
            assert outcome.values["events_lost_count"] == outcome.values["events_reordered_count"] == 0
            if fault == "none":
                assert outcome.values["events_duplicated_count"] == 0


def is_mark(event: Event, number: int) -> bool:
    return isinstance(event.body, ArtifactEmitted) and event.body.artifact.name == f"mark-{number}"


def dropped(event: Event) -> list[Event]:
    return [] if is_mark(event, 7) else [event]


def repeated(event: Event) -> list[Event]:
    return [event, event] if is_mark(event, 7) else [event]


@pytest.mark.parametrize(
    ("heard", "verdict", "lost", "duplicated"),
    [(dropped, "lost", 1, 0), (repeated, "delivered", 0, 1)],
    ids=["dropped", "repeated"],
)
async def test_a_receiver_that_drops_an_event_or_gets_it_twice_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Any, verdict: str, lost: int, duplicated: int
):
    reader_of = webhook.reader_of

    def broken(protocol: str) -> Any:
        read = reader_of(protocol)

        def changed(body: bytes) -> Iterable[Event]:
            return [each for event in read(body) for each in heard(event)]

        return changed

    monkeypatch.setattr(webhook, "reader_of", broken)
    async with at_work(tmp_path, "rest") as station:
        outcome = await trial(station, tmp_path, "webhook")
    assert outcome.verdict == verdict
    assert (outcome.values["events_lost_count"], outcome.values["events_duplicated_count"]) == (lost, duplicated)


@pytest.mark.parametrize("variant", ["rest", "a2a-grpc", "mcp-http-2025", "grpc"])
async def test_a_burst_is_told_whole_and_in_order_to_a_slow_reader_and_does_not_pile_up(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        for fault, point in (("none", "none"), ("slow_reader", "between_events")):
            outcome = await trial(station, tmp_path, "burst", fault, point)
            assert (outcome.verdict, outcome.reason) == ("delivered", "")
            marks = round(burst.MARKS * SETTING.scale)
            assert outcome.values["events_expected_count"] == 2 * 20 * marks
            counts = [outcome.values[f"events_{what}_count"] for what in ("lost", "duplicated", "reordered")]
            assert counts == [0, 0, 0]
            if TELLS_MEMORY:
                assert 0 <= outcome.values["server_rss_growth_bytes"] < BURST_BYTES


async def test_one_event_of_a_burst_that_a_client_drops_is_one_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    weighed = burst._weighed

    async def forgetful(trial: Trial, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        async for event in weighed(trial, events):
            for kept in dropped(event):
                yield kept

    monkeypatch.setattr(burst, "_weighed", forgetful)
    async with at_work(tmp_path, "rest") as station:
        outcome = await trial(station, tmp_path, "burst")
    assert outcome.verdict == "delivered"
    assert outcome.values["events_lost_count"] == 1
