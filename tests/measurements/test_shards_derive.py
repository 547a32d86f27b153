"""What several machines measured: each by itself, and only where its null pair tells nothing apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sametask.measurements import longhaul
from sametask.measurements.report import write_reports
from sametask.measurements.run_folder import Host, RunFolder
from sametask.measurements.samples import Sample, Where
from sametask.measurements.timing import METRIC
from sametask.measurements.timing.derive import derive
from sametask.measurements.timing.present import present


def on(host: str, worker: str = "1-a", **clock: float) -> Where | None:
    return Where(host=host, worker=worker, **clock) if host else None


def load(host: str, rates: dict[str, list[float]], level: int = 16) -> list[Sample]:
    return [
        Sample(
            metric="throughput",
            variant=name.partition(" ")[0],
            cell={"contender": name, "level": level, "tools": 1},
            trial=trial,
            where=on(host),
            values={"calls_per_s": rate, "p50_ms": 1.0, "p99_ms": 2.0, "server_cpu_ms": 0.5},
        )
        for name, each in rates.items()
        for trial, rate in enumerate(each)
    ]


STEADY = {"rest": [100.0] * 3, "rest again": [101.0, 100.0, 99.0], "a2a-grpc": [200.0, 201.0, 202.0]}


def row(rows: list[dict[str, Any]], contender: str, host: str = "") -> dict[str, Any]:
    [found] = [each for each in rows if (each["contender"], each.get("host", "")) == (contender, host)]
    return found


def test_each_machine_has_rows_of_its_own_and_nothing_is_pooled():
    slow = {name: [rate / 10 for rate in rates] for name, rates in STEADY.items()}
    rows = derive([*load("a", STEADY), *load("b", slow)])
    assert row(rows, "a2a-grpc", "a")["calls_per_second"] == 201
    assert row(rows, "a2a-grpc", "b")["calls_per_second"] == 20.1
    assert row(rows, "a2a-grpc", "a")["ratio"] == row(rows, "a2a-grpc", "b")["ratio"] == 2.01
    assert row(rows, "rest again", "a")["null_pair_ci"] == [0.99, 1.01]
    [section] = present(rows)
    for host in "ab":
        assert (
            f"- **On {host}**: at 16 calls at a time told apart from `rest`, as a multiple of its calls a second:"
            in section.text
        )
    assert ("host", "Machine") in section.tables[0].columns


def test_two_halves_of_one_round_on_two_machines_are_no_pair():
    rests = load("a", {"rest": [100.0] * 3, "rest again": [100.0] * 3})
    rows = derive([*rests, *load("b", {"a2a-grpc": [200.0] * 3})])
    assert "no round has both halves of the null pair" in row(rows, "a2a-grpc", "b")["not_testable"]
    assert not {"ratio", "calls_per_second"} & row(rows, "a2a-grpc", "b").keys()
    assert {each.get("ratio") for each in rows if each["contender"] == "a2a-grpc"} == {None}


def test_a_machine_whose_null_pair_is_told_apart_is_excluded_by_name():
    biased = {**STEADY, "rest again": [130.0, 131.0, 132.0]}
    rows = derive([*load("a", STEADY), *load("b", biased)])
    said = "the null pair is told apart: rest again : rest = 1.31 (1.30 to 1.32)"
    for name in biased:
        assert row(rows, name, "b")["not_testable"] == said
        assert not {"ratio", "ratio_ci", "calls_per_second", "p50_ms"} & row(rows, name, "b").keys()
    assert row(rows, "a2a-grpc", "a")["ratio"] == 2.01
    text = present(rows)[0].text
    assert f"- **On b**: excluded, {said}." in text
    assert "On a**: excluded" not in text


def test_fewer_than_three_rounds_make_no_interval():
    rows = derive(load("a", {name: rates[:2] for name, rates in STEADY.items()}))
    assert row(rows, "a2a-grpc", "a")["calls_per_second"] == 200.5
    assert row(rows, "a2a-grpc", "a")["no_ratio"] == "2 of the 3 rounds that an interval takes"
    assert not {"ratio", "ratio_ci"} & row(rows, "a2a-grpc", "a").keys()
    assert "too few rounds to compare" in present(rows)[0].text


def test_within_the_margin_nobody_is_told_apart():
    rows = derive(load("", {**STEADY, "a2a-grpc": [105.0, 106.0, 107.0]}))
    assert "nobody is told apart" in present(rows)[0].text
    assert not any("host" in each for each in rows), "one machine is not named in every row"


def test_what_was_not_measured_says_why():
    missing = [
        each.model_copy(update={"status": "harness_error", "reason": "shard 1 of 3 was lost", "values": {}})
        for each in load("a", {"a2a-grpc": [0.0]})
    ]
    rows = derive([*load("a", {name: STEADY[name] for name in ("rest", "rest again")}), *missing])
    assert row(rows, "a2a-grpc", "a") == {
        "variant": "a2a-grpc", "contender": "a2a-grpc", "level": 16, "blocks": 0, "host": "a",
        "not_testable": "shard 1 of 3 was lost",
    }  # fmt: skip


COUNTS = {f"{name}_count": 0 for name in ("events_lost", "events_duplicated", "events_reordered", "steps_rerun")}


def trial(number: int, host: str, ms: float) -> Sample:
    values = {"verdict": "delivered", **COUNTS, "events_expected_count": 40, "events_live_count": 40, "time_to_know_ms": ms}
    cell = {"scenario": "server_killed"}
    return Sample(metric="long_haul", variant="rest", cell=cell, trial=number, values=values, where=on(host))


def test_times_of_long_haul_stand_per_machine():
    [found] = longhaul.METRIC.derive([trial(0, "a", 10), trial(1, "b", 900), trial(2, "a", 30)])
    assert (found["trials"], found["delivered"]) == (3, 3)
    assert "time_to_know_ms" not in found, "the median of two machines is nobody's"
    told = [(each["host"], each["trials"], each["time_to_know_ms"]) for each in found["by_host"]]
    assert told == [("a", 2, 20.0), ("b", 1, 900)]
    sections = longhaul.METRIC.present([found])
    assert "in 1 trial may" in sections[0].text, "a machine's own trials bound what it may have missed"
    [times] = next(section for section in sections if section.title == "How long it took").tables
    assert [each["host"] for each in times.rows] == ["a", "b"]
    [alone] = longhaul.METRIC.derive([trial(0, "a", 10), trial(1, "a", 30)])
    assert (alone["time_to_know_ms"], "by_host" in alone) == (20, False)


def test_the_report_says_which_machines_there_were(tmp_path: Path):
    folder = RunFolder.create(tmp_path, "quick", metrics=["throughput"])
    here = folder.run.versions
    folder.add_host("a", Host(versions=here))
    folder.add_host("b", Host(versions={**here, "pydantic": "1.0"}))
    with folder.recording():
        for worker, (offset, uncertainty) in {"1-a": (-40.0, 50.0), "1-b": (-1.5, 2.0)}.items():
            clock = {"clock_offset_ms": offset, "clock_uncertainty_ms": uncertainty}
            for sample in load("a", {"rest": [1.0]}):
                folder.append(sample.model_copy(update={"where": on("a", worker, **clock)}))
        for sample in load("b", {"rest": [1.0]}):
            folder.append(sample)
    reports = write_reports(folder, {"throughput": METRIC})
    first, second = reports.report["hosts"]
    assert (first["host"], first["samples"], first["workers"], first["differs"]) == ("a", 2, 2, [])
    assert (first["clock_offset_ms"], first["clock_uncertainty_ms"]) == (-1.5, 2.0), "that of the best exchange"
    assert (second["host"], second["differs"]) == ("b", ["pydantic 1.0"])
    assert "clock_offset_ms" not in second
    text = reports.markdown.read_text()
    assert "Machines: 2" in text
    assert "pydantic 1.0" in text
    again = write_reports(RunFolder.open(folder.path), {"throughput": METRIC})
    assert again.report == reports.report


def test_a_run_of_one_machine_names_none(tmp_path: Path):
    folder = RunFolder.create(tmp_path, "quick")
    with folder.recording():
        for sample in load("", STEADY):
            folder.append(sample)
    reports = write_reports(folder)
    assert "hosts" not in reports.report
    assert "Machines:" not in reports.markdown.read_text()


@pytest.mark.parametrize("tail", ['{"metric":"x","va', '{"metric":"x","variant":"rest"}'])
def test_a_run_that_goes_on_drops_the_line_that_was_cut_off(tmp_path: Path, tail: str):
    folder = RunFolder.create(tmp_path, "quick")
    with folder.recording():
        for sample in load("", {"rest": [1.0]}):
            folder.append(sample)
    samples = folder.path / "samples.jsonl"
    whole = samples.read_bytes()
    samples.write_bytes(whole + tail.encode())
    again = RunFolder.resume(folder.path)
    assert samples.read_bytes() == whole
    assert (again.run.end_reason, again.run.ended) == (None, None)
    with again.recording():
        for sample in load("", {"rest again": [1.0]}):
            again.append(sample)
    assert (len(again.samples().samples), again.run.counts) == (2, {"ok": 2})
