"""What a running task writes, whichever engine keeps it: the seam between running a skill and storing what it does.

A journal belongs to one run of one task: every write is fenced by the epoch in which the task was given to this process, so
that a run that was taken over can write nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import Unavailable

if TYPE_CHECKING:  # a store is looked at before pydantic is loaded
    from ..events import StateChanged


class Fenced(Exception):
    """Another process runs this task now, or it has ended."""


class Unreadable(Unavailable):
    """What is stored is damaged, and no retry will read it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that was given to this process to run. `origin` is JSON; `deadline_at` seconds since the Unix epoch."""

    id: str
    agent: str
    skill: str
    origin: str
    cancel: bool = False
    deadline_at: float | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a step has failed, and when it is due again, in seconds since the Unix epoch."""

    count: int
    next_at: float


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier runs of a task have left: step values (JSON) and failed attempts by path, and how many events each scope
    has told.
    """

    steps: dict[str, str] = field(default_factory=dict[str, str])
    told: dict[str, int] = field(default_factory=dict[str, int])
    attempts: dict[str, Attempts] = field(default_factory=dict[str, Attempts])


NOTHING = Past()
"""Of a task that is new. Shared: nothing is ever added to a past."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is stored. `answer` is JSON text, None while there is none; `expires_at` is in seconds since the Unix
    epoch; an `expired` one is never answered.
    """

    request_id: str
    answer: str | None = None
    expires_at: float | None = None
    expired: bool = False


class Journal(Protocol):
    """Where a write fails, what is awaited raises `Fenced`, or Unavailable for a store that cannot be written; for what is
    only posted, the `lose` that the journal was made with is called, once.
    """

    def start(self) -> None:
        """Post that the task is being worked on, unless an earlier run has."""
        ...

    def tell(self, kind: str, scope: str, body: str) -> None:
        """Post a `progress` or `artifact` event, in the order of the calls. `body` is its JSON."""
        ...

    async def room(self) -> None:
        """Back-pressure: wait while too much is on its way to the store."""
        ...

    async def record(self, path: str, value: str) -> None:
        """Store a step's value, durably, after all that was posted before."""
        ...

    async def failed(self, path: str, attempts: Attempts) -> None:
        """Store that an attempt at a step failed and when the next is due."""
        ...

    async def ask(self, path: str, text: str, schema: dict[str, Any], timeout_s: float | None) -> Asked:
        """Ask the question of that path, or find that an earlier run did."""
        ...

    async def asked(self, request_id: str) -> Asked:
        """The question as it stands now."""
        ...

    async def expire(self, request_id: str) -> Asked:
        """Close a question that nobody answered in time; an answer that came first stands."""
        ...

    async def input_json(self) -> str:
        """The task's input."""
        ...

    async def finish(self, body: StateChanged) -> None:
        """Store the task's end. A cancel that was accepted before it wins over any other outcome."""
        ...
