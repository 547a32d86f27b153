"""A run that was stopped half-way goes on where it was; one that was measured in parts is one run again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from sametask.agents.errors import InvalidInput, Unavailable
from sametask.measurements.bench import Bench
from sametask.measurements.longhaul.measure import measure
from sametask.measurements.merging import merge
from sametask.measurements.metric import ByCell, Metric, Row, metrics
from sametask.measurements.part import Part
from sametask.measurements.report import write_reports
from sametask.measurements.run_folder import SAMPLES_JSONL, RunFolder
from sametask.measurements.samples import Sample
from sametask.measurements.shards.contract import cell_of
from sametask.measurements.suite import Plan, begin, plan, resume, run

COMMAND = [sys.executable, "-P", "-m", "sametask.console.main"]
LONG_HAUL = ("compare", "--only", "long-haul", "--variants", "rest", "--out", "runs")


def silent(title: str, done: float, total: float, text: str) -> None:
    return


def cells(folder: RunFolder) -> list[str]:
    return [cell_of(sample) for sample in folder.samples().samples]


def kept(folder: Path) -> list[Path]:
    """The files of the runs that have a sample."""
    return [path for path in folder.glob(f"runs/*/{SAMPLES_JSONL}") if path.stat().st_size]


async def whole(asked: Plan, scratch: Path) -> list[str]:
    """Every cell of the long haul of that plan, as the metric itself tells them: none is wanted, and none measured."""
    told: list[str] = []

    def wanted(blank: Sample) -> bool:
        told.append(cell_of(blank))
        return False

    async for _ in measure(Bench(asked.variants, asked.effort, asked.seed, scratch, wanted=wanted)):
        pytest.fail("it measured what nobody wants")
    return told


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    with anyio.fail_after(120):
        _, err = await process.communicate()
    return process.returncode, err.decode()


async def start(folder: Path, *args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND, *args, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, process_group=0
    )


async def test_a_run_that_was_killed_goes_on_and_has_every_cell_once(tmp_path: Path):
    process = await start(tmp_path, *LONG_HAUL, "--seed", "7")
    try:
        with anyio.fail_after(60):
            while not (found := kept(tmp_path)):  # noqa: ASYNC110 - another process writes the file
                await anyio.sleep(0.01)
        folder = RunFolder.open(found[0].parent)
        with pytest.raises(Unavailable, match="is being measured into by another process"):
            resume(folder.path)
        assert RunFolder.open(folder.path).run.pauses == []
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await ended(process)
    before = found[0].read_bytes()
    before = before[: before.rfind(b"\n") + 1]
    with found[0].open("ab") as file:
        file.write(b'{"metric": "long_haul", "vari')
    assert 0 < before.count(b"\n") < len(await whole(plan(only=["long-haul"], names=["rest"]), tmp_path))

    code, err = await ended(await start(tmp_path, "compare", "--resume", str(folder.path)))
    assert code == 0, err
    again = RunFolder.open(folder.path)
    assert found[0].read_bytes().startswith(before), "what was measured is not measured again"
    asked = plan(only=["long-haul"], names=["rest"], seed=7)
    assert Counter(cells(again)) == Counter(await whole(asked, tmp_path))
    assert (again.run.end_reason, again.run.measured, again.run.seed) == ("completed", ["long_haul"], 7)
    assert [(pause.stopped, pause.end_reason) for pause in again.run.pauses] == [(None, None)]
    assert "interrupted and resumed once" in (folder.path / "report.md").read_text()
    with pytest.raises(InvalidInput, match=r"accepted: a run that was stopped before its end; this one was completed"):
        resume(folder.path)


async def _three(bench: Bench) -> AsyncGenerator[Sample]:
    for trial in range(3):
        yield Sample(metric="counted", variant="rest", cell={"of": bench.effort.name}, trial=trial, values={"n": trial})


def counted(name: str, tell: Callable[[Bench], AsyncGenerator[Sample]], by_cell: bool = False) -> Metric:
    def derive(samples: Sequence[Sample]) -> list[Row]:
        return [{"variant": sample.variant, "n": sample.values["n"]} for sample in samples]

    return Metric(name, name, 1, tell, derive, lambda rows: [], by_cell=ByCell(lambda bench: [], str) if by_cell else None)


def known(monkeypatch: pytest.MonkeyPatch, *some: Metric) -> Mapping[str, Metric]:
    found = {metric.name: metric for metric in some}
    monkeypatch.setattr("sametask.measurements.suite.metrics", lambda: found)
    return found


async def test_a_metric_that_cannot_go_on_is_measured_anew_and_nothing_else_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stops = True

    async def stopped(bench: Bench) -> AsyncGenerator[Sample]:
        async for sample in _three(bench):
            yield sample.model_copy(update={"metric": "stopped"})
            if stops:
                raise Unavailable("the disk is full")

    async def going_on(bench: Bench) -> AsyncGenerator[Sample]:
        for trial in range(3):
            blank = Sample(metric="going_on", variant="rest", trial=trial, values={"n": trial})
            if bench.wanted(blank):
                yield blank

    some = known(monkeypatch, counted("counted", _three), counted("going_on", going_on, True), counted("stopped", stopped))
    folder = begin(plan(names=["rest"]), tmp_path)
    with pytest.raises(Unavailable):
        await run(plan(names=["rest"]), folder, silent)
    before = (folder.path / SAMPLES_JSONL).read_bytes()
    assert RunFolder.open(folder.path).run.measured == ["counted", "going_on"]
    assert [sample.metric for sample in folder.samples().samples].count("stopped") == 1

    stops = False
    asked, again = resume(folder.path)
    lines = before.splitlines(keepends=True)
    assert (folder.path / SAMPLES_JSONL).read_bytes() == b"".join(lines[:-1]), "the half metric is gone, and that alone"
    await run(asked, again, silent)
    assert Counter(sample.metric for sample in again.samples().samples) == {"counted": 3, "going_on": 3, "stopped": 3}
    end = RunFolder.open(folder.path).run
    assert (end.end_reason, end.error, end.counts) == ("completed", None, {"ok": 9})
    assert end.pauses[0].end_reason == "failed"
    report = write_reports(again, some).markdown.read_text()
    assert "This run was interrupted and resumed once." in report
    assert "(failed); resumed" in report


async def test_a_run_goes_on_only_where_and_with_what_it_began(tmp_path: Path):
    folder = begin(plan(only=["long-haul"], names=["rest"]), tmp_path)
    path = folder.path / "run.json"
    data: dict[str, Any] = json.loads(path.read_text())
    for change, accepted in [
        ({"versions": data["versions"] | {"sametask": "0.0.9"}}, "with the source that began it, 0.0.9"),
        ({"machine": data["machine"] | {"cores_count": 999}}, "on the machine that began it, 999 cores"),
        ({"parts": [{"run": "a", "shard": "1/2"}]}, "the folder of a run that `sametask compare` measured"),
    ]:
        path.write_text(json.dumps(data | change))
        with pytest.raises(InvalidInput, match=rf"resume: .* accepted: {accepted}"):
            resume(folder.path)
        assert json.loads(path.read_text()) == data | change, "what is refused is left alone"
    path.write_text(json.dumps(data))
    with pytest.raises(InvalidInput, match=r"accepted: a run that was measured with --engine"):
        resume(folder.path, together=True)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "1/2/3", "a/b", "-1/2", "1/100000", "٣/٣", ""])
def test_a_shard_that_is_none_is_refused(text: str):
    with pytest.raises(InvalidInput, match=r"shard: .* accepted: i/n, i from 1 to n, n up to 10000, e\.g\. 1/2"):
        Part.read(text)


def test_a_shard_without_anything_to_measure_is_refused():
    with pytest.raises(InvalidInput, match=r"shard: '2/2' .* accepted: 1/2: of all metrics only long-haul is split"):
        plan(only=["integration-code"], shard="2/2")
    assert [metric.name for metric in plan(shard="2/2").metrics] == ["long_haul"]
    assert plan(shard="1/2").metrics == plan().metrics


async def test_shards_have_every_cell_once_and_what_is_compared_together(tmp_path: Path):
    asked = plan("full", ["long-haul"], ["rest", "grpc"])
    keys = ("metric", "variant", "cell", "trial")
    told = [json.loads(cell) for cell in await whole(asked, tmp_path)]
    every = [Sample.model_validate(dict(zip(keys, each, strict=True))) for each in told]
    assert len(every) > 100
    for of in (1, 2, 3, 7):
        homes: dict[str, set[int]] = {}
        trials: dict[str, Counter[int]] = {}
        for blank in every:
            mine = [number for number in range(1, of + 1) if Part(number, of).holds(blank)]
            assert len(mine) == 1
            homes.setdefault(json.dumps([blank.cell, blank.trial]), set()).update(mine)
            trials.setdefault(json.dumps([blank.variant, blank.cell]), Counter()).update(mine)
        assert {len(home) for home in homes.values()} == {1}, "all variants of a trial are in one shard"
        for name, counts in trials.items():
            shares = [counts[number] for number in range(1, of + 1)]
            assert max(shares) - min(shares) <= 1, name


async def measured(asked: Plan, out: Path) -> RunFolder:
    folder = begin(asked, out)
    await run(asked, folder, silent)
    return folder


def part(shard: str, seed: int = 0, trials: int = 2) -> Plan:
    """Few cells, on one server."""
    found = plan(only=["long-haul"], names=["rest"], seed=seed, shard=shard)
    return replace(found, effort=replace(found.effort, trials=trials))


async def test_only_the_cells_that_are_named_are_measured(tmp_path: Path):
    asked = plan(names=["rest"], cells=["retried_submit/none", "defaults/retried_submit/reset/before_response"])
    assert [metric.name for metric in asked.metrics] == ["long_haul"]
    asked = replace(asked, effort=replace(asked.effort, trials=2))
    folder = await measured(asked, tmp_path)
    told = Counter((s.cell["client"], s.cell["fault"], s.values["verdict"]) for s in folder.samples().samples)
    assert told == {
        ("recommended", "none", "delivered"): 2,
        ("defaults", "none", "delivered"): 2,
        ("defaults", "reset", "duplicated"): 2,
    }
    document = write_reports(folder).document
    assert ("Cells", "retried_submit/none, defaults/retried_submit/reset/before_response") in document.facts
    assert plan(names=["rest"], cells=["retried_submit"]).effort.trials == plan(names=["rest"]).effort.trials


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ({"cells": ["soap"]}, r"cells: 'soap' is not accepted; accepted: words of a cell's name, .* as in rest/"),
        ({"cells": ["sigkil"]}, r"cells: 'sigkil'"),
        ({"cells": ["sigkill"], "only": ["round-trips"]}, r"cells: 'sigkill' .* accepted: without --only round-trips"),
    ],
)
def test_a_cell_that_there_is_not_is_refused_before_anything_is_measured(given: dict[str, Any], refused: str):
    with pytest.raises(InvalidInput, match=refused):
        plan(**{"names": ["rest"], **given})


async def test_shards_are_measured_apart_and_merged_into_one_run(tmp_path: Path):
    first, second = [await measured(part(shard), tmp_path) for shard in ("1/2", "2/2")]
    assert cells(first)
    assert cells(second)
    merged = merge([second.path, first.path], tmp_path / "out")
    assert Counter(cells(merged)) == Counter(await whole(part("1/2"), tmp_path))
    one = RunFolder.open(merged.path).run
    assert (one.end_reason, one.measured, one.options.given.get("shard")) == ("completed", ["long_haul"], None)
    assert [(each.run, each.shard) for each in one.parts] == [(first.run.name, "1/2"), (second.run.name, "2/2")]
    wheres = {(sample.where.host, sample.where.worker) for sample in merged.samples().samples if sample.where}
    assert wheres == {(next(iter(one.hosts)), "shard 1/2"), (next(iter(one.hosts)), "shard 2/2")}
    report = write_reports(merged).report
    assert report["not_measured"] == []
    assert len(report["hosts"]) == 1
    told = (merged.path / "report.md").read_text().partition("## Where it was measured")[2]
    assert "Each shard (1/2, 2/2) was measured by itself, on 1 machine in all" in told
    assert "Clock" not in told.partition("## ")[0]

    for paths, refused in [
        ([first.path, first.path], r"shard: '1/2' .* accepted: each shard once; "),
        ([first.path, merged.path], r"run: .* accepted beside other runs: one measured with --shard"),
    ]:
        with pytest.raises(InvalidInput, match=refused):
            merge(paths, tmp_path / "none")
    # A cell that both have: a copy of the first one's sample in the second.
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("run.json", SAMPLES_JSONL):
        (copied / name).write_bytes((second.path / name).read_bytes())
    overlapping = RunFolder.open(copied)
    overlapping.append(first.samples().samples[0])
    with pytest.raises(InvalidInput, match=r"run: .* accepted: each cell once; rest/.*, trial \d, is in "):
        merge([first.path, copied], tmp_path / "none")
    assert not (tmp_path / "none").exists(), "what is refused leaves nothing behind"


def test_what_is_of_another_run_is_not_merged_and_what_is_missing_is_told(tmp_path: Path):
    first = begin(plan(only=["long-haul"], names=["rest"], shard="1/3"), tmp_path)
    for asked, field in [
        (plan(only=["long-haul"], names=["rest"], seed=4, shard="2/3"), "seed"),
        (plan("full", ["long-haul"], ["rest"], shard="2/3"), "suite"),
        (plan(only=["long-haul"], names=["grpc"], shard="2/3"), "variants"),
        (plan(only=["long-haul"], names=["rest"], shard="2/4"), "shards"),
        (plan(names=["rest"], shard="2/3"), "options"),
    ]:
        with pytest.raises(InvalidInput) as raised:
            merge([first.path, begin(asked, tmp_path).path], tmp_path / "none")
        assert raised.value.details["field"] == field
        assert "is of another run" in raised.value.details["accepted"]
    other = begin(plan(only=["long-haul"], names=["rest"], shard="2/3"), tmp_path)
    run_json = other.path / "run.json"
    data = json.loads(run_json.read_text())
    run_json.write_text(json.dumps(data | {"git": {"commit": "abcdef0" * 5, "dirty": False}}))
    with pytest.raises(InvalidInput, match=r"revision: .* is of another run"):
        merge([first.path, other.path], tmp_path / "none")
    run_json.write_text(json.dumps(data))
    first.finish("completed")
    report = write_reports(merge([other.path, first.path], tmp_path / "out"))
    told = {row["reason"] for row in report.report["not_measured"] if row["cell"]}
    assert told == {"shard 3/3 is not among the runs that were merged", "shard 2/3 was not measured to its end"}
    assert report.report["run"]["end_reason"] == "interrupted"
    assert "shard 3/3 is not among" in report.markdown.read_text()


def test_only_the_long_haul_is_measured_cell_by_cell():
    """`Bench.wanted` is asked by no other metric: it would be measured in part and called whole."""
    assert [metric.name for metric in metrics().values() if metric.by_cell] == ["long_haul"]
