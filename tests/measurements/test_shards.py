"""Several workers measure one run together: real processes on one store, killed in the middle, and workers that lie."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from sametask.agents import Agent, Roster, TaskContext
from sametask.agents.errors import InvalidInput, Unavailable
from sametask.agents.events import Artifact, DataPart, Task
from sametask.agents.runtime import open_engine
from sametask.measurements.bench import Bench
from sametask.measurements.metric import metrics
from sametask.measurements.report import write_reports
from sametask.measurements.run_folder import SAMPLES_JSONL, RunFolder
from sametask.measurements.samples import Sample
from sametask.measurements.shards.agent import Desk, _where, measuring
from sametask.measurements.shards.contract import ACCEPTED, AGENT, Clock, Done, Release, Shard, cell_of
from sametask.measurements.shards.coordinator import Fleet
from sametask.measurements.shards.host import Exchange, Lock, host_name
from sametask.measurements.suite import Plan, begin, plan, resume, run

from .gated import NAME, planned

GATED = str(Path(__file__).with_name("gated.py"))
LONG_S = 90.0


async def until(told: Callable[[], Any]) -> Any:
    """What `told` gives once it is true."""
    with anyio.fail_after(LONG_S):
        while not (found := told()):  # noqa: ASYNC110 - other processes write the files
            await anyio.sleep(0.01)
    return found


class Gate:
    """The folder through which blocks are let go, and the store beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.engine = folder, f"sqlite:///{folder}/tasks.db"

    def began(self, name: str) -> list[int]:
        """The processes that began that block."""
        return [int(path.name.rpartition("-")[2]) for path in self.folder.glob(f"began-{name}-*")]

    def open(self, *names: str) -> None:
        for name in names:
            (self.folder / f"open-{name}").touch()
        if not names:
            (self.folder / "open").touch()

    def through(self) -> dict[str, list[int]]:
        """Which processes measured each block to its end."""
        found: dict[str, list[int]] = {}
        for line in (self.folder / "ledger").read_text().splitlines():
            found.setdefault(line.split()[0], []).append(int(line.split()[1]))
        return found

    @asynccontextmanager
    async def process(self, *arguments: str, says: bytes = b"") -> AsyncGenerator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", GATED, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "SAMETASK_TEST_GATE": str(self.folder), "TMPDIR": str(self.folder)},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if says:
                process.stdin.write(says + b"\n")
                with anyio.fail_after(LONG_S):
                    assert b"ready" in await process.stdout.readline()
            yield process
        finally:
            process.stdin.close()
            with anyio.CancelScope(shield=True):
                if process.returncode is None and not says:
                    process.kill()
                await process.stdout.read()
                await process.wait()

    @asynccontextmanager
    async def workers(self, count: int, side_by_side: int = 2) -> AsyncGenerator[list[asyncio.subprocess.Process]]:
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(self.process("worker", str(side_by_side), says=self.engine.encode()))
                for _ in range(count)
            ]


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder)


def silent(title: str, done: float, total: float, text: str) -> None:
    return


def cells(samples: list[Sample]) -> Counter[str]:
    return Counter(cell_of(sample) for sample in samples)


def samples_of(folder: RunFolder) -> list[Sample]:
    return list(folder.samples().samples)


def every_cell(asked: Plan) -> Counter[str]:
    split = asked.metrics[0].split
    assert split is not None
    bench = Bench(asked.variants, asked.effort, asked.seed, Path())
    return cells([cell for blocks in split.rounds(bench) for block in blocks for cell in split.cells(block)])


@asynccontextmanager
async def measuring_run(asked: Plan, folder: RunFolder, fleet: Fleet) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(run(asked, folder, silent, fleet))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_two_workers_measure_one_run_and_each_sample_says_which(tmp_path: Path, gate: Gate):
    asked = planned(trials=2, repeats=2)
    folder = begin(asked, tmp_path)
    async with gate.workers(2) as workers, measuring_run(asked, folder, Fleet(gate.engine)) as running:
        # Nobody is through with a block: the second round can only begin with the other worker.
        await until(lambda: gate.began("0-0") and gate.began("1-0"))
        gate.open()
        with anyio.fail_after(LONG_S):
            await running
        pids = {worker.pid for worker in workers}
    samples = samples_of(folder)
    assert cells(samples) == every_cell(asked)
    assert {sample.values["pid"] for sample in samples} == pids
    for sample in samples:
        assert sample.where is not None
        assert sample.where.host == host_name()
        assert sample.where.worker.startswith(f"{sample.values['pid']}-")
        assert sample.where.clock_offset_ms is not None
        assert sample.where.clock_uncertainty_ms is not None
        # One machine, one clock: whatever the exchange took, the bound holds (half a millisecond for a clock being slewed).
        assert abs(sample.where.clock_offset_ms) <= sample.where.clock_uncertainty_ms + 0.5
    kept = RunFolder.open(folder.path).run
    assert (kept.end_reason, kept.measured, kept.counts) == ("completed", [NAME], {"ok": 4})
    assert kept.hosts[host_name()].machine.cores_count == os.cpu_count()
    report = write_reports(folder).report
    assert [(row["host"], row["samples"], row["workers"]) for row in report["hosts"]] == [(host_name(), 4, 2)]
    assert "Where it was measured" in (folder.path / "report.md").read_text()


