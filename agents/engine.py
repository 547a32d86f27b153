"""The one seam under every protocol: what an adapter may ask of the durable runtime."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from pydantic import BaseModel

from .contract import Origin, Roster, Skill
from .events import Event, OpenQuestion, Task


class TaskEngine(Protocol):
    """Runs long skills as tasks and keeps their logs.

    Contract: no handle before the durable row exists; events are strictly increasing and the terminal state is always the
    last of them; state changes are never coalesced; a shutdown is not a cancel.
    """

    @property
    def roster(self) -> Roster: ...

    async def submit(self, skill: Skill, request: BaseModel, *, key: str | None = None, origin: Origin | None = None) -> Task:
        """Store and start a task of a long skill. The same idempotency `key` with the same skill and input gives the same
        task, for as long as it runs and the engine's `key_lifetime_s` after it was made; then the key is free again.

        :raises KeyReused: the key was used for another skill or input
        :raises Unavailable: the engine is draining, or its store cannot be written
        """
        ...

    async def run(self, skill: Skill, request: BaseModel, *, origin: Origin | None = None, keep: bool = True) -> Task:
        """As `submit` without a key, for who waits for the result: the task has ended, or is stored and runs on.

        Late durability: a task that ends, asks nothing and is told to nobody within a moment (50 ms) may stay in memory until
        it has ended. Then it is stored whole, or with `keep` false not at all: its id names nothing, and is not to be told.

        :raises Unavailable: the engine is draining, or its store cannot be written
        """
        ...

    async def get(self, task_id: str) -> Task:
        """The task as it stands.

        :raises UnknownTask: there is no such task
        """
        ...

    def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """The events with a sequence number above `after`: those stored, then those to come, up to the terminal one.

        :raises UnknownTask: there is no such task
        :raises InvalidInput: `after` is negative
        """
        ...

    async def questions(self, task_id: str) -> tuple[OpenQuestion, ...]:
        """Every question that waits for an answer, in the order in which they were asked. The task's own `question` is the
        first of them: the log tells them one at a time, each once those before it are answered.

        :raises UnknownTask: there is no such task
        """
        ...

    async def answer(self, task_id: str, request_id: str, value: Any) -> Task:
        """Answer an open question; idempotent by `request_id` (the first answer stands).

        :raises UnknownTask: there is no such task
        :raises NotWaiting: the task never asked that question, or gave up waiting for an answer to it
        :raises InvalidInput: the value does not fit the question's schema
        :raises TaskFinished: the task ended before that question was answered
        """
        ...

    async def cancel(self, task_id: str) -> Task:
        """Stop the task; returns once its state is terminal. A second cancel of a canceled task changes nothing.

        :raises UnknownTask: there is no such task
        :raises TaskFinished: it had already completed, failed or been rejected
        """
        ...

    async def list(self, *, limit: int = 100, before: str | None = None) -> list[Task]:
        """The newest tasks first, without their artifacts; `before` is the id of the last one already seen.

        :raises InvalidInput: `limit` is not within 1 to 1000
        """
        ...
