"""Unary calls a second and their tail, ours against the stock rows: `python -m sametask.measurements.timing.throughput`.

Each contender is a `sametask serve` of its own on one core, the generator is on the other. A round has a block of every
contender, in a seeded order; a block is a fresh server, warmed up, and then a stretch at each number of calls at a time. Ratios
are of the blocks of one round, so that a machine that slows down slows both; their interval is a bootstrap over rounds. A block
in which the generator used more than 80% of its core says nothing of the server and is void.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...agents.errors import InvalidInput
from ...protocols.server_process import ServerOptions, server_process
from ...protocols.variants import variants
from ..run_folder import Options, RunFolder
from ..samples import Sample
from . import wire_calls
from .bench_agent import ANSWER
from .generator import Load, drive, lanes
from .ratios import NULL_PAIR, Ratio, ratio
from .wire_calls import Call

METRIC = "throughput"
BUSY = 0.8
"""The share of its core above which the generator may have been the limit."""
LEVELS = (1, 16)
WARM_UP_S = 0.5
AGENTS = f"{__package__}.bench_agent"


@dataclass(frozen=True)
class Contender:
    """`tools` is how many skills the server has; `again` marks the second half of the null pair."""

    name: str
    variant: str
    call: Callable[[], Call]
    tools: int = 1

    @property
    def agents(self) -> str:
        return f"{AGENTS}:{'one' if self.tools == 1 else 'fifty'}"


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("rest", "rest", wire_calls.rest),
        Contender("rest again", "rest", wire_calls.rest),
        Contender("stock-fastapi", "stock-fastapi", wire_calls.rest),
        Contender("mcp-http", "mcp-http", wire_calls.mcp),
        Contender("mcp-http, 50 tools", "mcp-http", wire_calls.mcp, 50),
        Contender("stock-fastmcp", "stock-fastmcp", wire_calls.mcp),
        Contender("stock-fastmcp, 50 tools", "stock-fastmcp", wire_calls.mcp, 50),
        Contender("a2a-grpc", "a2a-grpc", wire_calls.a2a_grpc),
        Contender("stock-a2a-grpc", "stock-a2a-grpc", wire_calls.a2a_grpc),
        Contender("a2a-jsonrpc", "a2a-jsonrpc", wire_calls.a2a_jsonrpc),
        Contender("stock-a2a-jsonrpc", "stock-a2a-jsonrpc", wire_calls.a2a_jsonrpc),
    )
}


@dataclass(frozen=True)
class Target:
    """The throughput of `ours` at 16 calls at a time, in units of that of `stock`: at least `bound`."""

    ours: str
    stock: str
    bound: float


TARGETS = (
    Target("a2a-grpc", "stock-a2a-grpc", 5),
    Target("a2a-jsonrpc", "stock-a2a-jsonrpc", 5),
    Target("mcp-http", "stock-fastmcp", 5),
    Target("mcp-http, 50 tools", "stock-fastmcp, 50 tools", 10),
    Target("mcp-http, 50 tools", "mcp-http", 1 / 1.3),
    Target("rest", "stock-fastapi", 1.2),
)


async def measure(names: Sequence[str], rounds: int, seconds: float, seed: int) -> AsyncGenerator[Sample]:
    """Every contender once in each round, in an order of its own."""
    order = random.Random(seed)
    shuffled = [CONTENDERS[name] for name in names]
    for number in range(rounds):
        order.shuffle(shuffled)
        for contender in shuffled:
            async for sample in block(contender, number, seconds):
                yield sample


async def block(contender: Contender, number: int, seconds: float) -> AsyncGenerator[Sample]:
    """A fresh server, warmed up, and a stretch at each level."""
    call = contender.call()
    running = served(contender.variant, contender.agents, grpc=call.grpc)
    async with running as (address, pid), lanes(address, call, max(LEVELS)) as opened:
        await drive(opened, call, ANSWER, WARM_UP_S, pid)
        for level in LEVELS:
            yield sample_of(contender, level, number, await drive(opened[:level], call, ANSWER, seconds, pid))


def blank(contender: Contender, level: int, number: int) -> Sample:
    cell = {"contender": contender.name, "level": level, "tools": contender.tools}
    return Sample(metric=METRIC, variant=contender.variant, cell=cell, trial=number, at=time.time())


def sample_of(contender: Contender, level: int, number: int, load: Load) -> Sample:
    """The sample of one stretch: failed where an answer was wrong, void where the generator was the limit."""
    sample = blank(contender, level, number)
    if load.errors or not load.latencies_s:
        reason = f"{len(load.errors)} of {len(load.errors) + len(load.latencies_s)} calls failed"
        first = f", the first with {load.errors[0]}" if load.errors else ""
        return sample.model_copy(update={"status": "failed", "reason": reason + first})
    busy = load.generator_cpu_s / load.elapsed_s
    if busy > BUSY:
        reason = f"void: the generator used {busy:.0%} of its core, so that it may have been the limit"
        return sample.model_copy(update={"status": "not_testable", "reason": reason})
    count = len(load.latencies_s)
    values = {
        "calls_count": count,
        "calls_per_s": count / load.elapsed_s,
        "p50_ms": load.percentile_ms(0.5),
        "p99_ms": load.percentile_ms(0.99),
        "generator_busy": busy,
        "server_cpu_ms": load.server_cpu_s / count * 1e3,
        "connections_count": load.connections_count,
    }
    return sample.model_copy(update={"values": values})


@asynccontextmanager
async def served(variant: str, agents: str, *, grpc: bool) -> AsyncGenerator[tuple[str, int]]:
    """A fresh server on a core of its own, the caller on another: the address that its calls go to, and its process."""
    server_core, generator_core = cores()
    with tempfile.TemporaryDirectory(prefix="sametask-bench-") as folder:
        engine = f"sqlite:///{folder}/tasks.db"
        options = ServerOptions((variants()[variant],), engine, (agents,))
        with on_core(server_core):
            async with server_process(options) as server:
                endpoint = server.endpoints[variant]
                with on_core(generator_core):
                    yield endpoint.listeners["grpc" if grpc else "http"], server.pid


@contextmanager
def on_core(core: int) -> Generator[None]:
    """This thread, and the threads and processes that it starts meanwhile, run on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cores() -> tuple[int, int]:
    """The server's core and the generator's. Raises: InvalidInput where there is but one."""
    if lacks := machine_lacks():
        raise InvalidInput("cores", os.cpu_count(), f"accepted: a machine that can tell them apart; {lacks}")
    first, second, *_ = sorted(os.sched_getaffinity(0))
    return first, second


