"""Follow a long task to its end across broken connections, by each protocol's own means of recovery."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

from ..agents.errors import ConnectionLost, Unavailable
from ..agents.events import Event, Snapshot, TaskState
from .client import AgentClient

Open = Callable[[], AbstractAsyncContextManager[AgentClient]]


class Follower:
    """One caller's view of one task. Nothing is repaired here: what a protocol repeats or leaves out after a reconnection
    is repeated or left out, so that it can be seen and counted.

    Shape: `task_id` is "" until the server has named the task; `last_seq` is the highest event number seen, 0 where the
    protocol has none; `lost_count` counts the broken connections.
    """

    def __init__(self, open_client: Open, *, give_up_s: float = 30.0, on_lost: Callable[[ConnectionLost], None] | None = None):
        self._open, self._give_up_s, self._on_lost = open_client, give_up_s, on_lost
        self.task_id = ""
        self.last_seq = 0
        self.lost_count = 0
        self.state: TaskState | None = None

    async def run(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> AsyncGenerator[Event]:
        """Start the task and yield what is told of it, up to its terminal event or an open question.

        Raises: ConnectionLost when the connection broke before the task had a name (and there is no `key` to ask again
        with), or when no server answered for `give_up_s`.
        """
        try:
            async with self._open() as client:
                async for event in client.stream(agent, skill, request, key=key):
                    yield self._seen(event)
        except (ConnectionLost, Unavailable) as error:
            self._lost(error)
            if not self.task_id:
                if key is None:
                    raise
                await self._name(agent, skill, request, key)
        else:
            return
        async for event in self.resume():
            yield event

    async def resume(self) -> AsyncGenerator[Event]:
        """Follow the named task from where this view stands. Raises: as `run`."""
        delay_s, waited_s = 0.05, 0.0
        while True:
            heard = False
            try:
                async with self._open() as client:
                    async for event in client.events(self.task_id, self.last_seq):
                        heard = True
                        yield self._seen(event)
                return
            except (ConnectionLost, Unavailable) as error:
                if heard:
                    delay_s, waited_s = 0.05, 0.0
                    self._lost(error)
                elif waited_s >= self._give_up_s:
                    raise
            await anyio.sleep(delay_s)
            waited_s += delay_s
            delay_s = min(1.0, delay_s * 2) * random.uniform(0.9, 1.0)

    async def answer(self, request_id: str, value: Any) -> None:
        """Answer the open question on a fresh connection."""
        async with self._open() as client:
            await client.answer(self.task_id, request_id, value)

    async def _name(self, agent: str, skill: str, request: Mapping[str, Any], key: str) -> None:
        with anyio.fail_after(self._give_up_s):
            while not self.task_id:
                try:
                    async with self._open() as client:
                        self.task_id = (await client.submit(agent, skill, request, key=key)).id
                except (ConnectionLost, Unavailable):
                    await anyio.sleep(0.1)

    def _seen(self, event: Event) -> Event:
        if isinstance(event.body, Snapshot):
            self.task_id = event.body.task.id
        self.last_seq = max(self.last_seq, event.seq)
        self.state = event.state or self.state
        return event

    def _lost(self, error: ConnectionLost | Unavailable) -> None:
        self.lost_count += 1
        if self._on_lost is not None:
            self._on_lost(ConnectionLost(error.message))
