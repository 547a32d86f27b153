"""A process is killed in the middle of its tasks; another takes them over. Run as a program, this file is that process."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Artifact, Question, TaskContext, TaskState, TextPart
from sametask.agents.events import ArtifactEmitted, Progress, StateChanged

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    from opening import opened_at
else:
    from .opening import opened_at

HOUR_S = 3600.0  # no test waits for a lease of that length
DIE_AFTER = int(os.environ.get("DIE_AFTER", "0"))
DIE_LATER_S = float(os.environ.get("DIE_LATER_S", "0"))
executed: list[str] = []


class Trip(BaseModel):
    name: str
    stops: int
    ledger: str


class Visit(BaseModel):
    stop: int
    by: int


class Diary(BaseModel):
    visits: list[Visit]


class Pass(BaseModel):
    ok: bool


agent = Agent("traveller", description="visits stops, and writes each visit to a ledger that outlives it")


def write_line(ledger: str, line: str) -> None:
    """A side effect that survives the process, and tells the parent, over the pipe, that it has happened."""
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode() + b"\n")
    os.fsync(fd)
    os.close(fd)
    if __name__ == "__main__":
        print(line, flush=True)
        executed.append(line)
        if len(executed) == DIE_AFTER:
            if DIE_LATER_S:  # wherever it is by then
                threading.Timer(DIE_LATER_S, os.kill, (os.getpid(), signal.SIGKILL)).start()
            else:
                os.kill(os.getpid(), signal.SIGKILL)


@agent.skill
async def travel(request: Trip, task: TaskContext) -> Diary:
    async def visit(stop: int) -> Visit:
        await task.progress(stop + 0.25, text=f"arriving {stop}")
        write_line(request.ledger, f"{request.name} {stop}")
        await task.progress(stop + 0.5, text=f"leaving {stop}")
        return Visit(stop=stop, by=os.getpid())

    visits: list[Visit] = []
    for stop in range(0, request.stops, 3):
        await task.progress(stop, request.stops, "in the body")
        visits.append(await task.step("visit", visit, stop))
        pair = (task.step(f"side {side}", visit, stop + side) for side in (1, 2))
        visits.extend(await asyncio.gather(*pair))
        await task.emit(Artifact(name="diary", parts=(TextPart(text=str(stop)),), append=True, last=False))
    return Diary(visits=visits)


@agent.skill
async def cross(request: Trip, task: TaskContext) -> Diary:
    """Ask for a pass, then visit one stop."""
    granted = await task.ask(Question("May I?", Pass))
    write_line(request.ledger, f"{request.name} {granted.ok}")
    return Diary(visits=[])


@agent.skill
async def wander(request: Trip, task: TaskContext) -> Diary:
    """The first run walks in circles until it is stopped; a later one arrives."""
    first = not os.path.exists(request.ledger)  # noqa: ASYNC240
    await task.progress(1)
    await task.step("ready", lambda: None)  # all before it is stored, so that a stop now finds no write half done
    write_line(request.ledger, "started")
    try:
        while first:
            await asyncio.sleep(0.5)
            await task.progress(1, text="circle")
    except asyncio.CancelledError:
        write_line(request.ledger, "stopped")
        raise
    return Diary(visits=[])


async def live(url: str, ledger: str, skill: str, trips: int, stops: int, lease_s: float) -> None:
    async with opened_at(url, agent, lease_s=lease_s) as engine:
        for number in range(trips):
            request = Trip(name=f"t{number}", stops=stops, ledger=ledger)
            await engine.submit(agent.skills[skill], request, key=f"trip {number}")
        print("submitted", flush=True)
        await asyncio.Event().wait()


@asynccontextmanager
async def process(
    url: str, ledger: Path, skill: str, *, trips: int = 1, stops: int = 0, lease_s: float = HOUR_S, **environment: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Another process on the same store, killed at the latest when the block is left."""
    arguments = [url, str(ledger), skill, str(trips), str(stops), str(lease_s)]
    child = await asyncio.create_subprocess_exec(
        sys.executable, __file__, *arguments, stdout=asyncio.subprocess.PIPE, env=os.environ | environment
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def lines_until(child: asyncio.subprocess.Process, wanted: str) -> None:
    assert child.stdout is not None
    async with asyncio.timeout(20):
        while (line := (await child.stdout.readline()).decode().strip()) != wanted:
            assert line, f"the process ended before it printed {wanted!r}"


async def kill(child: asyncio.subprocess.Process) -> None:
    child.kill()
    await child.wait()


@pytest.mark.parametrize("seed", range(6))
async def test_a_killed_process_loses_repeats_and_reorders_nothing(url, open_store, follow, look, tmp_path, seed):
    chance = random.Random(seed)
    trips, stops, ledger = 5, 12, tmp_path / "ledger"
    die_after, die_later_s = chance.randrange(1, 40), chance.choice((0, 0.001, 0.003))
    environment = {"DIE_AFTER": str(die_after), "DIE_LATER_S": str(die_later_s)}
    async with process(url, ledger, "travel", trips=trips, stops=stops, **environment) as child:
        async with asyncio.timeout(20):
            assert await child.wait() == -signal.SIGKILL

    before = Counter(ledger.read_text().split("\n")[:-1])
    recorded = dict(look("SELECT id || path, value FROM steps JOIN tasks ON n = task"))
    log_before = look("SELECT id, seq, body FROM events JOIN tasks ON n = task ORDER BY id, seq")
    open_before = [id_ for (id_,) in look("SELECT id FROM tasks WHERE open")]
    submitted = {id_ for id_, _, _ in log_before}

    async with open_store(agent, lease_s=HOUR_S) as engine:
        tasks = await engine.list()
        assert {task.id for task in tasks} == submitted
        logs = {task.id: await follow(engine, task.id) for task in tasks}
        diaries = {task.id: Diary.model_validate((await engine.get(task.id)).result) for task in tasks}
        log_after = look("SELECT id, seq, body FROM events JOIN tasks ON n = task ORDER BY id, seq")
        steps_after = dict(look("SELECT id || path, value FROM steps JOIN tasks ON n = task"))

    assert set(log_before) <= set(log_after)  # what was told stays told, under its number
    assert recorded.items() <= steps_after.items()
    assert len(steps_after) == len(submitted) * stops

    after = Counter(ledger.read_text().split("\n")[:-1])
    assert set(after) == {f"t{trip} {stop}" for trip in range(len(submitted)) for stop in range(stops)}
    done_twice = sum(count - 1 for count in after.values())
    unrecorded = sum(before.values()) - len(recorded)
    assert done_twice == unrecorded  # only steps that were executed and not yet recorded ran again

    for task_id, events in logs.items():
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        states = [event.body.state for event in events if isinstance(event.body, StateChanged)]
        assert states == [TaskState.SUBMITTED, TaskState.WORKING, TaskState.COMPLETED]
        assert events[-1].final
        told = [(event.body.done, event.body.text) for event in events if isinstance(event.body, Progress)]
        expected = [(stop + 0.25, f"arriving {stop}") for stop in range(stops)]
        expected += [(stop + 0.5, f"leaving {stop}") for stop in range(stops)]
        expected += [(stop, "in the body") for stop in range(0, stops, 3)]
        assert sorted(told) == sorted(expected)
        diary = [event.body.artifact.parts[0].text for event in events if isinstance(event.body, ArtifactEmitted)]
        assert diary == [str(stop) for stop in range(0, stops, 3)]
        assert [visit.stop for visit in diaries[task_id].visits] == list(range(stops))
    for visits in (diaries[task_id].visits for task_id in logs if task_id not in open_before):
        assert os.getpid() not in {visit.by for visit in visits}


async def test_an_engine_that_is_open_already_takes_over_at_once(url, open_store, follow, tmp_path):
    ledger = tmp_path / "ledger"
    async with process(url, ledger, "wander") as child:
        await lines_until(child, "started")
        async with open_store(agent, lease_s=HOUR_S) as engine:
            (task,) = await engine.list()
            before = await follow(engine, task.id, until=lambda event: isinstance(event.body, Progress))
            await kill(child)
            events = before + await follow(engine, task.id, after=before[-1].seq)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].state is TaskState.COMPLETED
    assert ledger.read_text().split() == ["started", "started"]
    assert list(tmp_path.glob("*-owner-*")) == []


