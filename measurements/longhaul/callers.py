"""The two ways to be a client: with our settings, going on by the protocol's own means; and the library as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import anyio
from anyio.abc import TaskStatus

from ...agents.errors import ConnectionLost, Unavailable
from ...agents.events import Event, Snapshot, Task
from ...protocols.client import AgentClient
from ...protocols.following import Follower, Open
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


def _opened(trial: Trial, told: Told) -> AbstractAsyncContextManager[AgentClient]:
    """A client that also enters a loss of which its library tells nobody, because it mends it: what had come before that, and
    was read after, is no news.
    """
    return trial.station.open(replace(trial.settings, on_lost=told.lost))


@asynccontextmanager
async def crowd(trial: Trial) -> AsyncGenerator[Callable[[Told], Caller]]:
    """While it lasts it gives callers of the trial's kind that share one client, for many tasks at once."""
    async with AsyncExitStack() as stack:
        if trial.client == "recommended":
            shared = await stack.enter_async_context(_sharing(lambda: _opened(trial, trial.told)))
            yield lambda told: Recommended(trial, told, shared)
        else:
            only = AsItComes(trial, trial.told, stack)
            await only.opened()  # by whom it is closed again
            yield lambda told: only


@asynccontextmanager
async def _sharing(open_client: Open) -> AsyncGenerator[Open]:
    """Yields what lends everybody the same client: the next one is opened once that one broke, which stays open for as long as
    somebody uses it.
    """
    async with anyio.create_task_group() as group:
        current: _Lent | None = None
        opening = anyio.Lock()

        @asynccontextmanager
        async def lend() -> AsyncGenerator[AgentClient]:
            nonlocal current
            async with opening:
                if current is None or current.broken:
                    opened = _Lent(open_client)
                    await group.start(opened.keep)
                    current = opened
                lent = current
                lent.users += 1
            try:
                yield lent.client
            except (ConnectionLost, Unavailable):
                lent.broken = True
                raise
            finally:
                lent.users -= 1
                if lent.broken and not lent.users:
                    lent.left.set()

        try:
            yield lend
        finally:
            if current is not None:
                current.left.set()


class _Lent:
    """A client that several use. It is opened and closed by one task, as what it is made of demands."""

    client: AgentClient

    def __init__(self, open_client: Open) -> None:
        self._open = open_client
        self.users, self.broken, self.left = 0, False, anyio.Event()

    async def keep(self, *, task_status: TaskStatus[None]) -> None:
        async with self._open() as self.client:
            task_status.started()
            await self.left.wait()


class Recommended:
    """A follower, with an idempotency key where the protocol has one; where it has none, nothing is asked for twice."""

    def __init__(self, trial: Trial, told: Told, open_client: Open | None = None) -> None:
        self._open: Open = open_client or (lambda: _opened(trial, told))
        self._follower = Follower(self._open, give_up_s=trial.deadline_s, on_lost=told.lost)
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

    async def opened(self) -> AgentClient:
        if self._client is None:
            self._client = await self._stack.enter_async_context(_opened(self._trial, self._told))
        return self._client

    async def run(self, request: dict[str, Any]) -> AsyncGenerator[Event]:
        client = await self.opened()
        async with aclosing(self._heard(client.stream(AGENT, SKILL, request))) as events:
            async for event in events:
                yield event

    async def resume(self, task_id: str = "") -> AsyncGenerator[Event]:
        if task_id:
            self.task_id, self._seen = task_id, 0
        client = await self.opened()
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
        task = await (await self.opened()).submit(AGENT, SKILL, request)
        self.task_id = task.id
        return task

    async def wait(self, task_id: str) -> Task:
        return await (await self.opened()).wait(task_id)

    async def answer(self, request_id: str, value: Any) -> None:
        await (await self.opened()).answer(self.task_id, request_id, value)

    async def cancel(self) -> None:
        await (await self.opened()).cancel(self.task_id)
