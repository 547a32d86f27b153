"""What one process of the durable benchmark does: `python -m sametask.measurements.timing.durable_cells CELL` prints figures.

A process of its own for each, so that no engine finds what another has left in memory, and because there can be one DBOS in a
process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ...agents.contract import Agent, Question, Roster, TaskContext
from ...agents.engine import TaskEngine
from ...agents.events import TaskState
from ...agents.runtime import open_engine

TASKS = 300
AT_A_TIME = 32
LOADED_TASKS = 3200
STEPS = 1000
WAITING = 10_000
IDLE_S = 5.0
CANCELS = 100

bench = Agent("bench", description="What the durable benchmark runs.")


class Number(BaseModel):
    n: int = 0


async def add_one(n: int) -> int:
    return n + 1


@bench.skill
async def one_step(request: Number, task: TaskContext) -> Number:
    """One recorded step."""
    return Number(n=await task.step("add", add_one, request.n))


@bench.skill
async def many_steps(request: Number, task: TaskContext) -> Number:
    """As many steps as asked for, then a question that tells how long they took."""
    began = time.perf_counter()
    for n in range(request.n):
        await task.step("add", add_one, n)
    await task.progress((time.perf_counter() - began) * 1e3)
    return await task.ask(Question("go on?", Number))


@bench.skill
async def wait(request: Number, task: TaskContext) -> Number:
    """A question."""
    return await task.ask(Question("how many?", Number))


stopped_at: list[float] = []


async def hang() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        stopped_at.append(time.perf_counter())


@bench.skill
async def hang_in_a_step(request: Number, task: TaskContext) -> Number:
    """A step that only a cancel ends."""
    await task.progress(1)
    await task.step("hang", hang)
    return request


def _engine(path: Path, *, synchronous: str = "FULL") -> Any:
    return open_engine(f"sqlite:///{path}?synchronous={synchronous}", Roster([bench]))


async def _until(engine: TaskEngine, task_id: str, state: TaskState | None = None) -> None:
    async for event in engine.events(task_id):
        if event.final or event.state is state:
            return


async def _p50_ms(call: Callable[[], Awaitable[None]], count: int = TASKS) -> float:
    for _ in range(20):
        await call()
    times: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1e3)
    return statistics.median(times)


async def submitted(folder: Path) -> dict[str, float]:
    """A one-step task whose handle is given out at once, followed to its end, one after the other."""
    async with _engine(folder / "t.db", synchronous="NORMAL") as engine:

        async def call() -> None:
            await _until(engine, (await engine.submit(bench.skills["one_step"], Number())).id)

        return {"p50_ms": await _p50_ms(call)}


async def ran(folder: Path) -> dict[str, float]:
    """A one-step task that is durable, whole, when its caller has the result."""
    async with _engine(folder / "t.db", synchronous="NORMAL") as engine:

        async def call() -> None:
            await engine.run(bench.skills["one_step"], Number())

        return {"p50_ms": await _p50_ms(call)}


async def dbos(folder: Path) -> dict[str, float]:
    """The same on DBOS with SQLite, in WAL mode, which is not its default and makes it several times as fast."""
    import sqlite3

    from dbos import DBOS

    path = folder / "dbos.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    step: Any = DBOS.step()(add_one)

    async def one_step(n: int) -> int:
        return await step(n)

    workflow: Any = DBOS.workflow()(one_step)
    config: Any = {"name": "bench", "system_database_url": f"sqlite:///{path}", "log_level": "ERROR"}
    DBOS(config=config)
    DBOS.launch()

    async def call() -> None:
        handle = await DBOS.start_workflow_async(workflow, 1)
        assert await handle.get_result() == 2

    return {"p50_ms": await _p50_ms(call)}


async def loaded(folder: Path) -> dict[str, float]:
    """One-step tasks, submitted and followed to their end, 32 at a time, synchronous=FULL."""
    async with _engine(folder / "t.db") as engine:

        async def lane(count: int) -> None:
            for _ in range(count):
                await _until(engine, (await engine.submit(bench.skills["one_step"], Number())).id)

        await asyncio.gather(*(lane(5) for _ in range(AT_A_TIME)))
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(lane(LOADED_TASKS // AT_A_TIME) for _ in range(AT_A_TIME)))
        took_s = time.perf_counter() - began
        return {
            "tasks_per_s": LOADED_TASKS / took_s,
            "cpu_ms_per_task": (time.process_time() - cpu) / LOADED_TASKS * 1e3,
        }


async def replayed(folder: Path) -> dict[str, float]:
    """A task with 1,000 recorded steps that begins again in another engine: from its first step to its last."""
    async with _engine(folder / "t.db") as engine:
        handle = await engine.submit(bench.skills["many_steps"], Number(n=STEPS))
        await _until(engine, handle.id, TaskState.INPUT_REQUIRED)
        first = (await engine.get(handle.id)).progress
    told: list[float] = []
    again = Agent("bench", description="")

    @again.skill
    async def many_steps(request: Number, task: TaskContext) -> Number:  # pyright: ignore[reportUnusedFunction]
        began = time.perf_counter()
        for n in range(request.n):
            await task.step("add", add_one, n)
        told.append((time.perf_counter() - began) * 1e3)
        return request

    async with open_engine(f"sqlite:///{folder / 't.db'}", Roster([again])) as engine:
        await _until(engine, handle.id)
    assert first is not None
    return {"replay_ms": told[0], "record_ms": first.done}


async def waited(folder: Path) -> dict[str, float]:
    """10,000 tasks that wait for an answer: what they add to the process, and what it does meanwhile."""
    async with _engine(folder / "t.db") as engine:
        handle = await engine.submit(bench.skills["wait"], Number())
        await _until(engine, handle.id, TaskState.INPUT_REQUIRED)
        await engine.answer(handle.id, "q1", {"n": 1})
        await _until(engine, handle.id)
        gc.collect()
        before = _rss_bytes()
        ids: list[str] = []

        async def lane(count: int) -> None:
            for _ in range(count):
                ids.append((await engine.submit(bench.skills["wait"], Number())).id)
                await _until(engine, ids[-1], TaskState.INPUT_REQUIRED)

        await asyncio.gather(*(lane(WAITING // AT_A_TIME) for _ in range(AT_A_TIME)))
        gc.collect()
        added = _rss_bytes() - before
        cpu = time.process_time()
        await asyncio.sleep(IDLE_S)
        idle = (time.process_time() - cpu) / IDLE_S

        async def answered() -> None:
            task_id = ids.pop()
            await engine.answer(task_id, "q1", {"n": 1})
            await _until(engine, task_id)

        count = len(ids)
        return {
            "mib": added / 2**20 / count * WAITING,
            "idle_percent": idle * 100,
            "answer_p50_ms": await _p50_ms(answered, 50),
        }


async def canceled(folder: Path) -> dict[str, float]:
    """A running step: from the cancel until it has stopped, and until its caller knows that the task is canceled."""
    stopped: list[float] = []
    told: list[float] = []
    async with _engine(folder / "t.db") as engine:
        for _ in range(CANCELS):
            handle = await engine.submit(bench.skills["hang_in_a_step"], Number())
            async for event in engine.events(handle.id):
                if event.state is None:
                    break
            began = time.perf_counter()
            await engine.cancel(handle.id)
            told.append((time.perf_counter() - began) * 1e3)
            stopped.append((stopped_at[-1] - began) * 1e3)
    return {"stopped_p50_ms": statistics.median(stopped), "told_p50_ms": statistics.median(told)}


def _rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


CELLS: dict[str, Callable[[Path], Awaitable[dict[str, float]]]] = {
    "run": ran,
    "run again": ran,
    "submit": submitted,
    "dbos": dbos,
    "loaded": loaded,
    "replay": replayed,
    "waiting": waited,
    "cancel": canceled,
}


def main(cell: str) -> None:
    with tempfile.TemporaryDirectory(prefix="sametask-durable-", ignore_cleanup_errors=True) as folder:
        print(json.dumps(asyncio.run(_measured(cell, Path(folder)))), flush=True)
    sys.stdout.flush()
    os._exit(0)  # DBOS has threads that wait for their turn


async def _measured(cell: str, folder: Path) -> dict[str, float]:
    return await CELLS[cell](folder)


if __name__ == "__main__":
    main(sys.argv[1])
