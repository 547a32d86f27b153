"""A metric whose blocks wait until they are let go, and the processes that measure it: `gated.py worker|block|coordinator`.

`SAMETASK_TEST_GATE` is a folder: a block enters `began-ROUND-N-PID` there (the worker's), waits for `open-ROUND-N` or `open`,
and adds a line to `ledger` when it is through.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import anyio
from sametask.measurements.bench import Bench
from sametask.measurements.metric import Block, Metric, Split
from sametask.measurements.run_folder import RunFolder
from sametask.measurements.samples import Sample
from sametask.measurements.shards import agent, worker
from sametask.measurements.shards.block import serve_block
from sametask.measurements.shards.coordinator import Fleet
from sametask.measurements.shards.host import host_lock
from sametask.measurements.suite import Plan, plan, run

NAME = "gated"


def cell(block: Block) -> Sample:
    return Sample(metric=NAME, variant="rest", cell={"n": block["n"]}, trial=block["round"])


async def measure_block(bench: Bench, block: Block) -> AsyncGenerator[Sample]:
    gate, name, pid = Path(os.environ["SAMETASK_TEST_GATE"]), f"{block['round']}-{block['n']}", os.getppid()
    (gate / f"began-{name}-{pid}").touch()
    while not (gate / "open").exists() and not (gate / f"open-{name}").exists():  # noqa: ASYNC110 - the test is elsewhere
        await anyio.sleep(0.01)
    with (gate / "ledger").open("a") as ledger:
        ledger.write(f"{name} {pid}\n")
    yield cell(block).model_copy(update={"values": {"pid": pid}})


async def measure(bench: Bench) -> AsyncGenerator[Sample]:
    for block in (block for blocks in rounds(bench) for block in blocks):
        async for sample in measure_block(bench, block):
            yield sample


def rounds(bench: Bench) -> list[list[Block]]:
    """As many rounds as the effort has trials, of as many blocks as it has repeats."""
    return [[{"round": trial, "n": n} for n in range(bench.effort.repeats)] for trial in range(bench.effort.trials)]


def metric(side_by_side: int = 2, longest_s: float = 60.0) -> Metric:
    split = Split(rounds, lambda block: [cell(block)], measure_block, lambda effort: longest_s, side_by_side)
    return Metric(NAME, "Gated", 1, measure, lambda samples: [], lambda rows: [], split, usual=False)


def planned(trials: int, repeats: int, side_by_side: int = 2, longest_s: float = 60.0) -> Plan:
    whole = plan(only=["long-haul"], names=["rest"], together=True)
    effort = replace(whole.effort, trials=trials, repeats=repeats)
    return replace(whole, metrics=(metric(side_by_side, longest_s),), effort=effort)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        agent.metrics = lambda: {NAME: metric(int(sys.argv[2]))}
        agent.agent = agent.measuring(agent.Desk(host_lock(), (sys.executable, "-P", __file__, "block")))
        asyncio.run(worker._serve())
    elif sys.argv[1] == "block":
        asyncio.run(serve_block(lambda: {NAME: metric()}))
    else:
        _, _, engine, folder, trials, repeats = sys.argv
        wanted = planned(int(trials), int(repeats))
        asyncio.run(run(wanted, RunFolder.resume(folder), lambda *told: None, Fleet(engine)))
