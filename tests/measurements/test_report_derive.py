"""report.json says nothing that the samples do not carry."""

from __future__ import annotations

import io
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sametask.measurements.metric import Metric, Row, Section, Table
from sametask.measurements.report import write_reports
from sametask.measurements.report.cells import cells
from sametask.measurements.report.derive import derive
from sametask.measurements.report.document import compose
from sametask.measurements.report.markdown import render
from sametask.measurements.report.terminal import summarise
from sametask.measurements.run_folder import Recorded, Run, RunFolder
from sametask.measurements.samples import Sample

RUN = Run(
    name="20261123T213000Z-quick-nogit",
    suite="quick",
    started="2026-11-23T21:30:00.000Z",
    ended="2026-11-23T21:30:09.000Z",
    end_reason="completed",
)


async def nothing(_: Any):
    return
    yield


def latencies(samples: Sequence[Sample]) -> list[Row]:
    rows: list[Row] = []
    for cell in cells(samples, ["flow"]):
        variant, flow = cell.key
        row: Row = {"variant": variant, "flow": flow, "trials": cell.trials}
        if series := cell.series("latency_ms"):
            row |= {"latency_ms": statistics.median(series), "slowest_ms": max(series)}
        elif reason := cell.not_testable:
            row["not_testable"] = reason
        rows.append(row)
    return rows


def table(rows: Sequence[Row]) -> list[Section]:
    columns = [
        ("variant", "Variant"),
        ("flow", "Flow"),
        ("latency_ms", "Median"),
        ("slowest_ms", "Slowest"),
        ("trials", "Trials"),
    ]
    return [Section("Latency", "How long a call took.", [Table(columns, rows, "Latency of a call")])]


METRICS = {"latency": Metric("latency", "Latency", 1, nothing, latencies, table)}


def sample(
    variant: str, status: Any = "ok", reason: str = "", metric: str = "latency", flow: str = "cold", **values: Any
) -> Sample:
    return Sample(metric=metric, variant=variant, cell={"flow": flow}, status=status, reason=reason, values=values)


def report(*samples: Sample, run: Run = RUN, torn: bool = False) -> dict[str, Any]:
    return derive(run, Recorded(samples, torn), METRICS)


def test_a_failure_never_enters_a_latency() -> None:
    made = report(
        sample("rest", latency_ms=10.0),
        sample("rest", latency_ms=12.0),
        sample("rest", "failed", "connection_lost", latency_ms=0.0),
        sample("rest", "harness_error", "our tap fell over", latency_ms=99999.0),
    )
    assert made["latency"] == [{"variant": "rest", "flow": "cold", "trials": 3, "latency_ms": 11.0, "slowest_ms": 12.0}]
    assert made["failures"] == [
        {"metric": "latency", "variant": "rest", "cell": {"flow": "cold"}, "reason": "connection_lost", "count": 1}
    ]
    assert made["samples"] == {"ok": 2, "failed": 1, "not_testable": 0, "harness_error": 1, "torn_line": False}


def test_what_a_failed_attempt_left_behind_is_taken_from_it() -> None:
    seen: list[Sample] = []

    def watch(samples: Sequence[Sample]) -> list[Row]:
        seen.extend(samples)
        return []

    metric = Metric("latency", "Latency", 1, nothing, watch, table)
    kept = Recorded([sample("rest", "failed", "x", latency_ms=0.0), sample("rest", latency_ms=1.0)])
    derive(RUN, kept, {"latency": metric})
    assert [one.values for one in seen] == [{}, {"latency_ms": 1.0}]


def test_zero_successes_give_no_number_but_a_reason_in_every_form() -> None:
    made = report(*[sample("rest", "failed", "unavailable: draining") for _ in range(3)])
    assert made["latency"] == [
        {"variant": "rest", "flow": "cold", "trials": 3, "not_testable": "all 3 trials failed (3 x unavailable: draining)"}
    ]
    document = compose(made, METRICS)
    console = Console(file=io.StringIO(), width=160)
    summarise(document, console)
    for text in (render(document), console.file.getvalue()):
        assert "Not one attempt succeeded" in text
        assert "unavailable: draining" in text
        assert "0.0" not in text.split("Where these numbers")[0].replace("9.0 s", "")


