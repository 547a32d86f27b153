"""Run every scenario of every variant, a few variants at a time."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from random import Random

import anyio
from anyio.abc import ObjectSendStream

from ...protocols.variants import Variant
from ..bench import Bench, Station
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
        async with anyio.create_task_group() as group:
            for variant in bench.wired:
                group.start_soon(_variant, bench, variant, send, limiter)

    async with aclosing(streamed(produce)) as samples:
        async for sample in samples:
            yield sample
            done += 1
            verdict = sample.values.get("verdict", sample.status)
            bench.progress(done, total, f"{sample.variant} {sample.cell['scenario']}: {verdict}")


async def _variant(bench: Bench, variant: Variant, send: ObjectSendStream[Sample], limiter: anyio.CapacityLimiter) -> None:
    folder = bench.scratch / f"long-haul-{variant.name}"
    await anyio.Path(folder).mkdir(exist_ok=True)
    trials = ((trial, scenario) for trial in range(bench.effort.trials) for scenario in scenarios())
    async with limiter, AsyncExitStack() as stack:
        try:
            where = bench.station(variant, PROBE, engine=f"sqlite:///{folder / 'tasks.db'}")
            station = await stack.enter_async_context(where)
        except Exception as error:
            # A wall on purpose: a server that does not come up takes no other variant's trials with it.
            for trial, scenario in trials:
                await send.send(_blank(variant, scenario, trial).broken(error))
            return
        for trial, scenario in trials:
            await send.send(await _sample(bench, station, scenario, trial, folder))


def _blank(variant: Variant, scenario: Scenario, trial: int) -> Sample:
    return Sample(metric=METRIC, variant=variant.name, cell={"scenario": scenario.name}, trial=trial, at=time.time())


async def _sample(bench: Bench, station: Station, scenario: Scenario, trial: int, folder: Path) -> Sample:
    # Each cell's randomness is its own, so that one trial can be repeated without the others.
    draw = Random(f"{bench.seed}/{station.variant.name}/{scenario.name}/{trial}")
    sample = _blank(station.variant, scenario, trial)
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