async def test_a_worker_killed_in_mid_shard_loses_no_block_and_doubles_none(tmp_path: Path, gate: Gate):
    asked = planned(trials=2, repeats=4)
    folder = begin(asked, tmp_path)
    async with gate.workers(2) as workers, measuring_run(asked, folder, Fleet(gate.engine)) as running:
        await until(lambda: gate.began("0-0") and gate.began("1-0"))
        [victim] = gate.began("0-0")
        gate.open("0-0")
        await until(lambda: samples_of(folder))  # the first block of that round is recorded
        await until(lambda: gate.began("0-1") and gate.began("0-2"))
        os.kill(victim, signal.SIGKILL)
        gate.open()
        with anyio.fail_after(LONG_S):
            await running
        [survivor] = {worker.pid for worker in workers} - {victim}
    samples = samples_of(folder)
    assert cells(samples) == every_cell(asked)
    assert {sample.status for sample in samples} == {"ok"}
    through = gate.through()
    assert through["0-0"] == [victim], "a block that was recorded is not measured again"
    assert all(pids == [survivor] for name, pids in through.items() if name not in ("0-0", "0-1", "0-2"))
    first = next(sample for sample in samples if (sample.trial, sample.cell) == (0, {"n": 0}))
    last = next(sample for sample in samples if (sample.trial, sample.cell) == (0, {"n": 3}))
    assert first.where is not None
    assert last.where is not None
    assert first.where.worker.startswith(f"{victim}-")
    assert last.where.worker.startswith(f"{survivor}-"), (
        "a block is labelled with who measured it, not with who began the shard"
    )


async def test_a_coordinator_that_was_killed_goes_on_with_the_same_folder(tmp_path: Path, gate: Gate):
    asked = planned(trials=2, repeats=2)
    folder = begin(asked, tmp_path)
    async with gate.workers(1):
        arguments = ("coordinator", gate.engine, str(folder.path), "2", "2")
        async with gate.process(*arguments) as coordinator:
            await until(lambda: gate.began("0-0"))
            gate.open("0-0")
            await until(lambda: samples_of(folder))
            coordinator.kill()
            await coordinator.wait()
        assert RunFolder.open(folder.path).run.end_reason is None
        with (folder.path / SAMPLES_JSONL).open("a") as file:
            file.write('{"metric":"gated","var')
        gate.open()
        again = RunFolder.resume(folder.path)
        with anyio.fail_after(LONG_S):
            await run(asked, again, silent, Fleet(gate.engine))
        assert cells(samples_of(again)) == every_cell(asked)
        assert set(map(len, gate.through().values())) == {1}, "what was measured before is collected, not measured again"
        assert (again.run.end_reason, again.run.counts) == ("completed", {"ok": 4})
        # Through with everything: there is nothing to do, and nothing changes.
        before = (again.path / SAMPLES_JSONL).read_bytes()
        await run(asked, RunFolder.resume(folder.path), silent, Fleet(gate.engine))
        assert (again.path / SAMPLES_JSONL).read_bytes() == before


async def test_a_run_that_starts_again_from_its_store_alone_measures_nothing_twice(tmp_path: Path, gate: Gate):
    """The samples are lost, the tasks are not."""
    asked = planned(trials=2, repeats=2)
    folder = begin(asked, tmp_path)
    gate.open()
    async with gate.workers(1):
        await run(asked, folder, silent, Fleet(gate.engine))
    before = cells(samples_of(folder))
    (folder.path / SAMPLES_JSONL).write_text("")
    folder._change(measured=[])
    await run(asked, RunFolder.resume(folder.path), silent, Fleet(gate.engine, wait_s=5.0))
    assert cells(samples_of(folder)) == before == every_cell(asked)
    assert set(map(len, gate.through().values())) == {1}


