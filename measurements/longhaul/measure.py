"""Run every scenario of every variant, a few variants at a time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from pathlib import Path
from random import Random

import anyio
from anyio.abc import ObjectSendStream

from ...protocols.server_process import READY_S
from ...protocols.variants import Variant, variants
from ..bench import Bench, Effort, Station
from ..metric import Block, Split
from ..samples import Sample
from ..streaming import streamed
from .scenarios import scenarios
from .trial import Scenario, run_trial

METRIC = "long_haul"
PROBE = ("sametask.measurements.probe:agent",)
SIDE_BY_SIDE = 4


async def measure(bench: Bench) -> AsyncGenerator[Sample]:
    """Yields one sample for each variant, scenario and trial. Work is mostly waiting, so several variants run side by side."""
    for sample in bench.without_wire(METRIC, [{"scenario": scenario.name} for scenario in scenarios()]):
        yield sample
    limiter = anyio.CapacityLimiter(SIDE_BY_SIDE)
    total, done = len(bench.wired) * len(scenarios()) * bench.effort.trials, 0

    async def produce(send: ObjectSendStream[Sample]) -> None:
        async def every_trial(variant: Variant) -> None:
            async with limiter:
                await _trials(bench, variant, range(bench.effort.trials), send)

        async with anyio.create_task_group() as group:
            for variant in bench.wired:
                group.start_soon(every_trial, variant)

    async with aclosing(streamed(produce)) as samples:
        async for sample in samples:
            yield sample
            done += 1
            verdict = sample.values.get("verdict", sample.status)
            bench.progress(done, total, f"{sample.variant} {sample.cell['scenario']}: {verdict}")


def _rounds(bench: Bench) -> list[list[Block]]:
    """A trial of every variant is a round; its trial of one variant, in all scenarios on one server, is a block."""
    names = [variant.name for variant in bench.variants]
    return [[{"variant": name, "trial": trial} for name in names] for trial in range(bench.effort.trials)]


def _cells(block: Block) -> list[Sample]:
    return [_blank(block["variant"], scenario, block["trial"]) for scenario in scenarios()]


async def _measure_block(bench: Bench, block: Block) -> AsyncGenerator[Sample]:
    bench = replace(bench, variants=(variants()[block["variant"]],))
    for sample in bench.without_wire(METRIC, [sample.cell for sample in _cells(block)]):
        yield sample.model_copy(update={"trial": block["trial"]})
    for variant in bench.wired:

        async def produce(send: ObjectSendStream[Sample], variant: Variant = variant) -> None:
            await _trials(bench, variant, [block["trial"]], send)

        async with aclosing(streamed(produce)) as samples:
            async for sample in samples:
                yield sample


def _longest_s(effort: Effort) -> float:
    # A trial waits for its client and then for its fault, each no longer than the deadline.
    return READY_S + len(scenarios()) * (2 * effort.deadline_s + READY_S)


SPLIT = Split(_rounds, _cells, _measure_block, _longest_s, SIDE_BY_SIDE)


async def _trials(bench: Bench, variant: Variant, numbers: Sequence[int], send: ObjectSendStream[Sample]) -> None:
    folder = Path(tempfile.mkdtemp(prefix=f"long-haul-{variant.name}-", dir=bench.scratch))
    trials = ((number, scenario) for number in numbers for scenario in scenarios())
    async with AsyncExitStack() as stack:
        try:
            where = bench.station(variant, PROBE, engine=f"sqlite:///{folder / 'tasks.db'}")
            station = await stack.enter_async_context(where)
        except Exception as error:
            # A wall on purpose: a server that does not come up takes no other variant's trials with it.
            for trial, scenario in trials:
                await send.send(_blank(variant.name, scenario, trial).broken(error))
            return
        for trial, scenario in trials:
            await send.send(await _sample(bench, station, scenario, trial, folder))


def _blank(variant: str, scenario: Scenario, trial: int) -> Sample:
    return Sample(metric=METRIC, variant=variant, cell={"scenario": scenario.name}, trial=trial, at=time.time())


async def _sample(bench: Bench, station: Station, scenario: Scenario, trial: int, folder: Path) -> Sample:
    # Each cell's randomness is its own, so that one trial can be repeated without the others.
    draw = Random(f"{bench.seed}/{station.variant.name}/{scenario.name}/{trial}")
    sample = _blank(station.variant.name, scenario, trial)
    ledger = folder / f"{scenario.name}-{trial}.ledger"
    try:
        if not station.up:  # an earlier trial broke while its server was away
            await station.start()
        outcome = await run_trial(station, scenario, draw, ledger, bench.effort.deadline_s)
    except Exception as error:
        # A wall on purpose: a defect of the harness is told as one, and never becomes a verdict on a protocol.
        return sample.broken(error)
    values = {"verdict": outcome.verdict, **outcome.values}
    return sample.model_copy(update={"values": values, "reason": outcome.reason})