async def test_a_process_that_hung_cannot_write_after_its_lease_was_taken(url, open_store, follow, tmp_path):
    ledger = tmp_path / "ledger"
    async with process(url, ledger, "wander", lease_s=1) as child:
        await lines_until(child, "started")
        child.send_signal(signal.SIGSTOP)
        async with open_store(agent, lease_s=HOUR_S) as engine:
            (task,) = await engine.list()
            events = await follow(engine, task.id)
            assert events[-1].state is TaskState.COMPLETED
            child.send_signal(signal.SIGCONT)
            await lines_until(child, "stopped")
            assert await follow(engine, task.id) == events


@pytest.mark.parametrize("answered", ["before the kill", "while nobody runs it", "after the takeover"])
async def test_a_question_outlives_the_process_that_asked_it(url, open_store, follow, tmp_path, answered):
    ledger = tmp_path / "ledger"
    other = Agent("bystander", description="serves nothing of the task's")
    async with process(url, ledger, "cross") as child:
        await lines_until(child, "submitted")
        async with open_store(other, lease_s=HOUR_S) as engine:
            (task,) = await engine.list()
            await follow(engine, task.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)
            if answered == "before the kill":
                await engine.answer(task.id, "q1", {"ok": True})
                await lines_until(child, "t0 True")
            await kill(child)
            if answered == "while nobody runs it":
                assert (await engine.answer(task.id, "q1", {"ok": True})).state is TaskState.WORKING
    async with open_store(agent, lease_s=HOUR_S) as engine:
        if answered == "after the takeover":
            assert (await engine.get(task.id)).question is not None
        await engine.answer(task.id, "q1", {"ok": answered == "after the takeover"})
        events = await follow(engine, task.id)
    assert [event.state for event in events] == ["submitted", "working", "input_required", "working", "completed"]
    assert set(ledger.read_text().splitlines()) == {"t0 True"}


