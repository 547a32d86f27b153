"""The two ways to be a client: with our settings, going on by the protocol's own means; and the library as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, cast

from ...agents.events import Event, Snapshot, Task
from ...protocols.client import AgentClient
from ...protocols.following import Follower
from .contract import AGENT, SKILL, Caller, Trial
from .ledger import Told


@asynccontextmanager
async def callers(trial: Trial) -> AsyncGenerator[None]:
    """While it lasts `trial.caller()` gives clients of its kind; what they hold open is closed after it."""
    async with AsyncExitStack() as stack:

        def new(told: Told) -> Caller:
            return Recommended(trial, told) if trial.client == "recommended" else AsItComes(trial, told, stack)

        trial.new_caller = new
        yield


class Recommended:
    """A follower, with an idempotency key where the protocol has one; where it has none, nothing is asked for twice."""

    def __init__(self, trial: Trial, told: Told) -> None:
        self._follower = Follower(lambda: trial.station.open(trial.settings), give_up_s=trial.deadline_s, on_lost=told.lost)
        self._open = lambda: trial.station.open(trial.settings)
        self._key = None if "idempotency" in trial.station.variant.lacks else f"{trial.marker} {told.name}"

    @property
    def task_id(self) -> str:
        return self._follower.task_id

    def run(self, request: dict[str, Any]) -> AsyncGenerator[Event]:
        return self._follower.run(AGENT, SKILL, request, key=self._key)

    def resume(self, task_id: str = "") -> AsyncGenerator[Event]:
        self._follower.task_id = task_id or self._follower.task_id
        return self._follower.resume()

    async def submit(self, request: dict[str, Any]) -> Task:
        async def submit(client: AgentClient) -> Task:
            return await client.submit(AGENT, SKILL, request, key=self._key)

        if self._key is None:
            async with self._open() as client:
                task = await submit(client)
        else:
            task = await self._follower.persist(submit)
        self._follower.task_id = task.id
        return task

    async def wait(self, task_id: str) -> Task:
        return await self._follower.persist(lambda client: client.wait(task_id))

    async def answer(self, request_id: str, value: Any) -> None:
        await self._follower.answer(request_id, value)

    async def cancel(self) -> None:
        await self._follower.persist(lambda client: client.cancel(self.task_id))


class AsItComes:
    """One client, kept open, and one attempt at each thing. A connection that broke is for its library to make again."""

    def __init__(self, trial: Trial, told: Told, stack: AsyncExitStack) -> None:
        self._trial, self._told, self._stack = trial, told, stack
        self._client: AgentClient | None = None
        self.task_id, self._seen = "", 0

    async def _opened(self) -> AgentClient:
        if self._client is None:
            self._client = await self._stack.enter_async_context(self._trial.station.open(self._trial.settings))
        return self._client

    async def run(self, request: dict[str, Any]) -> AsyncGenerator[Event]:
        client = await self._opened()
        async with aclosing(self._heard(client.stream(AGENT, SKILL, request))) as events:
            async for event in events:
                yield event

    async def resume(self, task_id: str = "") -> AsyncGenerator[Event]:
        self.task_id = task_id or self.task_id
        client = await self._opened()
        async with aclosing(self._heard(client.events(self.task_id, self._seen))) as events:
            async for event in events:
                yield event

    async def _heard(self, told: AsyncIterator[Event]) -> AsyncGenerator[Event]:
        async with aclosing(cast("AsyncGenerator[Event]", told)) as events:
            async for event in events:
                if isinstance(event.body, Snapshot):
                    self.task_id = event.body.task.id
                self._seen = max(self._seen, event.seq)
                yield event

    async def submit(self, request: dict[str, Any]) -> Task:
        task = await (await self._opened()).submit(AGENT, SKILL, request)
        self.task_id = task.id
        return task

    async def wait(self, task_id: str) -> Task:
        return await (await self._opened()).wait(task_id)

    async def answer(self, request_id: str, value: Any) -> None:
        await (await self._opened()).answer(self.task_id, request_id, value)

    async def cancel(self) -> None:
        await (await self._opened()).cancel(self.task_id)
