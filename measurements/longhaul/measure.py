"""Run every cell of every variant, a few variants at a time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from random import Random

import anyio
from anyio.abc import ObjectSendStream

from ...protocols.client import ClientSettings
from ...protocols.server_process import READY_S
from ...protocols.variants import Variant, variants
from ..bench import Bench, Effort, Station
from ..metric import Block, Split
from ..samples import Sample
from ..streaming import streamed
from .contract import ClientName, Scenario
from .faults import faults
from .points import points
from .scenarios import scenarios
from .trial import Outcome, Setting, run_trial

METRIC = "long_haul"
PROBE = ("sametask.measurements.probe:agent",)
SIDE_BY_SIDE = 4
RECOMMENDED = ClientSettings(connect_timeout_s=2.0, request_timeout_s=10.0, idle_timeout_s=5.0)


async def measure(bench: Bench) -> AsyncGenerator[Sample]:
    """Yields one sample for each variant, cell and trial. Work is mostly waiting, so several variants run side by side."""
    limiter = anyio.CapacityLimiter(SIDE_BY_SIDE)
    numbers = range(bench.effort.trials)
    # On pipes each client starts a server: what takes longest begins first.
    longest_first = sorted(bench.variants, key=lambda variant: bool(variant.listeners))
    plans = [(each, [blank for trial in numbers for blank in _blanks(bench, each, trial)]) for each in longest_first]
    total, done = sum(len(plan) for _, plan in plans), 0

    async def produce(send: ObjectSendStream[Sample]) -> None:
        async def every_trial(variant: Variant, plan: Sequence[Sample]) -> None:
            async with limiter:
                await _trials(bench, variant, plan, send)

        async with anyio.create_task_group() as group:
            for variant, plan in plans:
                group.start_soon(every_trial, variant, plan)

    async with aclosing(streamed(produce)) as samples:
        async for sample in samples:
            yield sample
            done += 1
            verdict = sample.values.get("verdict", sample.status)
            bench.progress(done, total, f"{named(sample)}: {verdict}")


def named(sample: Sample) -> str:
    """What a person calls the cell of a sample, and what `sametask replay` is given."""
    return "/".join([sample.variant, *(sample.cell[key] for key in ("client", "scenario", "fault", "point"))])


def blanks(bench: Bench) -> list[Sample]:
    """Every cell of every variant, a blank sample each."""
    return [blank for variant in bench.variants for blank in _blanks(bench, variant, 0)]


def _cells(effort: Effort, scenario: Scenario) -> list[dict[str, str]]:
    return [
        {"scenario": scenario.name, "client": client, "fault": cell.fault, "point": cell.point}
        for cell in scenario.cells
        for client in cell.clients
        if effort.whole or client in cell.quick
    ]


def _blanks(bench: Bench, variant: Variant, trial: int) -> list[Sample]:
    """What is to be measured of that variant in that trial; what cannot be says why, once."""
    blanks = [
        Sample(metric=METRIC, variant=variant.name, cell=cell, trial=trial)
        for scenario in scenarios()
        for cell in _cells(bench.effort, scenario)
    ]
    told = [_testable(variant, blank) for blank in blanks]
    return [each for each in told if (each.status == "ok" or not trial) and bench.wanted(each)]


def _testable(variant: Variant, blank: Sample) -> Sample:
    scenario = next(each for each in scenarios() if each.name == blank.cell["scenario"])
    fault = faults()[blank.cell["fault"]]
    reason = ""
    if not variant.server:
        reason = "it is called in the same process: there is no wire and no server to break"
    elif variant.missing:
        reason = variant.missing
    elif lacked := [need for need in scenario.needs if need in variant.lacks]:
        reason = variant.lacks[lacked[0]]
    elif fault.listening and not variant.listeners:
        reason = "its client starts its server itself: there is no address that another one could take over"
    return blank.model_copy(update={"status": "not_testable", "reason": reason}) if reason else blank


def _rounds(bench: Bench) -> list[list[Block]]:
    """A trial of every variant in one scenario is a round; that of one variant, in all its cells on one server, is a block."""
    found: list[list[Block]] = []
    for trial in range(bench.effort.trials):
        blanks = {variant.name: _blanks(bench, variant, trial) for variant in bench.variants}
        for scenario in scenarios():
            cells = {
                name: [each.cell for each in some if each.cell["scenario"] == scenario.name] for name, some in blanks.items()
            }
            found.append([{"variant": name, "trial": trial, "cells": some} for name, some in cells.items() if some])
    return [blocks for blocks in found if blocks]


def _cells_of(block: Block) -> list[Sample]:
    return [Sample(metric=METRIC, variant=block["variant"], cell=cell, trial=block["trial"]) for cell in block["cells"]]


async def _measure_block(bench: Bench, block: Block) -> AsyncGenerator[Sample]:
    variant = variants()[block["variant"]]

    async def produce(send: ObjectSendStream[Sample]) -> None:
        await _trials(bench, variant, [_testable(variant, blank) for blank in _cells_of(block)], send)

    async with aclosing(streamed(produce)) as samples:
        async for sample in samples:
            yield sample


def _longest_s(effort: Effort) -> float:
    # A trial waits for its client and then for its fault, each no longer than the deadline.
    def of(scenario: Scenario) -> float:
        each_s = effort.deadline_s + scenario.longer_s * effort.scale
        return len(_cells(effort, scenario)) * (2 * each_s + READY_S)

    return READY_S + max(of(scenario) for scenario in scenarios())


SPLIT = Split(_rounds, _cells_of, _measure_block, _longest_s, SIDE_BY_SIDE)


async def _trials(bench: Bench, variant: Variant, blanks: Sequence[Sample], send: ObjectSendStream[Sample]) -> None:
    testable = [blank for blank in blanks if blank.status == "ok"]
    for blank in blanks:
        if blank.status != "ok":
            await send.send(blank.model_copy(update={"at": time.time()}))
    if not testable:
        return
    folder = Path(tempfile.mkdtemp(prefix=f"long-haul-{variant.name}-", dir=bench.scratch))
    async with AsyncExitStack() as stack:
        try:
            station = await stack.enter_async_context(station_of(bench, variant, folder))
        except Exception as error:
            # A wall on purpose: a server that does not come up takes no other variant's trials with it.
            for blank in testable:
                await send.send(blank.model_copy(update={"at": time.time()}).broken(error))
            return
        for blank in testable:
            await send.send(await _sample(bench, station, blank, folder))


def station_of(bench: Bench, variant: Variant, folder: Path) -> Station:
    """A server of the probe, with its store in that folder."""
    return bench.station(variant, PROBE, engine=f"sqlite:///{folder / 'tasks.db'}")


async def _sample(bench: Bench, station: Station, blank: Sample, folder: Path) -> Sample:
    sample = blank.model_copy(update={"at": time.time()})
    try:
        if not station.up:  # an earlier trial broke while its server was away
            await station.start()
        outcome = await try_cell(bench, station, blank, folder)
    except Exception as error:
        # A wall on purpose: a defect of the harness is told as one, and never becomes a verdict on a protocol.
        return sample.broken(error)
    values = {"verdict": outcome.verdict, **outcome.values}
    return sample.model_copy(update={"values": values, "reason": outcome.reason})


async def try_cell(bench: Bench, station: Station, blank: Sample, folder: Path) -> Outcome:
    """One trial of that cell. Its randomness is its own, so that it can be repeated alone. Raises: as `run_trial`."""
    cell, effort = blank.cell, bench.effort
    scenario = next(each for each in scenarios() if each.name == cell["scenario"])
    seed = f"{bench.seed}/{named(blank)}/{blank.trial}"
    ledger = folder / f"{seed.replace('/', '-')}.ledger"
    # Scaled only where time is what the scenario is about, and where the library does give up on a silent stream: neither the
    # faults nor the server's pings are scaled.
    scale = effort.scale if scenario.longer_s and station.variant.default_silence_s is not None else 1.0
    as_it_comes = ClientSettings(as_library=True, time_scale=scale)
    settings: dict[ClientName, ClientSettings] = {"recommended": RECOMMENDED, "defaults": as_it_comes}
    setting = Setting(settings, effort.deadline_s, effort.outage_s, effort.scale)
    return await run_trial(
        station, scenario, faults()[cell["fault"]], points()[cell["point"]], cell["client"], Random(seed), ledger, setting
    )
