"""What durability costs: `python -m sametask.measurements.timing.durable`, against DBOS on SQLite.

Each round starts a process for every cell, in a seeded order. Ratios are of the cells of one round; one cell is there twice, as
the null pair. DBOS needs the extra `sametask[distributed]`; without it its row says so.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .durable_cells import CELLS
from .ratios import Pair, Ratio, bootstrapped

FASTER = 10.0
TASKS_PER_S = 2500.0
REPLAY_MS = 20.0
WAITING_MIB = 64.0
IDLE_PERCENT = 2.0
WAIT_S = 300.0


@dataclass(frozen=True)
class Figures:
    """What one process measured."""

    round: int
    cell: str
    values: dict[str, float]


async def measure(rounds: int, seed: int, cells: Sequence[str]) -> list[Figures]:
    """Every cell once in each round.

    Raises: RuntimeError where one of them fails: what is left would compare nothing.
    """
    order = random.Random(seed)
    found: list[Figures] = []
    for number in range(rounds):
        for cell in order.sample(cells, len(cells)):
            print(f"\rround {number + 1} of {rounds}: {cell:<12}", end="", file=sys.stderr, flush=True)
            found.append(Figures(number, cell, await _process(cell)))
    print(file=sys.stderr)
    return found


async def _process(cell: str) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "sametask.measurements.timing.durable_cells", cell,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{cell}: ended with {process.returncode}: {err.decode().strip().splitlines()[-1:]}")
    return json.loads(out.decode().splitlines()[-1])


def ratio(found: Sequence[Figures], slow: str, fast: str, seed: int) -> Ratio:
    """How many times as long the p50 of `slow` is."""
    rounds: dict[int, dict[str, float]] = {}
    for each in found:
        if "p50_ms" in each.values:
            rounds.setdefault(each.round, {})[each.cell] = each.values["p50_ms"]
    pairs = [(cells[slow], cells[fast]) for cells in rounds.values()]

    def of(sample: Sequence[Pair]) -> float:
        return statistics.median(a for a, _ in sample) / statistics.median(b for _, b in sample)

    return bootstrapped(pairs, of, seed)


def table(found: Sequence[Figures], seed: int) -> tuple[str, bool]:
    """What was measured, and whether every bound holds."""
    lines: list[str] = []
    held: list[bool] = []

    def median(cell: str, field: str) -> float | None:
        values = [each.values[field] for each in found if each.cell == cell]
        return statistics.median(values) if values else None

    def row(name: str, value: float | None, unit: str, bound: str = "", holds: bool | None = None) -> None:
        if value is not None:
            judged = "" if holds is None else f"  {bound}: {'yes' if holds else 'no'}"
            held.extend([] if holds is None else [holds])
            lines.append(f"{name:<58} {value:>9.3g} {unit}{judged}")

    row("one-step task, run, NORMAL: p50", median("run", "p50_ms"), "ms")
    row("one-step task, submitted and followed, NORMAL: p50", median("submit", "p50_ms"), "ms")
    row("the same on DBOS, SQLite WAL: p50", median("dbos", "p50_ms"), "ms")
    for slow, fast, bound in (("dbos", "run", FASTER), ("dbos", "submit", None), ("run again", "run", None)):
        if median(slow, "p50_ms") is None or median(fast, "p50_ms") is None:
            lines.append(f"{slow} : {fast}  not measured" + ("; it needs sametask[distributed]" if slow == "dbos" else ""))
            continue
        shown = ratio(found, slow, fast, seed)
        judged = "" if bound is None else f"  at least {bound:g}: {shown.at_least(bound)}"
        held.extend([] if bound is None else [shown.low >= bound])
        lines.append(f"{slow + ' : ' + fast:<58} {shown.value:>9.3g} ({shown.low:.2f} to {shown.high:.2f}){judged}")
    rate, replay = median("loaded", "tasks_per_s"), median("replay", "replay_ms")
    mib, idle = median("waiting", "mib"), median("waiting", "idle_percent")
    row("one-step tasks, 32 at a time, FULL", rate, "tasks/s", f"at least {TASKS_PER_S:g}", (rate or 0) >= TASKS_PER_S)
    row("  processor time for each", median("loaded", "cpu_ms_per_task"), "ms")
    row("1,000 steps recorded, FULL", median("replay", "record_ms"), "ms")
    row("1,000 recorded steps replayed", replay, "ms", f"under {REPLAY_MS:g}", (replay or 0) < REPLAY_MS)
    row("10,000 waiting tasks add", mib, "MiB", f"under {WAITING_MIB:g}", (mib or 0) < WAITING_MIB)
    row("  and use of a core", idle, "%", f"under {IDLE_PERCENT:g}", (idle or 0) < IDLE_PERCENT)
    row("  answer to result: p50", median("waiting", "answer_p50_ms"), "ms")
    row("cancel of a running step, until it stopped: p50", median("cancel", "stopped_p50_ms"), "ms")
    row("  until its caller knows: p50", median("cancel", "told_p50_ms"), "ms")
    return "\n".join(lines), all(held)


def main(arguments: Sequence[str] | None = None) -> int:
    """Shape: the exit code, 0 where every bound holds."""
    parser = argparse.ArgumentParser(prog="python -m sametask.measurements.timing.durable", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each cell is measured")
    parser.add_argument("--seed", type=int, default=0, help="seeds the order and the bootstrap")
    parser.add_argument("--out", type=Path, help="a file for the raw figures, JSON lines")
    given = parser.parse_args(arguments)
    cells = [cell for cell in CELLS if cell != "dbos" or importlib.util.find_spec("dbos")]
    found = asyncio.run(measure(given.rounds, given.seed, cells))
    if given.out:
        given.out.write_text("".join(json.dumps(asdict(each)) + "\n" for each in found), encoding="utf-8")
    text, whole = table(found, given.seed)
    print(text)
    return int(not whole)


if __name__ == "__main__":
    sys.exit(main())