@pytest.mark.parametrize("hears", [True, False])
async def test_a_cancel_reaches_another_process_or_outlives_it(url, open_store, follow, tmp_path, hears):
    ledger = tmp_path / "ledger"
    other = Agent("bystander", description="serves nothing of the task's")
    async with process(url, ledger, "wander") as child:
        await lines_until(child, "started")
        async with open_store(other, lease_s=HOUR_S) as engine:
            (task,) = await engine.list()
            if hears:
                assert (await engine.cancel(task.id)).state is TaskState.CANCELED
                await lines_until(child, "stopped")
                assert (await follow(engine, task.id))[-1].state is TaskState.CANCELED
                return
            child.send_signal(signal.SIGSTOP)  # it will not hear of the cancel before it dies
            cancel = asyncio.create_task(engine.cancel(task.id))
            await asyncio.sleep(0)
            await kill(child)
            assert (await cancel).state is TaskState.CANCELED
    async with open_store(agent, lease_s=HOUR_S) as engine:
        assert (await engine.get(task.id)).state is TaskState.CANCELED
    assert ledger.read_text().split() == ["started"]


if __name__ == "__main__":
    _, url_, ledger_, skill_, trips_, stops_, lease_ = sys.argv
    asyncio.run(live(url_, ledger_, skill_, int(trips_), int(stops_), float(lease_)))