async def test_what_has_to_be_alone_is_alone_on_its_host(tmp_path: Path, gate: Gate):
    asked = planned(trials=2, repeats=1, side_by_side=1)
    folder = begin(asked, tmp_path)
    async with gate.workers(2, side_by_side=1), measuring_run(asked, folder, Fleet(gate.engine)) as running:
        await until(lambda: gate.began("0-0"))
        async with open_engine(gate.engine, Roster([])) as engine:
            put_back: list[Task] = []
            while len(put_back) < 4:  # by both of them, most likely
                put_back = [task for task in await engine.list() if task.state == "rejected"]
                await anyio.sleep(0.05)
        assert {task.error.message for task in put_back if task.error} == {"busy"}
        assert not gate.began("1-0")
        gate.open()
        with anyio.fail_after(LONG_S):
            await running
    assert cells(samples_of(folder)) == every_cell(asked)


def lying(tell: Callable[[Shard, TaskContext], Any]) -> Agent:
    agent = Agent(AGENT, description="Lies", version="1")

    @agent.skill
    async def shard(request: Shard, task: TaskContext) -> Done:
        """Tell what was never measured."""
        await task.emit(Artifact(name=ACCEPTED, parts=(DataPart(data={"worker": "liar"}),)))
        await tell(request, task)
        return Done(blocks=len(request.blocks))

    return agent


async def told(task: TaskContext, name: str, *samples: Sample) -> None:
    data = {"where": {"host": "h", "worker": "liar"}, "host": {}, "samples": [each.model_dump() for each in samples]}
    await task.emit(Artifact(name=name, parts=(DataPart(data=data),)))


def sample(round: int, n: int, value: int, **more: Any) -> Sample:
    return Sample(metric=NAME, variant="rest", cell={"n": n}, trial=round, values={"value": value}, **more)


@asynccontextmanager
async def served(gate: Gate, agent: Agent) -> AsyncGenerator[None]:
    async with open_engine(gate.engine, Roster([agent])):
        yield


async def test_a_worker_that_tells_a_block_twice_or_anothers_adds_nothing(tmp_path: Path, gate: Gate):
    async def lie(request: Shard, task: TaskContext) -> None:
        await told(task, "block-0", sample(0, 0, 1), sample(0, 0, 2))
        await told(task, "block-0", sample(0, 0, 3))
        await told(task, "block-0", sample(0, 1, 4), sample(7, 0, 5), Sample(metric="round_trips", variant="rest"))
        await told(task, "block-9", sample(0, 1, 6))
        await told(task, "block-x", sample(0, 1, 7))
        await task.emit(Artifact(name="block-1", parts=(DataPart(data={"samples": "none"}),)))

    asked = planned(trials=1, repeats=2)
    folder = begin(asked, tmp_path)
    async with served(gate, lying(lie)):
        await run(asked, folder, silent, Fleet(gate.engine))
    samples = samples_of(folder)
    assert cells(samples) == every_cell(asked)
    [ok, missing] = samples
    assert (ok.cell, ok.values) == ({"n": 0}, {"value": 1})
    assert (missing.cell, missing.status, missing.values) == ({"n": 1}, "harness_error", {})
    assert missing.reason == "worker liar ended its shard without a sample of it"
    report = write_reports(folder).report
    assert [row["reason"] for row in report["harness_errors"]] == [missing.reason]


async def test_a_shard_that_fails_again_is_missing_and_says_why(tmp_path: Path, gate: Gate):
    tries: list[int] = []

    async def fail(request: Shard, task: TaskContext) -> None:
        tries.append(request.part)
        if request.part == 0:
            raise LookupError("no such luck")
        await told(task, "block-0", sample(1, 0, 1))

    asked = planned(trials=2, repeats=1)
    folder = begin(asked, tmp_path)
    async with served(gate, lying(fail)):
        await run(asked, folder, silent, Fleet(gate.engine))
    assert sorted(tries) == [0, 0, 1]
    by_trial = {each.trial: each for each in samples_of(folder)}
    assert by_trial[1].status == "ok"
    assert by_trial[0].status == "harness_error"
    assert by_trial[0].reason == "shard 1 of 2 failed 2 times, the last time with: LookupError: no such luck"


