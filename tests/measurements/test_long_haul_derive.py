"""Long haul from made-up trials and ledgers: what is counted, what is a median of what, and what is in no number."""

from __future__ import annotations

import copy
import random
import re
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


CELL = {"client": "recommended", "scenario": "long_task", "fault": "sigkill", "point": "after_side_effect"}
FREE = CELL | {"fault": "none", "point": "none"}


def judged(
    verdict: str = "delivered",
    trial: int = 0,
    reason: str = "",
    *,
    variant: str = "rest",
    cell: dict[str, str] = CELL,
    **values: Any,
) -> Sample:
    values = {"verdict": verdict, **COUNTS, **values}
    return Sample(metric="long_haul", variant=variant, cell=cell, trial=trial, reason=reason, values=values)


def broken(reason: str = "LookupError: a defect of ours") -> Sample:
    return Sample(metric="long_haul", variant="rest", cell=CELL, status="harness_error", reason=reason)


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
        "variant": "rest", **CELL, "trials": 0, "harness_errors": 2,
        "not_testable": "LookupError: a defect of ours",
    }  # fmt: skip


def test_the_order_of_the_samples_does_not_matter_and_they_are_not_touched():
    samples = [judged(trial=n, variant=name, time_to_know_ms=float(n)) for n in range(5) for name in ("rest", "grpc")]
    before = copy.deepcopy(samples)

    def by_variant(some: list[Sample]) -> dict[str, Any]:
        return {row["variant"]: row | {"time_to_know_ms_all": sorted(row["time_to_know_ms_all"])} for row in derive(some)}

    expected = by_variant(samples)
    for seed in range(3):
        assert by_variant(random.Random(seed).sample(samples, len(samples))) == expected
    assert samples == before


def test_each_client_fault_and_point_is_a_row_of_its_own():
    cells = [
        CELL | change
        for change in ({}, {"client": "defaults"}, {"fault": "reset"}, {"point": "before_send"}, {"scenario": "x"})
    ]
    rows = derive([judged(cell=cell) for cell in cells for _ in range(2)])
    assert [{key: row[key] for key in CELL} for row in rows] == cells
    assert {row["trials"] for row in rows} == {2}


def test_a_row_moves_when_a_sample_moves():
    before = only(*(judged(trial=n, looked_finished=False) for n in range(3)))
    after = only(*(judged(trial=n, looked_finished=False) for n in range(2)), judged("lost", 2, looked_finished=True))
    assert {key for key in before if before[key] != after[key]} == {"delivered", "lost", "looked_finished"}


def test_the_time_and_the_cost_of_a_client_without_its_result_are_in_no_series():
    free = judged(cell=FREE, requests_count=2)
    good = judged(time_to_know_ms=10.0, requests_count=5)
    for verdict in ("lost", "hung", "failed_cleanly"):
        _, row = derive([free, good, judged(verdict, 1, time_to_know_ms=900.0, requests_count=99)])
        assert (row["time_to_know_ms_all"], row["extra_requests"]) == ([10.0], 3)


def test_a_cost_is_what_is_beyond_the_fault_free_run_of_the_same_variant_client_and_scenario():
    costs = {"requests_count": 2, "connections_count": 1, "wire_bytes": 1000}
    struck = judged(requests_count=5, connections_count=3, wire_bytes=1700)
    rows = derive([struck, judged(cell=FREE, **costs), judged(cell=FREE, **costs)])
    assert [rows[0][key] for key in ("extra_requests", "extra_connections", "extra_bytes")] == [3, 2, 700]
    assert not [key for key in rows[1] if key.startswith("extra")], "the fault-free run is beyond nothing"
    for other in ({"client": "defaults"}, {"scenario": "silent"}):
        row = derive([struck, judged(cell=FREE | other, **costs)])[0]
        assert not [key for key in row if key.startswith("extra")], "it is compared with no other's"
    assert "extra_bytes" not in derive([struck, judged(cell=FREE, variant="grpc", **costs)])[0]


@pytest.mark.parametrize(
    ("former", "fault", "point"),
    [
        ("no_fault", "none", "none"),
        ("connection_cut", "reset", "between_events"),
        ("server_killed", "sigkill", "after_side_effect"),
    ],
)
def test_a_run_of_before_there_were_cells_is_read_as_what_it_was(former: str, fault: str, point: str):
    row = only(judged(cell={"scenario": former}))
    assert {key: row[key] for key in CELL} == FREE | {"fault": fault, "point": point}
    told = "\n".join(section.text for section in METRIC.present([row]))
    assert "did a cut stream" not in told, "what was not counted then is not a zero now"


def test_a_cell_with_nothing_but_defects_makes_no_claim():
    rows = derive([broken(), broken()])
    sections = METRIC.present(rows)
    told = "\n".join(section.text for section in sections)
    assert "nothing is said of any variant" in told
    assert "2 trials broke by a defect of the harness" in told
    assert not re.search(r"delivered \d|all \d+ trials|may still happen|did a cut stream", told)
    tiles = [tile for chart in sections[0].charts for data in chart.spec["datasets"].values() for tile in data]
    assert [(tile["text"], tile["tint"]) for tile in tiles] == [("ours", "none")]


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
    assert not Deeds(ledger).effects(), "nothing was done before the file is there"
    ledger.write_text("a 1 0.1\na 2 0.2\nb 2 0.3\na 1 0.4 again\n", encoding="utf-8")
    assert Deeds(ledger).effects() == {1: 1, 2: 2}
    assert Deeds(ledger).rerun() == 1
