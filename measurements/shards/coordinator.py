"""Cuts a plan into shards, hands them out one at a time, and merges what comes back into the run's folder.

One shard lies on the counter at a time. Whoever is free takes it, and then the next one is laid out; a worker that measures
puts it back. So the shards spread over the workers whichever way an engine gives out its tasks, and none waits in a busy
process while another is idle. All that decides what is measured is in the store and in the folder: a coordinator that was
killed and is started again goes on with both.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
from pydantic import BaseModel, ValidationError

from ...agents.contract import Agent, Roster, TaskContext
from ...agents.engine import TaskEngine
from ...agents.errors import Conflict, InvalidInput, SametaskError, Unavailable
from ...agents.events import Artifact, ArtifactEmitted, DataPart, Event, OpenQuestion, StateChanged, TaskState
from ...agents.runtime import open_engine
from ..bench import Bench
from ..metric import Metric, Split
from ..run_folder import RunFolder
from ..samples import Sample, first_of
from ..suite import Plan
from .contract import ACCEPTED, AGENT, BLOCK, CLOCK_QUESTION, SKILL, Accepted, BlockReport, Done, Release, Shard, cell_of
from .worker import local_workers

Told = TypeVar("Told", bound=BaseModel)
MAX_PAUSE_S = 2.0
LOOK_S = 1.0
FAILURES_ACCEPTED = 1


@dataclass(frozen=True)
class Fleet:
    """Who measures together: `engine` is the store that they share, `workers` how many are started on this machine, beside all
    that serve it elsewhere. `wait_s` is how long to wait for a sign of life from any of them.
    """

    engine: str
    workers: int = 0
    wait_s: float = 60.0

    def __post_init__(self) -> None:
        if self.engine.endswith(":memory:"):
            raise InvalidInput("engine", self.engine, "accepted: a store that other processes can open: sqlite:///PATH")


@dataclass(eq=False)
class Ticket:
    """A shard on its way. `cells` are those still to come; `silent_s` is how long no word is no sign of death."""

    shard: Shard
    metric: Metric
    blocks: list[dict[str, Sample]]
    silent_s: float
    attempt: int = 0
    failures: int = 0
    task_id: str = ""
    after: int = 0
    worker: str = ""
    heard_at: float = 0.0
    left: set[str] = field(default_factory=set[str])

    @property
    def key(self) -> str:
        return f"{self.shard.run}/{self.shard.metric}/{self.shard.part}/{self.attempt}"

    @property
    def named(self) -> str:
        return f"shard {self.shard.part + 1} of {self.shard.of}"


async def measure_together(
    plan: Plan, folder: RunFolder, progress: Callable[[str, float, float, str], None], fleet: Fleet
) -> None:
    """Measure every metric of the plan that can be split, one after the other.

    Raises: Unavailable when nobody takes a shard, or for what a worker started here says.
    """
    try:
        async with local_workers(fleet.engine, fleet.workers):
            for metric in plan.metrics:
                if metric.split is not None and metric.name not in folder.run.measured:
                    await _Coordinator(fleet, folder, _tickets(plan, folder, metric, metric.split), metric, progress).measure()
                    folder.through_with(metric.name)
    except ExceptionGroup as group:
        raise first_of(group) from None


def _tickets(plan: Plan, folder: RunFolder, metric: Metric, split: Split) -> list[Ticket]:
    rounds = split.rounds(Bench(plan.variants, plan.effort, plan.seed, Path()))
    # That of the whole run, also where it is resumed with another: what differs is not measured together.
    release, names = Release.of(folder.run.versions, folder.run.git), tuple(variant.name for variant in plan.variants)
    measured = {cell_of(sample) for sample in folder.samples().samples if sample.metric == metric.name}
    tickets: list[Ticket] = []
    for part, blocks in enumerate(rounds):
        shard = Shard(
            run=folder.run.id,
            metric=metric.name,
            part=part,
            of=len(rounds),
            seed=plan.seed,
            effort=plan.effort,
            variants=names,
            blocks=tuple(blocks),
            release=release,
        )
        cells = [{cell_of(cell): cell for cell in split.cells(block)} for block in blocks]
        left = {cell for block in cells for cell in block} - measured
        tickets.append(Ticket(shard, metric, cells, split.longest_s(plan.effort), left=left))
    return tickets


def _parked() -> Agent:
    """The measuring agent as a shop window: what is submitted does not begin here, and goes on elsewhere when the engine that
    has it is closed. An engine may give a task to whoever submits it, and a shutdown is not a cancel.
    """
    agent = Agent(AGENT, description="Hands out shards", version="1")

    @agent.skill
    async def shard(request: Shard, task: TaskContext) -> Done:
        """Wait for whoever measures it."""
        await anyio.sleep_forever()
        return Done(blocks=0)

    return agent


class _Coordinator:
    def __init__(
        self,
        fleet: Fleet,
        folder: RunFolder,
        tickets: Sequence[Ticket],
        metric: Metric,
        progress: Callable[[str, float, float, str], None],
    ) -> None:
        self._fleet, self._folder, self._metric, self._progress = fleet, folder, metric, progress
        self._total = sum(len(block) for ticket in tickets for block in ticket.blocks)
        self._done = self._total - sum(len(ticket.left) for ticket in tickets)
        self._waiting = [ticket for ticket in tickets if ticket.left]
        self._out: list[Ticket] = []
        self._news = asyncio.Event()
        self._pause_s, self._not_before = 0.0, 0.0
        self._moved_at = time.monotonic()
        self._last_word = ""

    async def measure(self) -> None:
        """Until every cell has its sample, or one that says why it has none."""
        # One engine at a time, handing out or watching: an engine may be the only one of its process.
        while self._waiting or self._out:
            if self._counter_free:
                await self._hand_out(self._waiting.pop(0))
            async with open_engine(self._fleet.engine, Roster([])) as engine:
                await self._watch(engine)

    @property
    def _counter_free(self) -> bool:
        laid_out = any(not ticket.worker for ticket in self._out)
        return bool(self._waiting) and not laid_out and time.monotonic() >= self._not_before

    async def _hand_out(self, ticket: Ticket) -> None:
        async with open_engine(self._fleet.engine, Roster([_parked()])) as engine:
            skill = engine.roster.skill(AGENT, SKILL)
            task = await engine.submit(skill, ticket.shard, key=ticket.key)
            while task.state.terminal and task.state is not TaskState.COMPLETED:  # put back, in an earlier life of ours
                ticket.attempt += 1
                task = await engine.submit(skill, ticket.shard, key=ticket.key)
        ticket.task_id, ticket.after, ticket.worker, ticket.heard_at = task.id, 0, "", time.monotonic()
        self._out.append(ticket)

    async def _watch(self, engine: TaskEngine) -> None:
        """Until there is something to hand out, or nothing more to come."""
        async with anyio.create_task_group() as group:
            for ticket in self._out:
                group.start_soon(self._follow, engine, ticket)
            while (self._out or self._waiting) and not self._counter_free:
                self._news.clear()
                pause_s = self._not_before - time.monotonic()
                with anyio.move_on_after(min(pause_s, LOOK_S) if pause_s > 0 else LOOK_S):
                    await self._news.wait()
                await self._lose_patience(engine)
            group.cancel_scope.cancel()

    async def _follow(self, engine: TaskEngine, ticket: Ticket) -> None:
        async for event in engine.events(ticket.task_id, ticket.after):
            if ticket not in self._out:
                return  # it was given up, and this is its end
            ticket.heard_at = time.monotonic()
            if isinstance(event.body, StateChanged) and event.body.question is not None:
                await self._tell_time(engine, ticket, event.body.question)
            self._hear(ticket, event)
            ticket.after = event.seq
            self._news.set()

    async def _tell_time(self, engine: TaskEngine, ticket: Ticket, question: OpenQuestion) -> None:
        text, _, nonce = question.text.rpartition(" ")
        if text == CLOCK_QUESTION:
            with suppress(Conflict):  # it was told in an earlier life of ours, or waits no longer
                answer = {"nonce": nonce, "at_ms": time.time() * 1e3}
                await engine.answer(ticket.task_id, question.request_id, answer)

    def _hear(self, ticket: Ticket, event: Event) -> None:
        if isinstance(event.body, ArtifactEmitted):
            artifact = event.body.artifact
            if artifact.name == ACCEPTED and (accepted := _read(artifact, Accepted)) is not None:
                ticket.worker = f"worker {accepted.worker}"
                self._pause_s, self._moved_at = 0.0, time.monotonic()
            elif artifact.name.startswith(BLOCK):
                self._merge(ticket, artifact)
        elif isinstance(event.body, StateChanged) and event.body.state.terminal:
            self._out.remove(ticket)
            self._end(ticket, event.body)

    def _merge(self, ticket: Ticket, artifact: Artifact) -> None:
        """Keep the samples of one block, each cell of it once: a worker that tells one twice, or of a cell that is not in the
        block, adds nothing.
        """
        report = _read(artifact, BlockReport)
        number = artifact.name.removeprefix(BLOCK)
        if report is None or not number.isdecimal() or int(number) >= len(ticket.blocks):
            return
        self._moved_at = time.monotonic()
        for sample in report.samples:
            cell = cell_of(sample)
            if cell in ticket.blocks[int(number)] and cell in ticket.left:
                self._folder.add_host(report.where.host, report.host)
                self._keep(ticket, cell, sample.model_copy(update={"where": report.where}))

    def _keep(self, ticket: Ticket, cell: str, sample: Sample) -> None:
        self._folder.append(sample)
        ticket.left.discard(cell)
        self._done += 1
        self._progress(self._metric.title, self._done, self._total, f"{sample.host} {sample.variant}".strip())

    def _end(self, ticket: Ticket, end: StateChanged) -> None:
        if end.state is TaskState.COMPLETED:
            self._give_up(ticket, f"{ticket.worker} ended its shard without a sample of it")
            return
        said = end.error.message if end.error else end.state.value
        self._last_word = said
        ticket.attempt += 1
        if end.state is not TaskState.REJECTED:
            ticket.failures += 1
            if ticket.failures > FAILURES_ACCEPTED:
                self._give_up(ticket, f"{ticket.named} failed {ticket.failures} times, the last time with: {said}")
                return
        self._waiting.append(ticket)
        self._pause_s = min(max(2 * self._pause_s, 0.1), MAX_PAUSE_S)
        self._not_before = time.monotonic() + self._pause_s

    def _give_up(self, ticket: Ticket, why: str) -> None:
        """What was not measured is a cell that says so: our fault, and nobody's verdict."""
        blanks = {cell: blank for block in ticket.blocks for cell, blank in block.items()}
        for cell in [cell for cell in blanks if cell in ticket.left]:
            self._keep(ticket, cell, blanks[cell].model_copy(update={"status": "harness_error", "reason": why}))

    async def _lose_patience(self, engine: TaskEngine) -> None:
        """Raises: Unavailable when nobody measures, and nobody took what lies on the counter for `wait_s`."""
        now, wait_s = time.monotonic(), self._fleet.wait_s
        for ticket in [ticket for ticket in self._out if ticket.worker]:
            # Not while others move: one that went on with a dead worker's shard ends its own first.
            if now - max(ticket.heard_at, self._moved_at) > ticket.silent_s + wait_s:
                self._out.remove(ticket)
                silent = f"{ticket.worker} was silent for {now - ticket.heard_at:.0f} s"
                self._give_up(ticket, f"{ticket.named} was lost: {silent}, and nobody else went on with it")
                await _withdraw(engine, ticket)
        if any(ticket.worker for ticket in self._out) or now - self._moved_at <= wait_s or not (self._waiting or self._out):
            return
        given_up, self._out = self._out, []
        for ticket in given_up:
            await _withdraw(engine, ticket)
        said = f"; the last one said: {self._last_word}" if self._last_word else ""
        how = "--shard-workers N starts some here, elsewhere: sametask worker --engine URL sametask.measurements.shards.agent"
        raise Unavailable(f"no worker took a shard within {wait_s:g} s{said}; {how}")


async def _withdraw(engine: TaskEngine, ticket: Ticket) -> None:
    with suppress(SametaskError):  # it has ended, or cannot be reached: either way it is no longer ours
        await engine.cancel(ticket.task_id)


def _read(artifact: Artifact, model: type[Told]) -> Told | None:
    """What a worker told, or None where it is no such thing."""
    data = next((part.data for part in artifact.parts if isinstance(part, DataPart)), None)
    try:
        return model.model_validate(data)
    except ValidationError:
        return None