async def test_a_shard_whose_worker_falls_silent_is_missing_and_says_why(tmp_path: Path, gate: Gate):
    async def hang(request: Shard, task: TaskContext) -> None:
        await told(task, "block-0", sample(0, 0, 1))
        await anyio.sleep_forever()

    asked = planned(trials=1, repeats=2, longest_s=0.5)
    folder = begin(asked, tmp_path)
    async with served(gate, lying(hang)):
        await run(asked, folder, silent, Fleet(gate.engine, wait_s=0.5))
    ok, missing = samples_of(folder)
    assert (ok.status, missing.status, missing.cell) == ("ok", "harness_error", {"n": 1})
    assert missing.reason.startswith("shard 1 of 1 was lost: worker liar was silent for ")
    async with open_engine(gate.engine, Roster([])) as engine:
        assert {task.state for task in await engine.list()} == {"canceled"}, "nobody measures it for nobody later"


async def test_a_block_whose_process_dies_is_a_harness_error_of_its_cells(tmp_path: Path, gate: Gate):
    desk = Desk(Lock(gate.folder / "lock"), (sys.executable, "-c", "import sys; print('hello'); sys.exit(3)"))
    asked = replace(plan(only=["long-haul"], names=["rest"], together=True), effort=planned(1, 1).effort)
    folder = begin(asked, tmp_path)
    async with served(gate, measuring(desk)):
        await run(asked, folder, silent, Fleet(gate.engine))
    samples = samples_of(folder)
    assert cells(samples) == every_cell(asked)
    said = "BlockBroken: the process that measured the block told no samples (exit code 3)"
    assert {(each.status, each.reason) for each in samples} == {("harness_error", said)}


async def test_no_worker_is_one_line_and_leaves_nothing_behind(tmp_path: Path, gate: Gate):
    asked = planned(trials=2, repeats=1)
    folder = begin(asked, tmp_path)
    with pytest.raises(
        Unavailable, match=r"^no worker took a shard within 0\.5 s; --shard-workers N starts some here, elsewhere: "
    ):
        await run(asked, folder, silent, Fleet(gate.engine, wait_s=0.5))
    assert RunFolder.open(folder.path).run.end_reason == "failed"
    async with open_engine(gate.engine, Roster([])) as engine:
        assert {task.state for task in await engine.list()} == {"canceled"}
    # And it goes on once there is one.
    gate.open()
    async with gate.workers(1):
        await run(asked, RunFolder.resume(folder.path), silent, Fleet(gate.engine))
    assert cells(samples_of(folder)) == every_cell(asked)


async def test_a_worker_of_another_release_measures_nothing_and_says_which_it_is(tmp_path: Path, gate: Gate):
    desk = Desk(Lock(gate.folder / "lock"))
    desk.__dict__["release"] = Release(sametask="0.0.9", revision="abcdef0")
    folder = begin(planned(trials=1, repeats=1), tmp_path)
    async with served(gate, measuring(desk)):
        with pytest.raises(
            Unavailable, match=r"the last one said: this worker is sametask 0\.0\.9 abcdef0, and the run wants "
        ):
            await run(planned(trials=1, repeats=1), folder, silent, Fleet(gate.engine, wait_s=0.5))
    assert samples_of(folder) == []


async def test_a_folder_has_one_coordinator_at_a_time(tmp_path: Path, gate: Gate):
    asked = planned(trials=1, repeats=1)
    folder = begin(asked, tmp_path)
    other = Lock(folder.path / SAMPLES_JSONL)
    assert other.take()
    try:
        with pytest.raises(Unavailable, match="is being measured into by another process"):
            await run(asked, folder, silent, Fleet(gate.engine, wait_s=0.5))
    finally:
        other.leave()


CELL = ("variant", "client", "scenario", "fault", "point")


async def test_shards_of_the_real_metrics_give_the_report_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    whole = plan(only=["long-haul"], names=["rest", "inproc"], together=True)
    asked = replace(whole, effort=replace(whole.effort, trials=2))
    alone, together = begin(asked, tmp_path / "alone"), begin(asked, tmp_path / "together")
    await run(asked, alone, silent)
    await run(asked, together, silent, Fleet(f"sqlite:///{tmp_path}/tasks.db", workers=2))
    [metric] = asked.metrics
    rows = {
        folder: {tuple(row[key] for key in CELL): row for row in metric.derive(samples_of(folder))}
        for folder in (alone, together)
    }
    assert rows[alone].keys() == rows[together].keys()
    for key, row in rows[alone].items():
        other = rows[together][key]
        # A kill may hit a step that was done and not recorded, in one of the two runs: that is told in `reasons` and times.
        chance = {"reasons", "time_to_know_ms", "time_to_recover_ms", "time_to_know_ms_all", "time_to_recover_ms_all"}
        assert row.keys() - chance == other.keys() - chance
        for name in ("trials", "not_testable", "harness_errors", "events_expected"):
            assert row.get(name) == other.get(name), (key, name)
    assert rows[together]["rest", "recommended", "long_task", "none", "none"]["delivered"] == 2
    measured = [each for each in samples_of(together) if each.variant == "rest"]
    assert cells(measured) == Counter(dict.fromkeys(cells(measured), 1))
    assert cells(measured) == Counter({cell: 1 for cell in every_cell(asked) if '"rest"' in cell})
    assert all(each.where for each in samples_of(together))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
