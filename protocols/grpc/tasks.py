"""The service `sametask.tasks.v1.Tasks`, over the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import anyio

from ...agents.engine import TaskEngine
from ...agents.errors import Unavailable
from ...agents.events import Event, Task, TaskState
from ...proto import tasks_pb2 as pb
from .codec import Codec, parse
from .messages import Find, TaskWriter
from .status import Context

SERVICE = "sametask.tasks.v1.Tasks"

IDEMPOTENT = tuple(f"{SERVICE}/{method}" for method in ("Get", "Wait", "Answer", "Cancel", "List"))
"""Unary methods that may be called again without a thought: the first answer stands, and a canceled task stays canceled."""

LONGEST_WAIT_S = 3600.0
"""How long Wait waits for a caller who names no deadline."""


class TaskService:
    def __init__(self, engine: TaskEngine, codec: Codec, writer: TaskWriter, find: Find) -> None:
        self._engine, self._codec, self._writer, self._find = engine, codec, writer, find
        self._waiting: set[anyio.CancelScope] = set()
        self._draining = False

    def drain(self) -> None:
        """End every Wait with Unavailable."""
        self._draining = True
        for scope in self._waiting:
            scope.cancel()

    async def get(self, data: bytes, context: Context) -> pb.Task:
        request = pb.GetRequest()
        parse(request, data)
        return self._writer.task(await self._engine.get(request.task_id))

    async def wait(self, data: bytes, context: Context) -> pb.Task:
        request = pb.WaitRequest()
        parse(request, data)
        wait_s = _time_to_answer_s(context)
        if request.HasField("timeout"):
            wait_s = min(wait_s, request.timeout.seconds + request.timeout.nanos / 1e9)
        task = await self._engine.get(request.task_id)
        if not _settled(task):
            with anyio.move_on_after(0.0 if self._draining else max(0.0, wait_s)) as scope:
                self._waiting.add(scope)
                try:
                    async with aclosing(self.followed(task.id, task.last_seq)) as events:
                        async for _ in events:
                            pass
                finally:
                    self._waiting.discard(scope)
            if self._draining:
                raise Unavailable("the server is shutting down; its tasks go on")
            task = await self._engine.get(task.id)
        return self._writer.task(task)

    async def watch(self, data: bytes, context: Context) -> AsyncGenerator[pb.TaskEvent]:
        request = pb.WatchRequest()
        parse(request, data)
        task = await self._engine.get(request.task_id)
        skill = self._find(task.agent, task.skill)
        async with aclosing(self.followed(task.id, request.after)) as events:
            async for event in events:
                yield self._writer.event(event, skill)

    async def answer(self, data: bytes, context: Context) -> pb.Task:
        request = pb.AnswerRequest()
        parse(request, data)
        value: Any = self._codec.unpack(request.answer, given_only=True) if request.HasField("answer") else None
        return self._writer.task(await self._engine.answer(request.task_id, request.request_id, value))

    async def cancel(self, data: bytes, context: Context) -> pb.Task:
        request = pb.CancelRequest()
        parse(request, data)
        return self._writer.task(await self._engine.cancel(request.task_id))

    async def list(self, data: bytes, context: Context) -> pb.ListResponse:
        request = pb.ListRequest()
        parse(request, data)
        limit = request.limit if request.HasField("limit") else 100
        before = request.before if request.HasField("before") else None
        tasks = await self._engine.list(limit=limit, before=before)
        return pb.ListResponse(tasks=[self._writer.task(task) for task in tasks])

    async def followed(self, task_id: str, after: int) -> AsyncGenerator[Event]:
        """The task's events up to its end, or to a question that is still open."""
        events = cast(AsyncGenerator[Event], self._engine.events(task_id, after))
        async with aclosing(events):
            async for event in cast(AsyncIterator[Event], events):
                yield event
                if event.state is TaskState.INPUT_REQUIRED:
                    task = await self._engine.get(task_id)
                    if task.state is TaskState.INPUT_REQUIRED and task.last_seq == event.seq:
                        return


def _settled(task: Task) -> bool:
    return task.state.terminal or task.state is TaskState.INPUT_REQUIRED


def _time_to_answer_s(context: Context) -> float:
    """The time until the call's deadline, less what the answer needs to arrive in time."""
    left_s = cast("float | None", context.time_remaining())
    return LONGEST_WAIT_S if left_s is None else left_s - min(0.5, left_s / 5)
