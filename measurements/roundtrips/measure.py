"""Run every flow of every variant at every injected delay, in an order drawn from the seed."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import AsyncGenerator

import anyio

from ...protocols.client import AgentClient
from ...protocols.variants import Variant
from ..bench import Bench, Station
from ..samples import Sample
from .flows import FAILURES, FLOWS, Clock, Flow

METRIC = "round_trips"
FLOW_TIMEOUT_S = 30.0
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
    draw = random.Random(bench.seed)
    async with contextlib.AsyncExitStack() as stack:
        warm: dict[Station, AgentClient] = {}
        twins: set[Station] = set()
        twice = next((variant for variant in bench.wired if variant.listeners), None)
        held = [(variant, False) for variant in bench.wired] + ([(twice, True)] if twice else [])
        for variant, twin in held:
            try:
                station, client = await stack.enter_async_context(_warmed(bench, variant))
            except Exception as error:
                # A wall on purpose: a server that does not come up takes no other variant's numbers with it.
                for sample in _blanks(variant, twin):
                    yield sample.broken(error)
                continue
            warm[station] = client
            if twin:
                twins.add(station)
            bench.progress(0, 1, f"{variant.name} is up")
        blocks = [
            (station, flow, delay, repeat)
            for repeat in range(-1, bench.effort.repeats)
            for station, flow, delay in _block(list(warm), bench.effort.delays_ms if repeat >= 0 else (0.0,), draw)
        ]
        for done, (station, flow, delay, repeat) in enumerate(blocks, 1):
            sample = await run_flow(station, warm[station], flow, delay, repeat)
            if station in twins:
                sample = sample.model_copy(update={"cell": {**sample.cell, "null_pair": True}})
            if repeat >= 0:  # the first block warms up: imports, caches, connection pools
                yield sample
            bench.progress(done, len(blocks), f"{station.variant.name} {flow.name} at {delay:g} ms")


@contextlib.asynccontextmanager
async def _warmed(bench: Bench, variant: Variant) -> AsyncGenerator[tuple[Station, AgentClient]]:
    """A running server, and a client of it that has discovered its agents."""
    async with bench.station(variant) as station, station.open() as client:
        await client.discover()
        yield station, client


def _blanks(variant: Variant, twin: bool) -> list[Sample]:
    cells = [{"flow": flow.name, "delay_ms": 0.0} | ({"null_pair": True} if twin else {}) for flow in FLOWS]
    return [Sample(metric=METRIC, variant=variant.name, cell=cell, at=time.time()) for cell in cells]


def _block(stations: list[Station], delays: tuple[float, ...], draw: random.Random) -> list[tuple[Station, Flow, float]]:
    block = [
        (station, flow, delay)
        for station in stations
        for flow in FLOWS
        for delay in (delays if station.variant.listeners or flow.name != "cold" else STARTING)
        if delay in delays
    ]
    draw.shuffle(block)
    return block


async def run_flow(station: Station, warm: AgentClient, flow: Flow, delay_ms: float, trial: int) -> Sample:
    """One flow, timed by the client and counted by the taps."""
    cell = {"flow": flow.name, "delay_ms": delay_ms}
    ran = Sample(metric=METRIC, variant=station.variant.name, cell=cell, trial=trial, at=time.time())
    try:
        with anyio.fail_after(FLOW_TIMEOUT_S):
            async with flow.prepare(station, warm) as act:
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
    except (*FAILURES, TimeoutError) as error:
        return ran.model_copy(update={"status": "failed", "reason": f"{type(error).__name__}: {error}"})
    except Exception as error:
        # A wall on purpose: a defect of the harness is told as one, and takes no other flow's numbers with it.
        return ran.broken(error)
    return ran.model_copy(update={"values": {"elapsed_ms": elapsed_ms, **counted.total.values()}})
