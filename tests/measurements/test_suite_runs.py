"""A suite: what a plan accepts, and a run that keeps its samples however it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sametask.agents.errors import InvalidInput, Unavailable
from sametask.measurements.bench import Bench, Effort
from sametask.measurements.metric import Metric, metrics
from sametask.measurements.report import write_reports
from sametask.measurements.run_folder import RunFolder
from sametask.measurements.samples import Sample
from sametask.measurements.suite import Plan, begin, plan, run
from sametask.protocols.variants import variants


@pytest.mark.parametrize(
    ("asked", "field", "value", "accepted"),
    [
        ({"suite": "slow"}, "suite", "slow", "quick, full"),
        ({"only": ["latency"]}, "only", "latency", "round-trips"),
        ({"only": ["round-trips", ""]}, "only", "", "long-haul"),
        ({"names": ["soap"]}, "variants", "soap", "rest"),
        ({"names": ["rest", "REST"]}, "variants", "REST", "mcp-http"),
    ],
)
def test_a_plan_refuses_what_it_does_not_know_and_says_what_it_does(asked: Any, field: str, value: str, accepted: str):
    with pytest.raises(InvalidInput) as raised:
        plan(**asked)
    assert raised.value.details["field"] == field
    assert raised.value.details["value"] == repr(value)
    assert accepted in raised.value.details["accepted"]


def test_a_plan_is_all_that_has_a_server_unless_it_is_told():
    known = variants()
    whole = plan()
    assert [metric.name for metric in whole.metrics] == [name for name, metric in metrics().items() if metric.usual]
    assert [metric.name for metric in plan(together=True).metrics] == list(metrics()), "several machines share the load too"
    assert [metric.name for metric in plan(only=["throughput"]).metrics] == ["throughput"]
    assert [variant.name for variant in whole.variants] == [
        name for name, variant in known.items() if variant.server and not variant.stock_of
    ]
    assert [variant.name for variant in plan("full").variants] == [name for name, each in known.items() if each.server]
    assert [variant.name for variant in plan(names=["stock-fastapi"]).variants] == ["stock-fastapi"]
    assert whole.effort.name == "quick"
    assert whole.options.given == {}
    narrow = plan("full", ["long_haul"], ["inproc", "rest"], seed=3)
    assert [metric.name for metric in narrow.metrics] == ["long_haul"]
    assert {variant.name for variant in narrow.variants} == {"inproc", "rest"}
    assert narrow.options.given == {"suite": "full", "only": ["long_haul"], "variants": ["inproc", "rest"], "seed": 3}


def silent(title: str, done: float, total: float, text: str) -> None:
    return


def small(*names: str) -> Plan:
    """One block of round trips, at four short delays."""
    return replace(
        plan(only=["round-trips"], names=names or ["rest"]), effort=Effort("quick", repeats=1, trials=1, delays_ms=(0.0, 1.0))
    )


async def test_a_run_that_is_stopped_keeps_its_samples_and_says_so(tmp_path: Path):
    asked = small()
    folder = begin(asked, tmp_path)
    first = asyncio.Event()

    def told(title: str, done: float, total: float, text: str) -> None:
        if folder.samples().samples:
            first.set()

    running = asyncio.create_task(run(asked, folder, told))
    await first.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    kept = RunFolder.open(folder.path)
    samples = kept.samples().samples
    assert (kept.run.end_reason, kept.run.error) == ("interrupted", None)
    assert 1 <= len(samples) < 12
    assert kept.run.counts == {"ok": len(samples)}
    write_reports(kept)
    report = (kept.path / "report.md").read_text(encoding="utf-8")
    assert "interrupted" in report


async def test_a_run_that_ends_is_completed_and_its_report_has_its_rows(tmp_path: Path):
    asked = small("inproc", "rest")
    folder = begin(asked, tmp_path)
    titles: set[str] = set()
    await run(asked, folder, lambda title, done, total, text: titles.add(title))
    kept = RunFolder.open(folder.path)
    assert (kept.run.end_reason, kept.run.counts) == (
        "completed",
        {"ok": 2 * 12, "not_testable": 6},
    )  # rest twice: the null pair
    assert titles == {"Round trips"}
    [metric] = asked.metrics
    rows = metric.derive(kept.samples().samples)
    assert {row["variant"] for row in rows if "not_testable" not in row} == {"rest"}
    assert {row["variant"] for row in rows if "not_testable" in row} == {"inproc"}


def counting(left: list[str]) -> Metric:
    async def measure(bench: Bench) -> AsyncGenerator[Sample]:
        try:
            for trial in range(3):
                yield Sample(metric="counting", variant="rest", trial=trial)
        finally:
            left.append("closed")

    return Metric("counting", "Counting", 1, measure, lambda samples: [], lambda rows: [])


async def test_a_sample_that_cannot_be_kept_fails_the_run_and_ends_what_measured_it(tmp_path: Path):
    left: list[str] = []
    counted = counting(left)

    async def breaking(bench: Bench) -> AsyncGenerator[Sample]:
        samples.unlink()
        samples.mkdir()
        async with aclosing(counted.measure(bench)) as every:
            async for sample in every:
                yield sample

    asked = replace(small(), metrics=(replace(counted, measure=breaking),))
    folder = begin(asked, tmp_path)
    samples = folder.path / "samples.jsonl"
    with pytest.raises(Unavailable, match=r"samples\.jsonl cannot be written"):
        await run(asked, folder, silent)
    assert left == ["closed"]
    failed = RunFolder.open(folder.path).run
    assert failed.end_reason == "failed"
    assert failed.error is not None
    assert failed.error.startswith("Unavailable: ")


async def test_a_folder_that_cannot_keep_samples_is_told_before_anything_is_measured(tmp_path: Path):
    left: list[str] = []
    asked = replace(small(), metrics=(counting(left),))
    folder = begin(asked, tmp_path)
    samples = folder.path / "samples.jsonl"
    samples.unlink()
    samples.mkdir()
    with pytest.raises(Unavailable, match=r"samples\.jsonl cannot be written"):
        await run(asked, folder, silent)
    assert left == [], "it was not begun"


def test_a_run_has_a_folder_or_one_line_why_not(tmp_path: Path):
    occupied = tmp_path / "file"
    occupied.write_text("")
    with pytest.raises(InvalidInput, match="out: "):
        begin(small(), occupied)
    assert os.listdir(tmp_path) == ["file"]
