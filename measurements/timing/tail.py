"""The tail of unary calls once a server has made many tasks: `python -m sametask.measurements.timing.tail`.

Each server makes the tasks itself, over its own protocol, so that whatever it keeps of them in memory is there; then it is
asked for the quick skill, 16 calls at a time. What is looked for is a collector, or a table, that grows with the tasks: then
some calls take many times as long as the others. Where something else runs on the server's core, the tail is that of its work.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

from ..run_folder import Options, RunFolder
from ..samples import Sample
from . import wire_calls
from .bench_agent import ANSWER
from .generator import drive, lanes, repeat
from .throughput import AGENTS, WARM_UP_S, Contender, sample_of, served
from .wire_calls import LONG_SKILL, SKILL, Call

METRIC = "tail"
AT_A_TIME = 16
BOUND = 4.0
CALLS: dict[str, Callable[[str], Call]] = {
    "rest": wire_calls.rest,
    "mcp-http": wire_calls.mcp,
    "a2a-grpc": wire_calls.a2a_grpc,
    "a2a-jsonrpc": wire_calls.a2a_jsonrpc,
}


async def measure(names: Sequence[str], tasks: int, stretches: int, seconds: float) -> AsyncGenerator[Sample]:
    """Yields one sample for each stretch of each variant."""
    for name in names:
        quick, long = CALLS[name](SKILL), CALLS[name](LONG_SKILL)
        contender = Contender(name, name, lambda quick=quick: quick)
        async with served(name, f"{AGENTS}:storing", grpc=quick.grpc) as (address, pid):
            async with lanes(address, long, AT_A_TIME) as opened:
                await repeat(opened, tasks)
            async with lanes(address, quick, AT_A_TIME) as opened:
                await drive(opened, quick, ANSWER, WARM_UP_S, pid)
                for number in range(stretches):
                    load = await drive(opened, quick, ANSWER, seconds, pid)
                    sample = sample_of(contender, AT_A_TIME, number, load)
                    yield sample.model_copy(update={"metric": METRIC, "cell": {**sample.cell, "tasks": tasks}})


def table(samples: Sequence[Sample]) -> tuple[str, bool]:
    """What was measured, and whether the bound holds everywhere."""
    lines = [f"{'variant':<14} {'tasks':>7} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'p99 : p50':>10}"]
    whole = True
    for name in dict.fromkeys(sample.variant for sample in samples):
        mine = [each for each in samples if each.variant == name]
        good = [each.values for each in mine if each.status == "ok"]
        if not good:
            lines.append(f"{name:<14} {mine[0].reason}")
            whole = False
            continue
        p50, p99, rate = (statistics.median(values[field] for values in good) for field in ("p50_ms", "p99_ms", "calls_per_s"))
        ratio = statistics.median(values["p99_ms"] / values["p50_ms"] for values in good)
        whole = whole and ratio <= BOUND
        judged = "yes" if ratio <= BOUND else "no"
        tasks = mine[0].cell["tasks"]
        lines.append(f"{name:<14} {tasks:>7} {rate:>9.0f} {p50:>8.2f} {p99:>8.2f} {ratio:>10.2f}; at most {BOUND:g}: {judged}")
    return "\n".join(lines), whole


async def run(names: Sequence[str], tasks: int, stretches: int, seconds: float, out: Path) -> int:
    """Measure into a run folder, and print. Shape: the exit code, 0 where the bound holds."""
    told = {"variants": list(names), "tasks": tasks, "stretches": stretches, "seconds": seconds}
    folder = RunFolder.create(out, "bench-tail", options=Options(given=told), metrics=[METRIC], variants=names)
    samples: list[Sample] = []
    began = time.monotonic()
    with folder.recording():
        async for sample in measure(names, tasks, stretches, seconds):
            folder.append(sample)
            samples.append(sample)
            print(f"\r{sample.variant}: {time.monotonic() - began:.0f} s   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    text, whole = table(samples)
    print(f"{text}\n\nraw samples: {folder.path}/samples.jsonl")
    return int(not whole)


def main(arguments: Sequence[str] | None = None) -> int:
    """Shape: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sametask.measurements.timing.tail", description=__doc__)
    parser.add_argument("--tasks", type=int, default=50_000, help="how many tasks each server makes first")
    parser.add_argument("--stretches", type=int, default=5, help="how often the tail is taken")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each stretch is")
    parser.add_argument("--only", default="", help="variants, separated by ,")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the folder of raw samples is made")
    given = parser.parse_args(arguments)
    names = [name.strip() for name in given.only.split(",") if name.strip()] or list(CALLS)
    for name in names:
        if name not in CALLS:
            parser.error(f"--only: {name!r} is not known; accepted: {', '.join(CALLS)}")
    return asyncio.run(run(names, given.tasks, given.stretches, given.seconds, given.out))


if __name__ == "__main__":
    sys.exit(main())
