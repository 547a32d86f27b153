"""Durable one-step tasks a second of 1, 2 and 4 workers on one Postgres: `python -m sametask.measurements.timing.distributed
--engine postgresql://...`, on a database that holds nothing else.

The tasks are stored first, all of them, and then the workers run them: so that neither waits for the other. What a task costs
is read from Postgres' own counters, and from the processor time of its processes and of the workers'.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ...agents.runtime import check_engine
from ...agents.runtime.distributed import log
from ...agents.runtime.distributed.schema import place_of
from ...agents.runtime.distributed.store import Store
from ...agents.runtime.submission import Submission
from ...agents.runtime.urls import postgres_url

AGENT = f"{__package__}.distributed_agent:agent"
CLOCK_HZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Counted:
    """Postgres' counters. Units: `cpu_s` of all its processes on this machine, `bytes` of all tables with their indexes."""

    commits: int
    wal_bytes: int
    bytes: int
    sessions: int
    cpu_s: float


async def measure(engine: str, levels: tuple[int, ...], tasks: int) -> None:
    """Print a row for each number of workers."""
    check_engine(engine)
    store = Store(place_of(postgres_url(engine)[0]), "benchmark", 16, 30.0)
    await store.open()
    try:
        print("workers  stored/s  run/s  commits/task  WAL B/task  B/task  PG CPU ms/task  workers CPU ms/task  sessions")
        for workers in levels:
            await _level(store, engine, workers, tasks)
        async with worker(engine) as one:
            times_ms = sorted([await _alone(store) for _ in range(50)])
            print(f"one at a time: p50 {statistics.median(times_ms):.0f} ms, p90 {times_ms[44]:.0f} ms")
            before, cpu_s = await store.read(_counted), _cpu_s(one.pid)
            await asyncio.sleep(10)
            after = await store.read(_counted)
            idle = (_cpu_s(one.pid) - cpu_s) / 10
            commits_per_s = (after.commits - before.commits) / 10
            postgres = (after.cpu_s - before.cpu_s) / 10
            print(f"one idle worker: {commits_per_s:.0f} commits/s, {idle:.1%} of a core, and {postgres:.1%} in Postgres")
    finally:
        await store.close()


async def _level(store: Store, engine: str, workers: int, tasks: int) -> None:
    before = await store.read(_counted)
    began = time.perf_counter()
    left = iter(range(tasks))

    async def submit() -> None:
        for _ in left:
            await store.read(log.submit, _submission(), "bench", 100, time.time())

    await asyncio.gather(*(submit() for _ in range(16)))
    stored_s = time.perf_counter() - began
    async with AsyncExitStack() as stack:
        running = await asyncio.gather(*(stack.enter_async_context(worker(engine)) for _ in range(workers)))
        # A worker begins before it says that it works: count from what is done by then.
        begun_s = sum(_cpu_s(process.pid) for process in running)
        began, open_before = time.perf_counter(), await store.read(_open_count)
        while await store.read(_open_count):  # noqa: ASYNC110 - its own client, so that it takes no task
            await asyncio.sleep(0.05)
        run_s = time.perf_counter() - began
        after = await store.read(_counted)
        cpu_s = sum(_cpu_s(process.pid) for process in running) - begun_s
    print(
        f"{workers:7}  {tasks / stored_s:8.0f}  {open_before / run_s:5.0f}  {(after.commits - before.commits) / tasks:12.1f}"
        f"  {(after.wal_bytes - before.wal_bytes) / tasks:10.0f}  {(after.bytes - before.bytes) / tasks:6.0f}"
        f"  {(after.cpu_s - before.cpu_s) / tasks * 1e3:14.1f}  {cpu_s / open_before * 1e3:19.1f}  {after.sessions:8}",
        flush=True,
    )


async def _alone(store: Store) -> float:
    """From a submit to its end, in milliseconds."""
    new, began = _submission(), time.perf_counter()
    await store.read(log.submit, new, "bench", 100, time.time())
    while not (await store.read(log.task, new.id)).state.terminal:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    return (time.perf_counter() - began) * 1e3


def _submission() -> Submission:
    return Submission(uuid.uuid4().hex, "bench", "step", "{}", '{"text": "x"}')


@asynccontextmanager
async def worker(engine: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`sametask worker`, once it says that it works."""
    line = [sys.executable, "-P", "-m", "sametask.console.main", "worker", AGENT, "--engine", engine]
    process = await asyncio.create_subprocess_exec(*line, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        said = await process.stderr.readline()
        if not said.startswith(b"working"):
            raise SystemExit(said.decode())
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _open_count(db: log.Db) -> int:
    found = await db.execute("SELECT COUNT(*) FROM tasks WHERE open")
    return (await found.fetchone() or (0,))[0]


async def _counted(db: log.Db) -> Counted:
    await db.execute("SELECT pg_stat_clear_snapshot()")
    found = await db.execute(
        "SELECT xact_commit, pg_current_wal_lsn() - '0/0'::pg_lsn, (SELECT SUM(pg_total_relation_size(c.oid)) FROM pg_class c"
        " JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname LIKE 'sametask%%' AND c.relkind = 'r'), numbackends"
        " FROM pg_stat_database WHERE datname = current_database()",
        (),
    )
    commits, wal, size, sessions = await found.fetchone() or (0, 0, 0, 0)
    return Counted(commits, int(wal), int(size), sessions, _postgres_cpu_s())


def _postgres_cpu_s() -> float:
    """Of those that are running, and of those that they have waited for."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == "postgres":
                total += _cpu_s(int(folder.name))
        except OSError:
            continue  # it has ended meanwhile
    return total


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / CLOCK_HZ


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", required=True)
    parser.add_argument("--workers", default="1,2,4")
    parser.add_argument("--tasks", type=int, default=2000)
    options = parser.parse_args()
    asyncio.run(measure(options.engine, tuple(map(int, options.workers.split(","))), options.tasks))
