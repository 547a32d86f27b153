"""Long haul from made-up trials and ledgers: what is counted, what is a median of what, and what is in no number."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any, get_args

import pytest
from sametask.agents.events import Artifact, ArtifactEmitted, Event, Progress, Snapshot, StateChanged, Task, TaskState, TextPart
from sametask.measurements.longhaul import METRIC
from sametask.measurements.longhaul.derive import derive
from sametask.measurements.longhaul.ledger import Deeds, Told
from sametask.measurements.longhaul.trial import Verdict
from sametask.measurements.samples import Sample

COUNTS = {
    "events_expected_count": 40,
    "events_live_count": 40,
    "events_lost_count": 0,
    "events_duplicated_count": 0,
    "events_reordered_count": 0,
    "steps_rerun_count": 0,
}


def judged(verdict: str = "delivered", trial: int = 0, reason: str = "", *, variant: str = "rest", **values: Any) -> Sample:
    cell = {"scenario": "server_killed"}
    values = {"verdict": verdict, **COUNTS, **values}
    return Sample(metric="long_haul", variant=variant, cell=cell, trial=trial, reason=reason, values=values)


def broken(reason: str = "LookupError: a defect of ours") -> Sample:
    return Sample(metric="long_haul", variant="rest", cell={"scenario": "server_killed"}, status="harness_error", reason=reason)


def only(*samples: Sample) -> dict[str, Any]:
    [row] = derive(samples)
    return row


def test_each_verdict_is_counted_once_and_under_its_own_name():
    verdicts = [verdict for count, verdict in enumerate(get_args(Verdict), 1) for _ in range(count)]
    row = only(*(judged(verdict, trial) for trial, verdict in enumerate(verdicts)))
    assert {verdict: row[verdict] for verdict in get_args(Verdict)} == {
        verdict: count for count, verdict in enumerate(get_args(Verdict), 1)
    }
    assert row["trials"] == len(verdicts)


def test_events_are_summed_over_the_trials():
    row = only(
        judged(events_lost_count=3, events_live_count=37, steps_rerun_count=1),
        judged(events_lost_count=1, events_duplicated_count=2, events_reordered_count=4, events_live_count=30),
    )
    counted = [row[name] for name in ("events_expected", "events_live", "events_lost", "events_duplicated", "events_reordered")]
    assert counted == [80, 67, 4, 2, 4]
    assert row["steps_rerun"] == 1


def test_a_time_is_the_median_of_the_trials_that_have_it():
    row = only(
        judged(time_to_know_ms=10.0, time_to_recover_ms=20.0),
        judged(time_to_know_ms=30.0),
        judged("hung"),
        judged(time_to_know_ms=500.0),
    )
    assert (row["time_to_know_ms"], row["time_to_know_ms_all"]) == (30.0, [10.0, 30.0, 500.0])
    assert (row["time_to_recover_ms"], row["time_to_recover_ms_all"]) == (20.0, [20.0])


def test_a_time_that_never_came_is_absent_and_not_zero():
    row = only(judged("hung"), judged("failed_cleanly", 1, "UnknownTask: gone"))
    assert not [name for name in row if name.startswith("time_to")]
    assert row["reasons"] == ["UnknownTask: gone"]


def test_a_defect_of_the_harness_is_in_no_number_but_its_own():
    good = [judged(time_to_know_ms=10.0), judged("lost", 1, "gone", events_lost_count=5)]
    with_defects, without = only(*good, broken(), broken()), only(*good)
    assert with_defects.pop("harness_errors") == 2
    assert with_defects == without, "nor is its reason among what the trials said"


def test_nothing_but_defects_is_no_verdict():
    row = only(broken(), broken())
    assert row == {
        "variant": "rest", "scenario": "server_killed", "trials": 0, "harness_errors": 2,
        "not_testable": "LookupError: a defect of ours",
    }  # fmt: skip


def test_the_order_of_the_samples_does_not_matter_and_they_are_not_touched():
    samples = [judged("lost", n, "gone", variant=name, time_to_know_ms=float(n)) for n in range(5) for name in ("rest", "grpc")]
    before = copy.deepcopy(samples)

    def by_variant(some: list[Sample]) -> dict[str, Any]:
        return {row["variant"]: row | {"time_to_know_ms_all": sorted(row["time_to_know_ms_all"])} for row in derive(some)}

    expected = by_variant(samples)
    for seed in range(3):
        assert by_variant(random.Random(seed).sample(samples, len(samples))) == expected
    assert samples == before


def test_the_metric_is_what_the_suite_finds():
    assert (METRIC.name, METRIC.derive) == ("long_haul", derive)


def mark(number: int) -> Artifact:
    return Artifact(name=f"mark-{number}", parts=(TextPart(text="x"),))


def told(*bodies: Any) -> Told:
    view = Told()
    for body in bodies:
        view.hear(Event(seq=0, body=body))
    return view


def test_a_snapshot_makes_known_what_it_holds_and_nothing_live():
    task = Task(id="t", state=TaskState.WORKING, artifacts=(mark(1), mark(2)), progress=Progress(done=2))
    view = told(Snapshot(task=task))
    assert view.known.keys() == {("artifact", 1), ("artifact", 2), ("progress", 2)}, "the progress before is not in it"
    assert not view.live
    assert view.end is None


def test_what_is_told_live_and_again_in_a_snapshot_is_no_duplicate_but_twice_live_is():
    task = Task(id="t", state=TaskState.WORKING, artifacts=(mark(1),))
    assert told(ArtifactEmitted(artifact=mark(1)), Snapshot(task=task)).duplicates() == 0
    assert told(*[ArtifactEmitted(artifact=mark(1))] * 3).duplicates() == 2


@pytest.mark.parametrize(
    ("order", "late"), [([1, 2, 3], 0), ([2, 1, 3], 1), ([3, 1, 2], 2), ([1, 2, 1, 2, 3], 0), ([1, 3, 5], 0), ([3, 2, 1], 2)]
)
def test_a_mark_is_late_when_a_later_one_of_its_kind_came_first(order: list[int], late: int):
    assert told(*(ArtifactEmitted(artifact=mark(k)) for k in order)).reordered() == late
    assert told(*(Progress(done=k) for k in order)).reordered() == late


def test_progress_and_artifacts_are_kinds_of_their_own():
    assert told(Progress(done=5), ArtifactEmitted(artifact=mark(1)), Progress(done=6)).reordered() == 0


def test_the_end_is_what_the_server_told_last_and_nothing_else():
    assert told(ArtifactEmitted(artifact=mark(1)), StateChanged(state=TaskState.WORKING)).end is None
    assert told(StateChanged(state=TaskState.COMPLETED, result=1)).end is not None
    assert told(Snapshot(task=Task(id="t", state=TaskState.FAILED))).end is not None


def test_deeds_are_read_over_all_tasks_that_wrote(tmp_path: Path):
    ledger = tmp_path / "ledger"
    assert not Deeds(ledger).executed(), "nothing was done before the file is there"
    ledger.write_text("a 1\na 2\nb 2\n", encoding="utf-8")
    assert Deeds(ledger).executed() == {1: 1, 2: 2}