def test_what_could_not_be_tested_says_why() -> None:
    made = report(sample("inproc", "not_testable", "no network connection"), sample("rest", latency_ms=1.0))
    assert made["latency"][0] == {"variant": "inproc", "flow": "cold", "trials": 0, "not_testable": "no network connection"}
    assert [row["reason"] for row in made["not_measured"]] == ["no network connection"]


def test_what_was_planned_and_not_reached_is_said() -> None:
    planned = RUN.model_copy(
        update={"variants": ["rest", "mcp-http"], "metrics": ["latency", "long_haul"], "end_reason": "interrupted"}
    )
    made = report(sample("rest", latency_ms=1.0), run=planned)
    assert [(row["metric"], row["variant"], row["reason"]) for row in made["not_measured"]] == [
        ("long_haul", "", "no sample was taken"),
        ("", "mcp-http", "no sample was taken"),
    ]
    assert made["variants"] == ["rest", "mcp-http"]
    assert "This run was interrupted" in render(compose(made, METRICS))


@pytest.mark.parametrize(
    ("end_reason", "said"),
    [("failed", "This run failed before its end"), (None, "never said that it ended"), ("interrupted", "was interrupted")],
)
def test_a_run_that_did_not_complete_says_so(end_reason: str | None, said: str) -> None:
    run = RUN.model_copy(update={"end_reason": end_reason, "ended": None})
    assert said in render(compose(report(sample("rest", latency_ms=1.0), run=run), METRICS))
    assert said not in render(compose(report(sample("rest", latency_ms=1.0)), METRICS))


def test_harness_errors_stand_before_any_number() -> None:
    text = render(
        compose(report(sample("rest", latency_ms=1.0), sample("rest", "harness_error", "the tap fell over")), METRICS)
    )
    assert "1 harness error: this is our fault" in text
    assert text.index("the tap fell over") < text.index("## Latency")


def test_a_run_without_samples_is_a_report_that_says_so() -> None:
    made = report()
    assert made["latency"] == []
    assert "This run has no sample." in render(compose(made, METRICS))


def test_json_is_strict_and_missing_is_null() -> None:
    made = report(sample("rest", latency_ms=float("nan"), other_ms=float("inf")))
    assert made["latency"][0]["latency_ms"] is None
    text = json.dumps(made, allow_nan=False)
    assert "NaN" not in text


def test_derive_is_pure() -> None:
    samples = [sample(variant, latency_ms=float(trial)) for trial in range(4) for variant in ("rest", "mcp-http", "a2a-grpc")]
    before = [one.model_dump() for one in samples]
    first = json.dumps(report(*samples))
    assert json.dumps(report(*samples)) == first
    assert [one.model_dump() for one in samples] == before


def test_a_metric_may_not_take_the_place_of_the_reports_own_keys() -> None:
    metric = Metric("run", "Run", 1, nothing, latencies, table)
    with pytest.raises(ValueError, match="cannot be called 'run'"):
        derive(RUN, Recorded([]), {"run": metric})


def test_cells_keep_variants_and_keys_apart() -> None:
    found = cells([sample("rest", flow="cold"), sample("rest", flow="warm"), sample("mcp-http", flow="cold")], ["flow"])
    assert [cell.key for cell in found] == [("rest", "cold"), ("rest", "warm"), ("mcp-http", "cold")]
    assert [cell.not_testable for cell in found] == [None, None, None]


def test_every_shipped_metric_can_stand_in_a_report(tmp_path: Path) -> None:
    """With the metrics found by discovery and no sample, the report is whole and empty."""
    folder = RunFolder.create(tmp_path, "quick")
    with folder.recording():
        pass
    written = write_reports(folder)
    assert json.loads(written.json.read_text())["samples"]["ok"] == 0
