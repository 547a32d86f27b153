"""Timeouts, silences, questions, cancels, retries, two watchers: what is whole is delivered, what is broken turns its cell."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from sametask.agents.errors import ConnectionLost, SametaskError, UnknownTask
from sametask.agents.events import ArtifactEmitted, Event, StateChanged, TaskState
from sametask.measurements.bench import Station
from sametask.measurements.longhaul.contract import ClientName, Trial
from sametask.measurements.longhaul.faults import faults
from sametask.measurements.longhaul.ledger import Deeds
from sametask.measurements.longhaul.measure import PROBE, RECOMMENDED
from sametask.measurements.longhaul.points import points
from sametask.measurements.longhaul.scenarios import cancel, scenarios
from sametask.measurements.longhaul.trial import Outcome, Setting, run_trial
from sametask.protocols.client import AgentClient, ClientSettings
from sametask.protocols.variants import variants

SCENARIOS = {scenario.name: scenario for scenario in scenarios()}
OWN = ("outlives_timeout", "silent", "question", "cancel", "retried_submit", "two_watchers")
PROBES = str(Path(__file__).with_name("long_haul_probes.py"))
SCALE = 0.05
LOST_RESPONSE = ("retried_submit", "reset", "before_response")


class Client:
    """A client that is as it should be; what it is made of may be broken."""

    def __init__(self, client: AgentClient) -> None:
        self.real = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class NewKeys(Client):
    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Any:
        """The same request under another key each time."""
        return await self.real.submit(agent, skill, request, key=f"{key} {uuid.uuid4()}")


class Forgetful(Client):
    async def cancel(self, task_id: str) -> None:
        """Say that it is done, and do nothing."""


class Confused(Client):
    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        """Answer something else."""
        await self.real.answer(task_id, request_id, {"choice": "stop"})


class Dropping(Client):
    async def events(self, task_id: str, after: int = 0) -> AsyncGenerator[Event]:
        """All but one."""
        async for event in self.real.events(task_id, after):
            if not (isinstance(event.body, ArtifactEmitted) and event.body.artifact.name == "mark-7"):
                yield event


class Endless(Client):
    async def events(self, task_id: str, after: int = 0) -> AsyncGenerator[Event]:
        """All but the last."""
        async for event in self.real.events(task_id, after):
            if not event.final:
                yield event


class Broken(Station):
    """Its clients are of another make."""

    make: type[Client] = Client

    @asynccontextmanager
    async def open(self, settings: ClientSettings | None = None) -> AsyncGenerator[Any]:
        async with super().open(settings) as client:
            yield self.make(client)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to try again: the work to be canceled need not last for that."""
    monkeypatch.setattr(cancel, "RETRY_S", 0.2)


@asynccontextmanager
async def at_work(
    folder: Path, variant: str = "rest", *, probe: str = "", engine: str = "", make: type[Client] = Client
) -> AsyncGenerator[Station]:
    agents = (f"{PROBES}:{probe}",) if probe else PROBE
    station = Broken(variants()[variant], engine or f"sqlite:///{folder}/tasks.db", agents, ClientSettings())
    station.make = make
    async with station:
        yield station


async def trial(
    station: Station,
    folder: Path,
    scenario: str,
    fault: str = "none",
    point: str = "none",
    client: ClientName = "recommended",
    deadline_s: float = 30.0,
) -> Outcome:
    as_it_comes = ClientSettings(as_library=True, time_scale=SCALE if SCENARIOS[scenario].longer_s else 1.0)
    setting = Setting({"recommended": RECOMMENDED, "defaults": as_it_comes}, deadline_s, outage_s=0.3, scale=SCALE)
    ledger = folder / f"{station.variant.name}-{scenario}-{fault}-{client}.ledger"
    return await run_trial(station, SCENARIOS[scenario], faults()[fault], points()[point], client, Random(0), ledger, setting)


