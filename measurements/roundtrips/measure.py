"""Run every flow of every variant at every injected delay, in an order drawn from the seed."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import anyio
from anyio.abc import ObjectSendStream, TaskStatus

from ...agents.errors import InvalidInput
from ...protocols.client import AgentClient, NotOffered
from ...protocols.variants import Variant
from ..bench import Bench, Station
from ..cases import BUNDLED, Cases
from ..samples import Sample, first_of
from ..streaming import streamed
from .flows import FAILURES, FLOWS, Clock, Flow, NoCase

METRIC = "round_trips"
FLOW_TIMEOUT_S = 30.0
STARTS_AT_ONCE = 2
STARTING = (0.0, 40.0)
"""Where a cold flow starts a process, a second of start-up hides the delay: it is counted, and no slope is taken."""


async def measure(bench: Bench) -> AsyncGenerator[Sample]:
    """Yields one sample for each flow, variant, delay and repeat. Every repeat is a block that holds each of them once, in
    random order, so that a slow minute of the machine falls on all variants alike.

    The first variant with listeners is measured twice, by a second server and client of its own, whose samples say
    `null_pair` in their cell: whatever differs between the two (an A/A test) is noise, and what differs no more than they do
    between two variants is noise too.
    """
    for sample in bench.without_wire(METRIC, [{"flow": flow.name} for flow in FLOWS]):
        yield sample
    async with contextlib.aclosing(streamed(lambda send: _produce(bench, send))) as samples:
        async for sample in samples:
            yield sample


@dataclass(frozen=True)
class _Place:
    """A variant's running server and warm client; `twin` where they are the second of the null pair."""

    station: Station
    client: AgentClient
    twin: bool


Block = tuple[_Place, Flow, float]


async def _produce(bench: Bench, send: ObjectSendStream[Sample]) -> None:
    draw, done = random.Random(bench.seed), 0
    async with _places(bench, send) as places:
        # The first block warms up: imports, caches, connection pools.
        blocks = [
            _block(places, bench.effort.delays_ms if repeat else (0.0,), draw) for repeat in range(bench.effort.repeats + 1)
        ]
        total = sum(map(len, blocks))

        async def run(block: Block, repeat: int) -> None:
            nonlocal done
            place, flow, delay = block
            sample = await run_flow(place.station, place.client, flow, delay, repeat - 1, bench.cases)
            if place.twin:
                sample = sample.model_copy(update={"cell": {**sample.cell, "null_pair": True}})
            if repeat:
                await send.send(sample)
            done += 1
            bench.progress(done, total, f"{place.station.variant.name} {flow.name} at {delay:g} ms")

        for repeat, block in enumerate(blocks):
            await _in_lanes(block, bench.effort.lanes, partial(run, repeat=repeat))


async def _in_lanes(blocks: list[Block], lanes: int, run: Callable[[Block], Awaitable[None]]) -> None:
    """Run them in their order, `lanes` at a time, and never two of one place at once."""
    waiting, busy, freed = list(blocks), set[_Place](), anyio.Condition()

    async def lane() -> None:
        while waiting:
            async with freed:
                block = next((each for each in waiting if each[0] not in busy), None)
                if block is None:
                    await freed.wait()
                    continue
                waiting.remove(block)
                busy.add(block[0])
            await run(block)
            async with freed:
                busy.remove(block[0])
                freed.notify_all()

    async with anyio.create_task_group() as group:
        for _ in range(lanes):
            group.start_soon(lane)


@contextlib.asynccontextmanager
async def _places(bench: Bench, send: ObjectSendStream[Sample]) -> AsyncGenerator[list[_Place]]:
    """Every variant's place, in their order. One that does not come up takes no other variant's numbers with it."""
    twice = next((variant for variant in bench.wired if variant.listeners), None)
    wanted = [(variant, False) for variant in bench.wired] + ([(twice, True)] if twice else [])
    up: dict[int, _Place] = {}
    limiter, left = anyio.CapacityLimiter(STARTS_AT_ONCE), anyio.Event()

    async def hold(variant: Variant, twin: bool, *, task_status: TaskStatus[_Place]) -> None:
        async with bench.station(variant, bench.cases.references) as station, station.open() as client:
            await client.discover()
            task_status.started(_Place(station, client, twin))
            await left.wait()

    async with anyio.create_task_group() as holding:

        async def start(index: int, variant: Variant, twin: bool) -> None:
            async with limiter:
                try:
                    up[index] = await holding.start(hold, variant, twin)
                except Exception as error:  # a wall on purpose: a server of ours that does not start is no verdict
                    refused = first_of(error)
                    for sample in _blanks(variant, twin):
                        if bench.cases.references and isinstance(refused, InvalidInput):
                            # The variant's own answer to an agent of the user's, not a defect of ours.
                            sample = sample.model_copy(update={"status": "not_testable", "reason": refused.message})
                        else:
                            sample = sample.broken(error)
                        await send.send(sample)
                    return
            bench.progress(0, 1, f"{variant.name} is up")

        async with anyio.create_task_group() as starting:
            for index, (variant, twin) in enumerate(wanted):
                starting.start_soon(start, index, variant, twin)
        try:
            yield [up[index] for index in sorted(up)]
        finally:
            left.set()


def _blanks(variant: Variant, twin: bool) -> list[Sample]:
    cells = [{"flow": flow.name, "delay_ms": 0.0} | ({"null_pair": True} if twin else {}) for flow in FLOWS]
    return [Sample(metric=METRIC, variant=variant.name, cell=cell, at=time.time()) for cell in cells]


def _block(places: list[_Place], delays: tuple[float, ...], draw: random.Random) -> list[Block]:
    block = [
        (place, flow, delay)
        for place in places
        for flow in FLOWS
        for delay in (delays if place.station.variant.listeners or flow.name != "cold" else STARTING)
        if delay in delays
    ]
    draw.shuffle(block)
    return block


async def run_flow(
    station: Station, warm: AgentClient, flow: Flow, delay_ms: float, trial: int, cases: Cases = BUNDLED
) -> Sample:
    """One flow, timed by the client and counted by the taps."""
    cell = {"flow": flow.name, "delay_ms": delay_ms}
    ran = Sample(metric=METRIC, variant=station.variant.name, cell=cell, trial=trial, at=time.time())
    try:
        with anyio.fail_after(FLOW_TIMEOUT_S):
            async with flow.prepare(station, warm, cases) as act:
                await station.recording.quiet()
                station.set_delay(delay_ms)
                try:
                    with station.recording.flow() as counted:
                        clock = Clock()
                        await act(clock)
                        elapsed_ms = clock.elapsed_ms
                        await station.recording.quiet(timeout_s=0.2)
                finally:
                    station.set_delay(0.0)
    except (NotOffered, NoCase) as error:
        return ran.model_copy(update={"status": "not_testable", "reason": str(error)})
    except (*FAILURES, TimeoutError) as error:
        return ran.model_copy(update={"status": "failed", "reason": f"{type(error).__name__}: {error}"})
    except Exception as error:
        # A wall on purpose: a defect of the harness is told as one, and takes no other flow's numbers with it.
        return ran.broken(error)
    return ran.model_copy(update={"values": {"elapsed_ms": elapsed_ms, **counted.total.values()}})
