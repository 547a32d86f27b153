"""The client half of the tasks extension: its claim on tools/call, its three requests and its notifications."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import anyio
import mcp.types as t
from mcp.client import ClaimContext, ClientExtension, NotificationBinding, ResultClaim

from ..client import ClientSettings, outcome
from .connection import Connection
from .silence import heard
from .status import task_of
from .wire import TASKS, CancelTask, CreateTaskResult, DetailedTask, GetTask, TaskIdParams, UpdateParams, UpdateTask

TERMINAL = frozenset({"completed", "failed", "cancelled"})
LATE_S = 0.5
"""How long a notification may come after the result of the stream it was sent on: the SDK delivers the two separately."""


class ListenParams(t.RequestParams):
    notifications: dict[str, Any]


class Listen(t.Request[ListenParams, Literal["subscriptions/listen"]]):
    """The SDK's own driver of subscriptions/listen knows the core's notifications only."""

    method: Literal["subscriptions/listen"] = "subscriptions/listen"
    params: ListenParams


class TasksClient(ClientExtension):
    """Declares the extension. `Client.call_tool` finishes a task by polling; notifications go to whoever follows the task."""

    identifier = TASKS

    def __init__(self, settings: ClientSettings, *, on_pipes: bool = False) -> None:
        self._settings, self._on_pipes = settings, on_pipes
        self._followers: dict[str, list[asyncio.Queue[DetailedTask | None]]] = {}

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=CreateTaskResult, resolve=self._resolve)]

    def notifications(self) -> Sequence[NotificationBinding[Any]]:
        return [NotificationBinding(method="notifications/tasks", params_type=DetailedTask, handler=self._deliver)]

    async def get(self, connection: Connection, task_id: str) -> DetailedTask:
        return await connection.ask(
            connection.client.session.send_request(GetTask(params=TaskIdParams(task_id=task_id)), DetailedTask)
        )

    async def update(self, connection: Connection, task_id: str, request_id: str, value: Any) -> None:
        responses = {request_id: {"action": "accept", "content": value}}
        request = UpdateTask(params=UpdateParams(task_id=task_id, input_responses=responses))
        await connection.ask(connection.client.session.send_request(request, t.EmptyResult))

    async def cancel(self, connection: Connection, task_id: str) -> None:
        await connection.ask(
            connection.client.session.send_request(CancelTask(params=TaskIdParams(task_id=task_id)), t.EmptyResult)
        )

    async def until_settled(self, connection: Connection, task_id: str) -> DetailedTask:
        """Poll tasks/get, as often as the server suggests, until the task has ended or asks (SEP-2663, Task Polling)."""
        while True:
            told = await self.get(connection, task_id)
            if told.status in TERMINAL or told.status == "input_required":
                return told
            await anyio.sleep(self._poll_s(told))

    async def polled(self, connection: Connection, task_id: str) -> AsyncGenerator[DetailedTask]:
        """The task as it stands, again and again until it has ended."""
        while True:
            told = await self.get(connection, task_id)
            yield told
            if told.status in TERMINAL:
                return
            await anyio.sleep(self._poll_s(told))

    async def told(self, connection: Connection, task_id: str) -> AsyncGenerator[DetailedTask]:
        """What one subscriptions/listen stream tells of the task, its status at that time first. Ends with the stream.

        Raises: ConnectionLost when the stream broke or was silent for `idle_timeout_s`; SametaskError of the server's.
        """
        ask = (lambda: self.get(connection, task_id)) if self._on_pipes else None
        with self._following(task_id) as queue:
            params = ListenParams(notifications={"taskIds": [task_id]})
            # The request lasts as long as the stream: the session's timeout is for answers.
            request = connection.client.session.send_request(Listen(params=params), t.EmptyResult, math.inf)
            listening = asyncio.create_task(connection.ask(request))
            listening.add_done_callback(lambda _: queue.put_nowait(None))
            try:
                while (told := await heard(queue, self._settings.silence_limit_s, ask)) is not None:
                    yield told
                listening.result()
                while (late := await _late(queue)) is not None:
                    yield late
            finally:
                listening.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([listening], timeout=LATE_S)
                if listening.done() and not listening.cancelled():
                    listening.exception()

    @contextmanager
    def _following(self, task_id: str) -> Generator[asyncio.Queue[DetailedTask | None]]:
        queue: asyncio.Queue[DetailedTask | None] = asyncio.Queue()
        followers = self._followers.setdefault(task_id, [])
        followers.append(queue)
        try:
            yield queue
        finally:
            followers.remove(queue)
            if not followers:
                del self._followers[task_id]

    async def _deliver(self, told: DetailedTask) -> None:
        for queue in self._followers.get(told.task_id, []):
            queue.put_nowait(told)

    async def _resolve(self, made: CreateTaskResult, context: ClaimContext) -> t.CallToolResult:
        while True:
            request = GetTask(params=TaskIdParams(task_id=made.task_id))
            told = await context.session.send_request(request, DetailedTask)
            if told.status == "completed":
                return t.CallToolResult.model_validate(told.result, by_name=False)
            if told.status != "working":
                outcome(task_of(told))  # raises: it has not completed
            await anyio.sleep(self._poll_s(told))

    def _poll_s(self, told: DetailedTask) -> float:
        return self._settings.poll_interval_s if told.poll_interval_ms is None else told.poll_interval_ms / 1000


async def _late(queue: asyncio.Queue[DetailedTask | None]) -> DetailedTask | None:
    with anyio.move_on_after(LATE_S):
        return await queue.get()
    return None