def machine_lacks() -> str:
    """What this machine has not that a block needs; empty where it has all."""
    if not hasattr(os, "sched_setaffinity"):
        return "a process cannot be kept to a core here"
    count = len(os.sched_getaffinity(0))
    return f"{count} core is usable here; generator and server need one each" if count < 2 else ""


def table(samples: Sequence[Sample], seed: int) -> str:
    """What was measured, then what it says of each target."""
    lines = [
        f"{'contender':<24} {'at a time':>9} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'server CPU ms':>14}"
        f" {'generator':>9} {'blocks':>6}"
    ]
    for name in dict.fromkeys(sample.cell["contender"] for sample in samples):
        for level in sorted({sample.cell["level"] for sample in samples if sample.cell["contender"] == name}):
            mine = [each for each in samples if (each.cell["contender"], each.cell["level"]) == (name, level)]
            good = [each.values for each in mine if each.status == "ok"]
            if not good:
                lines.append(f"{name:<24} {level:>9} {mine[0].reason}")
                continue

            def mid(field: str, of: Sequence[dict[str, Any]] = good) -> float:
                return statistics.median(values[field] for values in of)

            lines.append(
                f"{name:<24} {level:>9} {mid('calls_per_s'):>9.0f} {mid('p50_ms'):>8.2f} {mid('p99_ms'):>8.2f}"
                f" {mid('server_cpu_ms'):>14.3f} {mid('generator_busy'):>9.0%} {len(good):>3} of {len(mine)}"
            )
    lines.append("")
    null = ratio(samples, *NULL_PAIR, max(LEVELS), seed)
    if null is not None:
        lines.append(f"null pair: {_told(*NULL_PAIR, null)}")
    for target in TARGETS:
        found = ratio(samples, target.ours, target.stock, max(LEVELS), seed)
        if found is not None:
            lines.append(
                f"{_told(target.ours, target.stock, found)}; at least {target.bound:.3g}: {found.at_least(target.bound)}"
            )
    return "\n".join(lines)


def _told(ours: str, stock: str, found: Ratio) -> str:
    return f"{ours} : {stock} = {found.value:.2f} ({found.low:.2f} to {found.high:.2f})"


async def run(names: Sequence[str], rounds: int, seconds: float, seed: int, out: Path) -> int:
    """Measure into a run folder, and print. Shape: the exit code, 0 where no target that was measured is missed."""
    told = {"contenders": list(names), "rounds": rounds, "seconds": seconds}
    folder = RunFolder.create(out, "bench", options=Options(given=told), seed=seed, metrics=[METRIC])
    samples: list[Sample] = []
    with folder.recording():
        async for sample in measure(names, rounds, seconds, seed):
            folder.append(sample)
            samples.append(sample)
            print(
                f"\rround {sample.trial + 1} of {rounds}: {sample.cell['contender']:<24}", end="", file=sys.stderr, flush=True
            )
    print(file=sys.stderr)
    print(table(samples, seed))
    print(f"\nraw samples: {folder.path}/samples.jsonl")
    found = [(target, ratio(samples, target.ours, target.stock, max(LEVELS), seed)) for target in TARGETS]
    return int(any(each is not None and each.value < target.bound for target, each in found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Shape: the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sametask.measurements.timing.throughput", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="blocks of each contender")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each stretch of a block is")
    parser.add_argument("--seed", type=int, default=0, help="seeds the order and the bootstrap")
    parser.add_argument("--only", default="", help="contenders, separated by ;")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the folder of raw samples is made")
    given = parser.parse_args(arguments)
    names = [name.strip() for name in given.only.split(";") if name.strip()] or list(CONTENDERS)
    for name in names:
        if name not in CONTENDERS:
            parser.error(f"--only: {name!r} is not known; accepted: {'; '.join(CONTENDERS)}")
    return asyncio.run(run(names, given.rounds, given.seconds, given.seed, given.out))


if __name__ == "__main__":
    sys.exit(main())
