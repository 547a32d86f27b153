"""Follow a long task to its end across broken connections, by each protocol's own means of recovery."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, TypeVar, cast

import anyio

from ..agents.errors import ConnectionLost, NotWaiting, TaskFinished, Unavailable
from ..agents.events import Event, Snapshot, Task, TaskState
from .client import AgentClient

Open = Callable[[], AbstractAsyncContextManager[AgentClient]]
Value = TypeVar("Value")

FIRST_DELAY_S = 0.05
LONGEST_DELAY_S = 1.0


class Follower:
    """One caller's view of one task. Nothing is repaired here: what a protocol repeats or leaves out after a reconnection
    is repeated or left out, so that it can be seen and counted.

    Shape: `task_id` is "" until the server has named the task (or it was given); `last_seq` is the highest event number
    seen, 0 where the protocol has none; `lost_count` counts how often the server went away, not the attempts that found
    nobody. `on_lost` is called once for each of these times.
    """

    def __init__(
        self,
        open_client: Open,
        *,
        give_up_s: float = 30.0,
        on_lost: Callable[[ConnectionLost], None] | None = None,
        task_id: str = "",
    ) -> None:
        self._open, self._give_up_s, self._on_lost = open_client, give_up_s, on_lost
        self.task_id = task_id
        self.last_seq = 0
        self.lost_count = 0
        self.state: TaskState | None = None
        self._snapshot: Task | None = None
        self._asked, self._away = False, False

    async def run(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> AsyncGenerator[Event]:
        """Start the task and yield what is told of it, up to its terminal event or an open question.

        Raises: ConnectionLost or Unavailable when the connection broke before the task had a name (and there is no `key` to
        ask again with), or when no server answered for `give_up_s`.
        """
        try:
            async with self._open() as client, _closing(client.stream(agent, skill, request, key=key)) as events:
                async for event in events:
                    self._hear(event)
                    yield event
            return
        except (ConnectionLost, Unavailable) as error:
            self._lost(error)
            if not self.task_id and key is None:
                raise
        if not self.task_id:
            self.task_id = (await self.persist(lambda client: client.submit(agent, skill, request, key=key))).id
        async with aclosing(self.resume()) as followed:
            async for event in followed:
                yield event

    async def resume(self) -> AsyncGenerator[Event]:
        """Follow the named task from where this view stands. Raises: as `run`."""
        patience = _Patience(self._give_up_s)
        while True:
            try:
                async with self._open() as client, _closing(client.events(self.task_id, self._after)) as events:
                    async for event in events:
                        patience.heard(news=self._hear(event))
                        yield event
                return
            except (ConnectionLost, Unavailable) as error:
                self._lost(error)
                await patience.wait(error)

    async def answer(self, request_id: str, value: Any) -> None:
        """Answer the open question on a fresh connection, again if that breaks: the first answer stands.

        Raises: InvalidInput when the value does not fit, NotWaiting or TaskFinished when nobody asks; else as `run`.
        """
        asked = 0

        async def answer(client: AgentClient) -> None:
            nonlocal asked
            asked += 1
            try:
                await client.answer(self.task_id, request_id, value)
            except (NotWaiting, TaskFinished):
                if asked == 1:
                    raise
                # Our earlier answer had arrived, only its confirmation was lost.

        await self.persist(answer)
        self._asked = False

    async def cancel(self) -> None:
        """Cancel the task on a fresh connection. Raises: as the server says, or ConnectionLost; it is tried once."""
        async with self._open() as client:
            await client.cancel(self.task_id)

    async def persist(self, operation: Callable[[AgentClient], Awaitable[Value]]) -> Value:
        """What `operation` gives on a fresh connection, again while that breaks. Raises: as `run`, and what it raises."""
        patience = _Patience(self._give_up_s)
        while True:
            try:
                async with self._open() as client:
                    value = await operation(client)
                self._away = False
                return value
            except (ConnectionLost, Unavailable) as error:
                self._lost(error)
                await patience.wait(error)

    @property
    def _after(self) -> int:
        # A question that came last is asked for again: whether it is still open is for the server to say, by ending there.
        return max(0, self.last_seq - 1) if self._asked else self.last_seq

    def _hear(self, event: Event) -> bool:
        """Take note of it. Shape: whether it tells anything new; a server may greet each connection with the same snapshot."""
        self._away = False
        news = event.seq > self.last_seq if event.seq else True
        if isinstance(event.body, Snapshot):
            self.task_id = event.body.task.id
            news = event.body.task != self._snapshot
            self._snapshot = event.body.task
        self.last_seq = max(self.last_seq, event.seq)
        self.state = event.state or self.state
        self._asked = self.state is TaskState.INPUT_REQUIRED
        return news

    def _lost(self, error: ConnectionLost | Unavailable) -> None:
        if self._away:
            return
        self._away = True
        self.lost_count += 1
        if self._on_lost is not None:
            self._on_lost(ConnectionLost(error.message))


class _Patience:
    """When to try again, and when no more: `give_up_s` after the last sign of life, however long an attempt takes."""

    def __init__(self, give_up_s: float) -> None:
        self._give_up_s = give_up_s
        self._until = anyio.current_time() + give_up_s
        self._delay_s = FIRST_DELAY_S

    def heard(self, *, news: bool) -> None:
        self._until = anyio.current_time() + self._give_up_s
        if news:
            # Only then: a server that breaks every connection after its greeting is not to be asked 20 times a second.
            self._delay_s = FIRST_DELAY_S

    async def wait(self, error: ConnectionLost | Unavailable) -> None:
        """Wait before the next attempt. Raises: `error`, when there is to be none."""
        left_s = self._until - anyio.current_time()
        if left_s <= 0:
            raise error
        # Spread out, so that the callers of a server that comes back do not all knock at once.
        await anyio.sleep(min(left_s, self._delay_s * random.uniform(0.9, 1.0)))
        self._delay_s = min(LONGEST_DELAY_S, self._delay_s * 2)


def _closing(events: Any) -> aclosing[AsyncGenerator[Event]]:
    # Every client's streams are async generators: one that is left half way is to let go of its connection now.
    return aclosing(cast("AsyncGenerator[Event]", events))
