"""`sametask replay`: a trial once more, with every deed and everything its client was told; and the options of long runs."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.text import Text
from sametask.console.replay import MOST, folded
from sametask.measurements.bench import SUITES, Bench
from sametask.measurements.longhaul.contract import Deeds, Trial
from sametask.measurements.longhaul.ledger import Told
from sametask.measurements.longhaul.measure import METRIC, station_of
from sametask.measurements.longhaul.replay import Line, ledgers
from sametask.measurements.run_folder import RunFolder
from sametask.measurements.samples import Sample
from sametask.protocols.client import ClientSettings
from sametask.protocols.variants import variants

from .conftest import Here, Sametask

VERDICT = {"verdict": "lost", "events_lost_count": 3, "steps_rerun_count": 0}
CELL = "rest/recommended/long_task/sigkill/after_side_effect"


def cell(variant: str, fault: str, point: str, **fields: Any) -> Sample:
    named = {"client": "recommended", "scenario": "long_task", "fault": fault, "point": point}
    return Sample(metric=METRIC, variant=variant, cell=named, **{"values": VERDICT, "reason": "told wrong", **fields})


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A run whose client, so it says, was told something wrong."""
    folder = RunFolder.create(tmp_path / "runs", "quick", seed=3, variants=["rest", "grpc"], metrics=[METRIC])
    for variant in ("rest", "grpc", "a2a-grpc"):
        folder.append(cell(variant, "sigkill", "after_side_effect"))
    folder.append(cell("rest", "sigkill", "after_side_effect", trial=2))
    folder.append(cell("rest", "none", "none"))
    folder.append(cell("rest", "restart_elsewhere", "request_sent", status="not_testable", reason="no address", values={}))
    return folder.path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*")}


async def test_a_trial_is_replayed_with_both_ledgers_and_changes_nothing(sametask: Sametask, recorded: Path):
    before = contents(recorded)
    done = await sametask("replay", str(recorded), "rest/recommended/long_task/sigkill", "2")
    assert done.code == 0, done.err
    for number in range(1, 21):
        for text in (f"step {number}", f"artifact {number}", f"progress {number}"):
            assert re.search(rf"\b{text}\b", done.out), text
    for text in ("What the agent did", "the fault strikes", "the fault is over", "noticed: ", "state: completed"):
        assert text in done.out
    assert "then: lost: told wrong\nnow:  delivered\n" in done.out
    assert "events_lost_count" in done.out.partition("What differs")[2]
    assert max(map(len, done.out.splitlines())) <= 80
    assert contents(recorded) == before


