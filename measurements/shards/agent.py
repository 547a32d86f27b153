"""The agent `measuring`: its long skill measures one shard on the machine that took it.

`sametask worker --engine URL sametask.measurements.shards.agent` serves it. A process measures one shard at a time, and hands
back what it is given beyond that: whoever is free gets it. Each block is a step of its own, so that a worker which dies takes
no block with it that was measured.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import cached_property

import anyio
import anyio.to_thread

from ...agents.contract import Agent, Question, TaskContext
from ...agents.errors import Rejected
from ...agents.events import Artifact, DataPart
from ..metric import Split, metrics
from ..provenance import machine, revision, versions
from ..run_folder import Host
from ..samples import Sample, Where
from .block import COMMAND, BlockBroken, measure_apart
from .contract import (
    ACCEPTED,
    AGENT,
    BLOCK,
    BUSY,
    CLOCK_QUESTION,
    Accepted,
    BlockReport,
    Clock,
    Done,
    Release,
    Shard,
)
from .host import Exchange, Lock, host_lock, host_name

EXCHANGES_COUNT = 3
CLOCK_WAIT_S = 10.0
LOOK_S = 0.2


class Desk:
    """What a process measures at: one shard at a time, under the lock of its host; `command` measures one block."""

    def __init__(self, lock: Lock, command: Sequence[str] = COMMAND) -> None:
        self._lock, self._taken, self.command = lock, False, command
        self.worker = f"{os.getpid()}-{uuid.uuid4().hex[:6]}"

    @cached_property
    def release(self) -> Release:
        return Release.of(versions(), revision())

    @cached_property
    def host(self) -> Host:
        return Host(machine=machine(), versions=versions())

    def take(self, alone: bool) -> bool:
        """Whether it is ours now. `alone`: no other process of this host measures meanwhile."""
        if self._taken or not self._lock.take(alone):
            return False
        self._taken = True
        return True

    async def wait(self, alone: bool) -> None:
        while not self.take(alone):  # noqa: ASYNC110 - another process's lock sets no event here
            await anyio.sleep(LOOK_S)

    def leave(self) -> None:
        self._lock.leave()
        self._taken = False


def measuring(desk: Desk) -> Agent:
    made = Agent(AGENT, description="Measures a part of a comparison on the machine that it runs on", version="1")

    @made.skill
    async def shard(request: Shard, task: TaskContext) -> Done:
        """Measure the blocks of one shard, each on a fresh server; one artifact tells each block's samples."""
        if (release := await anyio.to_thread.run_sync(lambda: desk.release)) != request.release:
            raise Rejected(f"this worker is {_named(release)}, and the run wants {_named(request.release)}")
        if (split := metrics()[request.metric].split) is None:
            raise Rejected(f"metric {request.metric} is measured on one machine")
        async with AsyncExitStack() as stack:
            await _sit_down(desk, split, task, stack)
            where = await _where(desk, task)
            await _measure_all(request, split, desk, where, task)
        return Done(blocks=len(request.blocks))

    return made


def _named(release: Release) -> str:
    return " ".join(filter(None, ["sametask", release.sametask, release.revision]))


async def _sit_down(desk: Desk, split: Split, task: TaskContext, stack: AsyncExitStack) -> None:
    """Take the desk, or hand the shard back. A shard that another worker had accepted, and died over, is not handed back: what
    it has measured is recorded in this task.
    """
    alone, seated = split.side_by_side == 1, False

    async def accept() -> Accepted:
        nonlocal seated
        if not desk.take(alone):
            raise Rejected(BUSY)
        seated = True
        stack.callback(desk.leave)
        return Accepted(worker=desk.worker)

    told = await task.step(ACCEPTED, accept)
    if not seated:
        await desk.wait(alone)
        stack.callback(desk.leave)
    await task.emit(Artifact(name=ACCEPTED, parts=(DataPart(data=told.model_dump(mode="json")),)))


async def _where(desk: Desk, task: TaskContext) -> Where:
    """This machine, and its clock by the best of a few exchanges with the coordinator."""
    best: Exchange | None = None
    fresh = 0
    while fresh < EXCHANGES_COUNT:
        nonce, sent, began = uuid.uuid4().hex, time.time() * 1e3, time.monotonic()
        try:
            answer = await task.ask(Question(f"{CLOCK_QUESTION} {nonce}", Clock), timeout_s=CLOCK_WAIT_S)
        except TimeoutError:
            break  # it is away; what is measured is none the worse for it
        if answer.nonce != nonce:
            continue  # what an earlier run of this task was told, by a clock that has gone on since
        fresh += 1
        found = Exchange(sent, answer.at_ms, (time.monotonic() - began) * 1e3)
        best = found if best is None else min(best, found, key=lambda each: each.round_trip)
    offset = (round(best.offset_ms, 3), round(best.uncertainty_ms, 3)) if best else (None, None)
    return Where(host=host_name(), worker=desk.worker, clock_offset_ms=offset[0], clock_uncertainty_ms=offset[1])


async def _measure_all(request: Shard, split: Split, desk: Desk, where: Where, task: TaskContext) -> None:
    """Each block is a step; they are told in their order, so that a later run of this task tells them in the same one."""
    limiter = anyio.CapacityLimiter(split.side_by_side)
    results: dict[int, BlockReport] = {}
    ready = [anyio.Event() for _ in request.blocks]

    async def measure(number: int) -> None:
        async def block() -> BlockReport:
            try:
                samples = await measure_apart(desk.command, request, number)
            except BlockBroken as error:
                samples = [cell.broken(error) for cell in split.cells(request.blocks[number])]
            return _report(desk, where, samples)

        async with limiter:
            results[number] = await task.step(f"{BLOCK}{number}", block)
        ready[number].set()

    async with anyio.create_task_group() as group:
        for number in range(len(request.blocks)):
            group.start_soon(measure, number)
        for number, event in enumerate(ready):
            await event.wait()
            data = results.pop(number).model_dump(mode="json", exclude_defaults=True)
            await task.emit(Artifact(name=f"{BLOCK}{number}", parts=(DataPart(data=data),)))
            await task.progress(number + 1, len(ready))


def _report(desk: Desk, where: Where, samples: list[Sample]) -> BlockReport:
    labelled = tuple(sample.model_copy(update={"where": where}) for sample in samples)
    return BlockReport(where=where, host=desk.host, samples=labelled)


agent = measuring(Desk(host_lock()))