async def test_load_is_measured_by_a_worker_with_its_null_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    whole = plan(only=["throughput"], names=["a2a-grpc"], together=True)
    asked = replace(whole, effort=replace(whole.effort, repeats=1, load_s=0.1))
    folder = begin(asked, tmp_path)
    await run(asked, folder, silent, Fleet(f"sqlite:///{tmp_path}/tasks.db", workers=1))
    samples = samples_of(folder)
    assert cells(samples) == every_cell(asked)
    assert {each.cell["contender"] for each in samples} == {"rest", "rest again", "a2a-grpc"}
    assert {each.where.host for each in samples if each.where} == {host_name()}
    assert "Throughput" in (write_reports(folder).markdown).read_text()


class Asking:
    """A task whose coordinator answers with `clock`."""

    def __init__(self, clock: Callable[[str], Clock]) -> None:
        self._clock = clock

    async def ask(self, question: Any, *, timeout_s: float | None = None) -> Clock:
        return self._clock(question.text.rpartition(" ")[2])


async def test_the_offset_is_that_of_the_clock_and_an_old_answer_is_none(tmp_path: Path):
    stale = [Clock(nonce="of another run", at_ms=0.0) for _ in range(4)]

    def ahead(nonce: str) -> Clock:
        return stale.pop() if stale else Clock(nonce=nonce, at_ms=time.time() * 1e3 + 5000)

    task: Any = Asking(ahead)
    where = await _where(Desk(Lock(tmp_path / "lock")), task)
    assert stale == []
    assert where.clock_offset_ms is not None
    assert where.clock_uncertainty_ms is not None
    assert abs(where.clock_offset_ms - 5000) <= where.clock_uncertainty_ms + 0.5


async def test_without_an_answer_the_offset_is_unknown(tmp_path: Path):
    def away(nonce: str) -> Clock:
        raise TimeoutError

    task: Any = Asking(away)
    where = await _where(Desk(Lock(tmp_path / "lock")), task)
    assert (where.clock_offset_ms, where.clock_uncertainty_ms) == (None, None)


@pytest.mark.parametrize(("there", "back"), [(0, 100), (100, 0), (30, 70)])
def test_the_uncertainty_holds_whichever_way_was_slow(there: float, back: float):
    exchange = Exchange(sent=1000.0, told=1000.0 + there + 250.0, round_trip=there + back)
    assert abs(exchange.offset_ms - 250.0) <= exchange.uncertainty_ms == 50.0


def test_the_lock_of_a_host(tmp_path: Path):
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.take(alone=True)
    assert not second.take(alone=True)
    assert not second.take(alone=False)
    first.leave()
    assert second.take(alone=False)
    assert first.take(alone=False)
    first.leave()
    assert not first.take(alone=True)
    second.leave()
    assert first.take(alone=True)
    first.leave()


async def test_a_desk_seats_one_shard(tmp_path: Path):
    desk = Desk(Lock(tmp_path / "lock"))
    assert desk.take(alone=False)
    assert not desk.take(alone=False)
    desk.leave()
    assert desk.take(alone=True)


def test_a_store_that_nobody_else_can_open_is_refused():
    with pytest.raises(InvalidInput, match="engine: 'sqlite:///:memory:' is not accepted"):
        Fleet("sqlite:///:memory:")


def test_a_run_is_resumed_as_it_was_asked_for(tmp_path: Path):
    alone = plan(only=["long-haul"], names=["rest"])
    assert resume(begin(alone, tmp_path).path)[0] == alone
    asked = plan("full", ["long-haul", "throughput"], ["rest", "grpc"], 5, together=True)
    again, found = resume(begin(asked, tmp_path).path, together=True)
    assert again == asked
    assert found.run.id


def test_real_metrics_say_how_they_are_split():
    """Each cell of a plan is in one block of one round."""
    asked = plan("full", together=True)
    bench = Bench(asked.variants, asked.effort, 0, Path())
    for metric in metrics().values():
        if metric.split is not None:
            split = metric.split
            found = cells([cell for blocks in split.rounds(bench) for block in blocks for cell in split.cells(block)])
            assert found
            assert set(found.values()) == {1}
            assert split.longest_s(asked.effort) > 0
