"""What the long haul is made of: a scenario, which its client lives through; a point; a fault that strikes there; two clients.

A **cell** is one of each for one variant. Scenarios, points and faults know of each other by name alone, so that adding one is
adding one file.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol

import anyio

from ...agents.events import Event, Snapshot, Task
from ...protocols.client import ClientSettings
from ..bench import Station
from ..wire.faults.contract import Fault, Line
from ..wire.tap import Tap
from ..wire.trigger import Link
from .ledger import Deeds, Mark, Told

AGENT, SKILL = "probe", "work"
STEPS, STEP_MS = 20, 20
NONE = "none"
"""The name of the fault that breaks nothing, and of its point."""

Verdict = Literal["delivered", "duplicated", "lost", "hung", "failed_cleanly"]
ClientName = Literal["recommended", "defaults"]
CLIENTS: tuple[ClientName, ...] = ("recommended", "defaults")
"""`recommended`: our settings, an idempotency key where the protocol has one, and going on by the protocol's own means.
`defaults`: the protocol's library as it comes, tried once: what it does by itself it does, what it raises is the end."""


@dataclass(frozen=True)
class Cell:
    """Shape: `quick` are the clients with which the quick suite has it."""

    fault: str = NONE
    point: str = NONE
    clients: tuple[ClientName, ...] = CLIENTS
    quick: tuple[ClientName, ...] = ()


@dataclass
class World(Line):
    """The line and the server at its end; `receiver` is the line to the client's webhook, where it has one."""

    station: Station = field(kw_only=True)
    receiver: Tap | None = None


class Caller(Protocol):
    """One client of one task, in either of the two ways. Its errors are those of `protocols/client.py`."""

    def run(self, request: dict[str, Any]) -> AsyncGenerator[Event]:
        """Start the task and yield what is told of it, up to its end or an open question."""
        ...

    def resume(self, task_id: str = "") -> AsyncGenerator[Event]:
        """Follow the task (or another one, from its first event) from where this view stands."""
        ...

    async def submit(self, request: dict[str, Any]) -> Task:
        """Start the task and do not wait for it."""
        ...

    async def wait(self, task_id: str) -> Task: ...

    async def answer(self, request_id: str, value: Any) -> None: ...

    async def cancel(self) -> None: ...


@dataclass
class Trial:
    """One trial while it runs.

    Shape: `told` is the ledger of its (first) client, `others` those of further ones; `extra` are values that the scenario
    adds to the sample. Its client is owed `marks` marks for each of the `steps`, of these `kinds`. `receiver` is the line to
    its webhook. Events: `named`: a client was told its task's id; `asked`: a stream has ended with a question; `in_flight`:
    every task was acknowledged; `received`: some of the deliveries to its webhook were accepted; `struck`: the fault has begun
    to strike; `over`: and has brought back what it took away. Units: `struck_at` and `over_at` are monotonic seconds;
    `deadline_s` is when it has hung; `outage_s` is how long a fault takes away what it gives back; `scale` multiplies a
    scenario's long waits and its thousands; `silent_s` is how long the work says nothing after its first step, and
    `longest_step_s` how long it may be from one deed to the next.
    """

    station: Station
    client: ClientName
    settings: ClientSettings
    draw: Random
    deeds: Deeds
    deadline_s: float
    outage_s: float
    scale: float
    new_caller: Callable[[Told], Caller] = field(init=False)
    steps: int = STEPS
    marks: int = 1
    kinds: tuple[str, ...] = ("artifact", "progress")
    receiver: Tap | None = None
    silent_s: float = 0.0
    longest_step_s: float = STEP_MS / 1000
    told: Told = field(default_factory=Told)
    others: list[Told] = field(default_factory=list[Told])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    named: anyio.Event = field(default_factory=anyio.Event)
    asked: anyio.Event = field(default_factory=anyio.Event)
    in_flight: anyio.Event = field(default_factory=anyio.Event)
    received: anyio.Event = field(default_factory=anyio.Event)
    struck: anyio.Event = field(default_factory=anyio.Event)
    over: anyio.Event = field(default_factory=anyio.Event)
    struck_at: float | None = None
    over_at: float | None = None

    @property
    def marker(self) -> str:
        """What tells this trial's request from every other message on the wire."""
        return self.deeds.path.name

    @property
    def expected(self) -> frozenset[Mark]:
        """What its client is to be told."""
        return frozenset((kind, k) for kind in self.kinds for k in range(1, self.steps * self.marks + 1))

    def caller(self, told: Told | None = None) -> Caller:
        """A new client of this trial's kind."""
        return self.new_caller(told or self.told)

    def request(self, **fields: Any) -> dict[str, Any]:
        """The probe's input, with this trial's ledger."""
        self.steps, self.marks = fields.get("steps", STEPS), fields.get("marks", 1)
        self.silent_s = fields.get("silent_ms", 0) / 1000
        self.longest_step_s = self.silent_s + fields.get("step_ms", STEP_MS) / 1000
        return {"steps": STEPS, "step_ms": STEP_MS, "ledger": str(self.deeds.path), **fields}

    async def follow(self, events: AsyncGenerator[Event], told: Told | None = None) -> None:
        """Enter what comes into a ledger, to the last."""
        told = told or self.told
        async with aclosing(events):
            async for event in events:
                told.hear(event)
                if isinstance(event.body, Snapshot):
                    self.named.set()
        told.stream_ended()
        if told.question is not None:
            self.asked.set()


Judge = Callable[[Trial, Exception | None], tuple[Verdict, str]]
"""The verdict on a trial that did not hang, and why. The exception is what the client was left with, if it was."""


@dataclass(frozen=True)
class Scenario:
    """One intent, the same for every variant.

    Shape: `act` is the whole life of its client, `judge` says what became of the work. `cells` are the faults and points at
    which it is tried. `needs` names the abilities (see `Variant.lacks`) without which a variant cannot have it. Units:
    `longer_s` is what it may take beyond the deadline, before it is scaled.
    """

    name: str
    title: str
    order: int
    act: Callable[[Trial], Coroutine[Any, Any, None]]
    cells: Sequence[Cell]
    judge: Judge | None = None
    needs: tuple[str, ...] = ()
    longer_s: float = 0.0


@dataclass(frozen=True)
class Point:
    """Where a fault strikes. `reach` returns when the trial is there.

    Shape: the connection that is held there, and what lets it go on; None where the point is not one of the wire. `idle` says
    that a client may have no connection open there.
    """

    name: str
    title: str
    order: int
    reach: Callable[[Trial], Awaitable[Held | None]]
    idle: bool = False


@dataclass(frozen=True)
class Held:
    link: Link
    release: Callable[[], None]


AnyFault = Fault[World]


class TrialBroken(Exception):
    """The harness could not do what the cell is; no verdict on the protocol."""
