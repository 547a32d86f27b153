"""Three processes on one store are killed over and over while the others go on; a client follows every task through it all.

Run as a program, this file is the parent of those processes: it has imported everything, and forks them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Artifact, Event, Roster, TaskContext, TextPart
from sametask.agents.events import ArtifactEmitted, Progress, StateChanged
from sametask.agents.runtime.embedded.engine import EngineSettings, SqliteEngine

HOUR_S = 3600.0  # who is killed is known by its lock, not by its lease
SLOTS, LANES, STOPS = 3, 3, 4


class Trip(BaseModel):
    name: str


class Diary(BaseModel):
    visits: list[str]


def fork(folder: str) -> None:
    """Start and kill processes as standard input says, and say on standard output what has been done."""
    children: dict[str, int] = {}
    for line in sys.stdin:
        word, slot, *number = line.split()
        if word == "start":
            children[slot] = os.fork()
            if children[slot] == 0:
                sys.stdin.close()
                asyncio.run(live(Path(folder), slot, number[0]))
                os._exit(1)
        else:
            end(children.pop(slot))
            say(f"killed {slot}")
    for pid in children.values():
        end(pid)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


def served(folder: Path, started: str = "") -> Agent:
    agent = Agent("traveller", description="")
    values = itertools.count()

    @agent.skill
    async def travel(request: Trip, task: TaskContext) -> Diary:
        async def visit(scope: str) -> str:
            await task.progress(0, text=f"{scope} arriving")
            value = f"{os.getpid()}.{next(values)}"
            write_line(folder / "ledger", f"{request.name} {scope} {value}")
            if value.endswith(".3"):  # by now it is in the middle of things
                say(started)
            await task.progress(1, text=f"{scope} leaving")
            return value

        async def detour(scope: str) -> str:
            return await task.step("inner", visit, f"{scope}/inner#1")

        visits: list[str] = []
        for stop in range(1, STOPS + 1):
            await task.progress(stop, text=f"body {stop}")
            visits.append(await task.step("visit", visit, f"/visit#{stop}"))
            pair = (task.step(side, detour, f"/{side}#{stop}") for side in ("left", "right"))
            visits += await asyncio.gather(*pair)
            await task.emit(Artifact(name="diary", parts=(TextPart(text=str(stop)),), append=True, last=False))
        return Diary(visits=visits)

    return agent


def write_line(ledger: Path, line: str) -> None:
    """A side effect that outlives the process."""
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode() + b"\n")
    os.fsync(fd)
    os.close(fd)


async def live(folder: Path, slot: str, number: str) -> None:
    agent = served(folder, f"up {slot} {number}")
    settings = EngineSettings(lease_s=HOUR_S, poll_s=0.02)
    async with SqliteEngine.open(str(folder / "tasks.db"), Roster([agent]), settings) as engine:

        async def lane(prefix: str) -> None:
            # What the process before this one was told of, and what it was not: the same key gives the same task.
            query = "SELECT COUNT(*) FROM tasks WHERE key LIKE ?"
            (known,) = engine._store.reader.execute(query, (f"{prefix}.%",)).fetchone()
            for trip in itertools.count(max(0, known - 1)):
                if (folder / "enough").exists():
                    return
                name = f"{prefix}.{trip}"
                task = await engine.submit(agent.skills["travel"], Trip(name=name), key=name)
                async for _ in engine.events(task.id):
                    pass

        await asyncio.gather(*(lane(f"{slot}.{each}") for each in range(LANES)))
        await asyncio.Event().wait()


class Processes:
    """Shape: what the parent says of its children, as events by what it says."""

    def __init__(self, parent: asyncio.subprocess.Process) -> None:
        self._parent = parent
        self._said: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._numbers = Counter[int]()

    async def listen(self) -> None:
        assert self._parent.stdout
        while line := await self._parent.stdout.readline():
            self._said[line.decode().strip()].set()

    def start(self, slot: int) -> None:
        self._numbers[slot] += 1
        self._tell(f"start {slot} {self._numbers[slot]}")

    async def is_busy(self, slot: int) -> None:
        await asyncio.wait_for(self._said[f"up {slot} {self._numbers[slot]}"].wait(), 60)

    async def kill(self, slot: int) -> None:
        self._tell(f"kill {slot}")
        await asyncio.wait_for(self._said[f"killed {slot}"].wait(), 60)
        self._said[f"killed {slot}"].clear()

    def _tell(self, line: str) -> None:
        assert self._parent.stdin
        self._parent.stdin.write(line.encode() + b"\n")


@asynccontextmanager
async def processes(folder: Path) -> AsyncGenerator[Processes]:
    pipe = asyncio.subprocess.PIPE
    parent = await asyncio.create_subprocess_exec(sys.executable, __file__, str(folder), stdin=pipe, stdout=pipe)
    made = Processes(parent)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        assert parent.stdin
        parent.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(parent.wait(), 20)
        if parent.returncode is None:
            parent.kill()
        await listening
        await parent.wait()


def recorded(folder: Path) -> dict[tuple[str, str], str]:
    with sqlite3.connect(folder / "tasks.db", timeout=60) as db:
        rows = db.execute("SELECT key, path, value FROM steps JOIN tasks ON n = task").fetchall()
    db.close()
    return {(name, path): value for name, path, value in rows}


def ledger(folder: Path) -> list[tuple[str, str, str]]:
    lines = (folder / "ledger").read_text().split("\n")[:-1]
    return [(name, path, value) for name, path, value in map(str.split, lines)]


def expected_events(path: str) -> list[str]:
    return [f"{path} arriving", f"{path} leaving"]


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_lost_repeated_or_reordered_by_thirty_kills(tmp_path, seed):
    chance = random.Random(seed)
    told: dict[str, list[Event]] = {}
    followers: list[asyncio.Task[None]] = []
    recorded_before: dict[tuple[str, str], str] = {}
    bystander = Roster([Agent("bystander", description="serves nothing of the tasks'")])

    async def follow(engine: SqliteEngine, task_id: str) -> None:
        async for event in engine.events(task_id):
            told[task_id].append(event)

    async def meet(engine: SqliteEngine) -> None:
        for task in await engine.list(limit=1000):
            if task.id not in told:
                told[task.id] = []
                followers.append(asyncio.create_task(follow(engine, task.id)))

    settings = EngineSettings(lease_s=HOUR_S)
    async with SqliteEngine.open(str(tmp_path / "tasks.db"), bystander, settings) as engine, processes(tmp_path) as running:
        for slot in range(SLOTS):
            running.start(slot)
        for kill in range(30):
            slot = chance.randrange(SLOTS)
            if chance.random() < 0.85:  # the others are killed while they take over, or even before
                await running.is_busy(slot)
            await asyncio.sleep(chance.uniform(0, 0.06))  # the random instant
            await running.kill(slot)
            await meet(engine)
            running.start(slot)
            if kill % 5 == 4:
                before, recorded_before = recorded_before, recorded(tmp_path)
                assert before.items() <= recorded_before.items(), "a recorded value has changed"
                done_before = ledger(tmp_path)
        (tmp_path / "enough").touch()
        async with asyncio.timeout(60):  # every task ends
            while not all(follower.done() for follower in followers) or len(await engine.list(limit=1000)) > len(told):
                await asyncio.gather(*followers)
                await meet(engine)
        names = {task_id: await name_of(engine, task_id) for task_id in told}
        logs = {task_id: [event async for event in engine.events(task_id)] for task_id in told}
        results = {task_id: (await engine.get(task_id)).result for task_id in told}

    assert len(set(names.values())) == len(names) > 0, "one key, one task"
    assert told == logs, "what was told, through all the kills, is the log"
    values, executions = recorded(tmp_path), ledger(tmp_path)
    assert recorded_before.items() <= values.items(), "a recorded value has changed"
    again = {(name, path) for name, path, _ in executions[len(done_before) :]} & recorded_before.keys()
    assert not again, "executed again though it was recorded"
    executed = defaultdict(set)
    for name, path, value in executions:
        executed[name, path].add(f'"{value}"')
    for task_id, events in logs.items():
        name = names[task_id]
        places = ("/visit#{}", "/left#{}/inner#1", "/right#{}/inner#1")
        visits = [place.format(stop) for stop in range(1, STOPS + 1) for place in places]
        assert {path for each, path in values if each == name} == {
            *visits, *(path.removesuffix("/inner#1") for path in visits),
        }  # fmt: skip
        assert all(values[name, path] in executed[name, path] for path in visits)
        assert results[task_id] == {"visits": [values[name, path].strip('"') for path in visits]}
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.body.state for event in events if isinstance(event.body, StateChanged)] == [
            "submitted", "working", "completed",
        ]  # fmt: skip
        assert events[-1].final
        texts = [event.body.text for event in events if isinstance(event.body, Progress)]
        for path in visits:
            assert [text for text in texts if text.startswith(f"{path} ")] == expected_events(path)
        assert [text for text in texts if text.startswith("body")] == [f"body {stop}" for stop in range(1, STOPS + 1)]
        assert len(texts) == 2 * len(visits) + STOPS
        chunks = [event.body.artifact.parts[0].text for event in events if isinstance(event.body, ArtifactEmitted)]
        assert chunks == [str(stop) for stop in range(1, STOPS + 1)]


async def name_of(engine: SqliteEngine, task_id: str) -> str:
    (key,) = engine._store.reader.execute("SELECT key FROM tasks WHERE id = ?", (task_id,)).fetchone()
    return key


if __name__ == "__main__":
    fork(sys.argv[1])