@pytest.mark.parametrize("variant", ["rest", "mcp-http", "a2a-grpc"])
@pytest.mark.usefixtures("at_once")
async def test_what_nothing_breaks_is_delivered(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        for name in OWN:
            outcome = await trial(station, tmp_path, name)
            assert (outcome.verdict, outcome.reason) == ("delivered", ""), name
            assert (outcome.values["tasks_count"], outcome.values["effects_duplicated_count"]) == (1, 0)
            if "event_replay" not in station.variant.lacks:
                assert outcome.values["events_lost_count"] == 0, name


async def test_a_library_that_gives_up_sooner_than_the_task_loses_it(tmp_path: Path):
    async with at_work(tmp_path) as station:
        gives_up = await trial(station, tmp_path, "outlives_timeout", client="defaults")
        silent = await trial(station, tmp_path, "silent", client="defaults")
    assert (gives_up.verdict, silent.verdict) == ("lost", "lost")
    assert gives_up.values["silent_ms"] == 1.5 * gives_up.values["client_gives_up_ms"] == 1500 * 5.0 * SCALE
    async with at_work(tmp_path, "grpc") as station:
        waits = await trial(station, tmp_path, "outlives_timeout", client="defaults")
    assert (waits.verdict, "client_gives_up_ms" in waits.values) == ("delivered", False)


@pytest.mark.parametrize("fault", ["reset", "sigkill"])
async def test_a_silence_is_broken_before_it_is_over(tmp_path: Path, fault: str):
    async with at_work(tmp_path) as station:
        outcome = await trial(station, tmp_path, "silent", fault, "after_side_effect")
    assert (outcome.verdict, outcome.values["events_lost_count"]) == ("delivered", 0)
    first, second = (deed.at for deed in outcome.trial.deeds.all())
    assert outcome.trial.struck_at is not None
    assert first < outcome.trial.struck_at < second


@pytest.mark.parametrize("variant", ["mcp-http-2025", "mcp-stdio", "a2a-jsonrpc"])
async def test_a_question_outlives_the_server_that_asked(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        outcome = await trial(station, tmp_path, "question", "sigkill", "waiting_for_answer")
    assert (outcome.verdict, outcome.reason) == ("delivered", "")


async def test_a_server_that_forgets_its_question_does_not_deliver(tmp_path: Path):
    async with at_work(tmp_path, engine="sqlite:///:memory:") as station:
        outcome = await trial(station, tmp_path, "question", "sigkill", "waiting_for_answer")
    assert (outcome.verdict, outcome.reason.split(":")[0]) == ("failed_cleanly", "UnknownTask")


async def test_a_client_that_answers_something_else_does_not_have_its_work(tmp_path: Path):
    async with at_work(tmp_path, make=Confused) as station:
        outcome = await trial(station, tmp_path, "question")
    assert (outcome.verdict, "10 of 20 steps were done" in outcome.reason) == ("lost", True)


@pytest.mark.parametrize("variant", ["a2a-grpc", "grpc"])
async def test_a_client_that_waits_for_ever_hangs_whatever_its_library_makes_of_a_cancel(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        outcome = await trial(station, tmp_path, "question", "blackhole", "waiting_for_answer", "defaults", deadline_s=3.0)
    assert (outcome.verdict, outcome.reason) == ("hung", "nothing final by the deadline")


@pytest.mark.parametrize(("variant", "fault"), [("rest", "refuse"), ("mcp-http", "pause"), ("a2a-grpc", "sigkill")])
async def test_a_cancel_gets_through_after_the_cut(tmp_path: Path, variant: str, fault: str):
    async with at_work(tmp_path, variant) as station:
        outcome = await trial(station, tmp_path, "cancel", fault, "after_side_effect")
    assert (outcome.verdict, outcome.reason) == ("delivered", "")
    assert outcome.trial.told.end is not None
    assert outcome.trial.told.end.state is TaskState.CANCELED
    assert len(outcome.trial.deeds.effects()) < outcome.trial.steps


@pytest.mark.usefixtures("at_once")
async def test_a_cancel_that_does_not_get_through_is_known_to_have_failed(tmp_path: Path):
    async with at_work(tmp_path) as station:
        outcome = await trial(station, tmp_path, "cancel", "refuse", "after_side_effect", "defaults")
    assert (outcome.verdict, outcome.reason.split(":")[0]) == ("failed_cleanly", "ConnectionLost")
    assert len(outcome.trial.deeds.effects()) == outcome.trial.steps, "the work went on to its end, and nobody said it had not"


@pytest.mark.usefixtures("at_once")
async def test_a_server_that_works_on_after_a_cancel_is_found_out(tmp_path: Path):
    async with at_work(tmp_path, probe="headless_probe") as station:
        outcome = await trial(station, tmp_path, "cancel")
    assert outcome.trial.told.end is not None
    assert outcome.trial.told.end.state is TaskState.CANCELED
    assert (outcome.verdict, cancel.ACKNOWLEDGED in outcome.reason) == ("lost", True)


@pytest.mark.usefixtures("at_once")
async def test_a_cancel_that_is_acknowledged_and_never_happens_is_lost(tmp_path: Path):
    async with at_work(tmp_path, make=Forgetful) as station:
        outcome = await trial(station, tmp_path, "cancel")
    assert (outcome.verdict, "to the end" in outcome.reason) == ("lost", True)


@pytest.mark.parametrize("variant", ["rest", "mcp-http", "a2a-grpc"])
async def test_a_submit_that_is_sent_again_is_one_task_with_a_key_and_two_without(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        keyed, plain = [await trial(station, tmp_path, *LOST_RESPONSE, client) for client in ("recommended", "defaults")]
    assert (keyed.verdict, keyed.values["tasks_count"], keyed.values["effects_duplicated_count"]) == ("delivered", 1, 0)
    assert (plain.verdict, plain.values["tasks_count"], plain.values["effects_duplicated_count"]) == ("duplicated", 2, 20)
    assert {outcome.values["events_expected_count"] for outcome in (keyed, plain)} == {0}, "nobody follows"


async def test_a_client_that_asks_again_under_another_key_does_the_work_twice(tmp_path: Path):
    async with at_work(tmp_path, make=NewKeys) as station:
        outcome = await trial(station, tmp_path, *LOST_RESPONSE)
    assert (outcome.verdict, outcome.values["tasks_count"]) == ("duplicated", 2)
    assert outcome.reason == "20 of 40 side effects repeated one that had taken place, by 2 tasks"


@pytest.mark.parametrize(("engine", "verdict"), [("", "delivered"), ("sqlite:///:memory:", "failed_cleanly")])
async def test_a_server_that_acknowledges_before_it_stores_and_dies_does_not_deliver(tmp_path: Path, engine: str, verdict: str):
    async with at_work(tmp_path, engine=engine) as station:
        outcome = await trial(station, tmp_path, "retried_submit", "sigkill", "after_side_effect")
    assert outcome.verdict == verdict


@pytest.mark.parametrize("variant", ["rest", "mcp-http-2025", "grpc"])
async def test_two_watchers_are_both_told_across_a_kill(tmp_path: Path, variant: str):
    async with at_work(tmp_path, variant) as station:
        outcome = await trial(station, tmp_path, "two_watchers", "sigkill", "after_side_effect")
    assert (outcome.verdict, outcome.reason) == ("delivered", "")
    assert [told.end is not None for told in (outcome.trial.told, *outcome.trial.others)] == [True, True]
    assert outcome.values["events_expected_count"] == 80


@pytest.mark.parametrize(
    ("make", "verdict", "reason", "lost"),
    [(Dropping, "delivered", "", 1), (Endless, "lost", "second: the stream ended with None", 0)],
)
async def test_what_only_the_second_watcher_misses_counts(
    tmp_path: Path, make: type[Client], verdict: str, reason: str, lost: int
):
    async with at_work(tmp_path, make=make) as station:
        outcome = await trial(station, tmp_path, "two_watchers")
    assert (outcome.verdict, outcome.reason, outcome.values["events_lost_count"]) == (verdict, reason, lost)


DONE = {"steps": 4}


@pytest.mark.parametrize(
    ("moments", "error", "verdict"),
    [
        (["deed", "deed", "ack", "canceled"], None, "delivered"),
        (["deed", "ack", "deed", "canceled"], None, "delivered"),
        (["deed", "canceled", "deed"], None, "lost"),
        (["deed", "ack", "canceled", "deed"], None, "lost"),
        (["deed", "deed", "deed", "deed", "completed"], None, "delivered"),
        (["deed", "deed", "deed", "deed", "ack", "completed"], None, "delivered"),
        (["deed", "deed", "ack", "deed", "deed", "completed"], None, "lost"),
        (["deed", "completed"], None, "lost"),
        (["deed", "ack", "canceled", "repeated"], None, "lost"),
        (["deed", "repeated", "ack", "canceled"], None, "duplicated"),
        (["deed", "ack", "failed"], None, "failed_cleanly"),
        (["deed", "deed", "deed", "deed", "failed"], None, "lost"),
        (["deed", "ack"], None, "lost"),
        (["deed"], ConnectionLost("gone"), "failed_cleanly"),
        (["deed", "deed", "deed", "deed"], ConnectionLost("gone"), "failed_cleanly"),
        (["deed", "deed", "ack", "deed", "deed"], ConnectionLost("gone"), "lost"),
        (["deed", "deed", "deed", "deed"], UnknownTask("t"), "lost"),
        (["deed"], UnknownTask("t"), "failed_cleanly"),
    ],
)
def test_a_cancel_is_judged_by_what_was_told_and_done_when(
    tmp_path: Path, moments: list[str], error: SametaskError | None, verdict: str
):
    told = Trial(
        cast(Any, None), "recommended", RECOMMENDED, Random(0), Deeds(tmp_path / "ledger"), 1.0, 1.0, 1.0, steps=4
    )  # fmt: skip
    lines, step = list[str](), 0
    for moment in moments:
        if moment in ("deed", "repeated"):
            step += moment == "deed"
            lines.append(f"t {step} {time.monotonic()!r}")
        elif moment == "ack":
            told.told.note(cancel.ACKNOWLEDGED)
        else:
            changed = StateChanged(state=TaskState(moment), result=DONE if moment == "completed" else None)
            told.told.hear(Event(seq=0, body=changed))
    told.deeds.path.write_text("\n".join(lines), encoding="utf-8")
    assert cancel.SCENARIO.judge is not None
    assert cancel.SCENARIO.judge(told, error)[0] == verdict


@pytest.mark.parametrize("name", OWN)
def test_a_scenario_has_a_cell_in_which_nothing_breaks_and_none_twice(name: str):
    cells = [(cell.fault, cell.point) for cell in SCENARIOS[name].cells]
    assert ("none", "none") in cells
    assert len(cells) == len(set(cells))