async def test_as_json_it_is_the_same_and_times_are_from_the_fault(sametask: Sametask, recorded: Path):
    done = (await sametask("replay", str(recorded), CELL, "0", "--json")).result
    assert (done["cell"], done["trial"], done["suite"], done["seed"]) == (CELL, 0, "quick", 3)
    assert done["then"] == {"status": "ok", "reason": "told wrong", "values": VERDICT}
    assert done["now"]["values"]["verdict"] == "delivered"
    assert done["differing"]["events_lost_count"] == {"then": 3, "now": 0}
    lines = done["ledgers"]
    assert [line["at_ms"] for line in lines] == sorted(line["at_ms"] for line in lines)
    assert [line["at_ms"] for line in lines if line["text"] == "the fault strikes"] == [0]
    assert {line["who"] for line in lines if line["at_ms"] < 0} >= {"agent", "client"}
    again = [line for line in lines if line["remark"] == "run again, without effect"]
    assert len(again) == done["now"]["values"]["steps_rerun_count"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((CELL, "1"), "trial: 1 is not accepted; accepted: one of 0, 2 of rest/"),
        (("sigkill", "0"), "(3 cells have it)"),
        (("soap", "0"), "(no cell has it)"),
        (("restart_elsewhere", "0"), "of this one the run says: no address"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(here: Here, recorded: Path, args: tuple[str, str], told: str):
    done = here("replay", str(recorded), *args)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert done.out == ""


def test_a_whole_name_comes_before_a_part_of_a_longer_one(here: Here, recorded: Path):
    done = here("replay", str(recorded), "grpc/recommended", "7")
    assert "one of 0 of grpc/recommended/long_task/sigkill" in done.err, "not of a2a-grpc"


def test_of_very_many_lines_those_are_shown_that_say_what_went_wrong():
    few = [Line(float(n), "agent", f"step {n}") for n in range(MOST)]
    assert list(folded(few)) == few
    fault, twice = Line(500.0, "fault", "the fault strikes"), Line(900.0, "agent", "step 900", "done twice")
    many = [Line(float(n), "agent", f"step {n}") for n in range(1_000)]
    many[500], many[900] = fault, twice
    shown = list(folded(many))
    assert [line for line in shown if not isinstance(line, Text)] == [*many[:4], *many[497:504], *many[897:904], *many[996:]]
    left = [line.plain for line in shown if isinstance(line, Text)]
    assert left == [f"... {count} more (--json has them)" for count in (493, 393, 92)]


async def test_what_a_client_lost_was_told_twice_or_out_of_order_is_said_in_words(tmp_path: Path):
    bench = Bench((variants()["rest"],), SUITES["quick"], 0, tmp_path)
    station = station_of(bench, variants()["rest"], tmp_path)  # never started: only a name is needed of it
    path = tmp_path / "trial.ledger"
    path.write_text("task-aaaaaaaa 1 10.0\ntask-aaaaaaaa 2 10.1\ntask-aaaaaaaa 2 10.2 again\ntask-bbbbbbbb 1 10.5\n"
                    "task-aaaaaaaa 3 10.6\n")  # fmt: skip
    trial = Trial(station, "recommended", ClientSettings(), Random(0), Deeds(path), 1.0, 1.0, 1.0)
    trial.steps, trial.struck_at, trial.over_at = 4, 10.05, 10.15
    for at, mark in ((10.01, ("artifact", 1)), (10.02, ("artifact", 3)), (10.3, ("artifact", 2)), (10.4, ("artifact", 2))):
        trial.told.live.append((at, mark))
        trial.told.known.setdefault(mark, at)
        trial.told.note(f"{mark[0]} {mark[1]}", at)
    trial.told.task_id = "task-aaaaaaaa"
    trial.others.append(Told("second"))
    lines = [(round(line.at_ms), line.who, line.text, line.remark) for line in ledgers(trial)]
    for expected in [
        (-50, "agent", "aaaaaaaa step 1", ""),
        (0, "fault", "the fault strikes", ""),
        (100, "fault", "the fault is over", ""),
        (150, "agent", "aaaaaaaa step 2", "run again, without effect"),
        (450, "agent", "bbbbbbbb step 1", "done twice, by another task"),
        (250, "client", "client: artifact 2", "out of order"),
        (350, "client", "client: artifact 2", "told again"),
        (50, "client", "client: progress 2", "lost: never told"),
        (550, "client", "second: artifact 3, progress 3", "lost: never told"),
        (550, "agent", "steps 4 to 4", "1 never done"),
        (50, "client", "second: artifact 2, progress 2", "lost: never told"),
    ]:
        assert expected in lines
    assert len(lines) == 2 + 5 + 4 + 3 + 3 + 1
    trial.others[0].task_id = "task-bbbbbbbb"
    lines = [(line.who, line.text, line.remark) for line in ledgers(trial)]
    assert ("agent", "bbbbbbbb step 1", "") in lines, "a task of its own for each client"
    assert ("client", "second: artifact 3, progress 3", "lost: never told") not in lines, "its task has not come to that"
    trial.marks = 15
    trial.kinds = ("artifact",)
    burst = [line.text for line in ledgers(trial) if line.text.startswith("second: ")]
    assert burst == ["second: " + ", ".join(f"artifact {k}" for k in range(1, 13)) + " and 3 more"]


def test_a_resumed_run_takes_nothing_beside_it_and_shards_are_merged(here: Here, tmp_path: Path):
    for args, told in [
        (("compare", "--resume", "x", "--seed", "0"), "resume: 'x' is not accepted; accepted: without --seed"),
        (("compare", "--resume", "x", "--suite", "quick", "--variants", "rest"), "without --suite --variants"),
        (("compare", "--resume", "x", "--shard", "1/2"), "without --shard"),
        (("compare", "--resume", "nowhere"), "run: 'nowhere'"),
        (("compare", "--shard", "3/2"), "shard: '3/2' is not accepted; accepted: i/n"),
        (
            ("compare", "--shard", "1/2", "--engine", "sqlite:///s.db"),
            "shard: '1/2' is not accepted; accepted: without --engine",
        ),
        (("report", "a", "b"), "run: 'a'"),
    ]:
        done = here(*args)
        assert done.code == 2
        assert told in done.err
        assert done.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
