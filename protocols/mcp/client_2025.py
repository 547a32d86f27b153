"""The client half of 2025-11-25, on the SDK's own client with its handshake.

That revision has no tasks: a long skill is one call that waits, told on the way by progress. A connection that breaks
meanwhile is made again by the SDK, which asks for the rest with `Last-Event-ID`. What needs a task's id goes through the
server's plain tools.
"""

from __future__ import annotations

import asyncio
import logging
import math
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import anyio
import mcp.types as t
from mcp import Client
from pydantic import ValidationError

from ...agents.errors import InvalidInput, SametaskError
from ...agents.events import ArtifactEmitted, Event, OpenQuestion, Progress, Snapshot, StateChanged, Task, TaskState
from ..client import ClientSettings, outcome
from .client import McpClient, McpOptions, http_transport, stdio_transport, tool_of
from .connection import Connection, held
from .content import value_of
from .failures import from_result
from .plain_tools import RESULT_TOOL
from .silence import heard
from .status import task_of
from .wire import ERROR, EVENT, KEY, QUESTION, DetailedTask

MODE = "legacy"


class Mcp2025Client(McpClient):
    """Shape: satisfies `AgentClient`. What the server tells of running calls comes through `told`, by the call's token."""

    def __init__(self, connection: Connection, told: Told, settings: ClientSettings, *, on_pipes: bool) -> None:
        self.connection, self._told, self._settings = connection, told, settings
        self._ask = self._ping if on_pipes else None

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        result = await self._ask_tool(agent, tool_of(agent, skill), dict(request))
        if (asking := _asking(result)) is not None:
            outcome(asking)  # raises: it waits for an answer
        if result.is_error:
            raise from_result(result)
        return value_of(result)

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        given: dict[str, Any] = {"agent": agent, "skill": skill, "input": dict(request)}
        return await self._plain("task_submit", given | ({} if key is None else {"key": key}))

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        meta: dict[str, Any] = {} if key is None else {KEY: key}
        async with aclosing(self._followed(agent, tool_of(agent, skill), dict(request), meta)) as events:
            async for event in events:
                yield event

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """`after` has no effect: progress has no number that a new call could name."""
        task = await self.get(task_id)
        yield Event(seq=0, at=task.updated_at, body=Snapshot(task=task))
        if task.state.terminal or task.state is TaskState.INPUT_REQUIRED:
            return
        async with aclosing(self._followed("", RESULT_TOOL, {"task_id": task_id}, {}, task)) as events:
            async for event in events:
                yield event

    async def get(self, task_id: str) -> Task:
        return await self._plain("task_status", {"task_id": task_id})

    async def wait(self, task_id: str) -> Task:
        return await self._plain(RESULT_TOOL, {"task_id": task_id}, math.inf)

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        await self._plain("task_answer", {"task_id": task_id, "request_id": request_id, "answer": value})

    async def cancel(self, task_id: str) -> None:
        await self._plain("task_cancel", {"task_id": task_id})

    async def _ping(self) -> None:
        await self.connection.ask(self.connection.client.session.send_request(t.PingRequest(), t.EmptyResult))

    async def _plain(self, tool: str, arguments: dict[str, Any], timeout_s: float | None = None) -> Task:
        result = await self._ask_tool("", tool, arguments, timeout_s=timeout_s)
        if result.is_error:
            raise from_result(result)
        return _task(result)

    async def _ask_tool(
        self,
        agent: str,
        tool: str,
        arguments: dict[str, Any],
        meta: dict[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> t.CallToolResult:
        params = t.CallToolRequestParams(name=tool, arguments=arguments, _meta=cast(Any, meta))
        request = t.CallToolRequest(params=params)
        with self.naming(agent):
            return await self.connection.ask(self.connection.client.session.send_request(request, t.CallToolResult, timeout_s))

    async def _followed(
        self, agent: str, tool: str, arguments: dict[str, Any], meta: dict[str, Any], known: Task | None = None
    ) -> AsyncGenerator[Event]:
        """The events of one call that lasts as long as its task: the task's name first, unless it is known."""
        token = uuid.uuid4().hex
        queue = self._told.queue(token)
        calling = asyncio.create_task(
            self._ask_tool(agent, tool, arguments, {**meta, "progressToken": token}, timeout_s=math.inf)
        )
        calling.add_done_callback(lambda _: queue.put_nowait(None))
        task = known
        try:
            while (told := await heard(queue, self._settings.silence_limit_s, self._ask)) is not None:
                event = _read(told)
                if task is None:
                    task = Task(id=event[0], state=TaskState.SUBMITTED)
                    yield Event(seq=0, body=Snapshot(task=task))
                if event[1] is not None:
                    yield Event(seq=0, body=event[1])
            result = calling.result()
            if known is not None:
                if result.is_error:
                    raise from_result(result)
                ended = _task(result)
            elif task is not None and result.is_error and not (result.meta or {}).keys() & {ERROR, QUESTION}:
                ended = await self.get(task.id)  # it was ended by somebody, which is no error of its own
            else:
                ended = _ended(result, task)
                if task is None:
                    if not ended.id:
                        raise InvalidInput("skill", tool, "accepted: a long-running skill; this one answers at once")
                    yield Event(seq=0, body=Snapshot(task=ended.model_copy(update={"state": TaskState.WORKING})))
            for artifact in ended.artifacts:
                yield Event(seq=0, at=ended.updated_at, body=ArtifactEmitted(artifact=artifact))
            changed = StateChanged(state=ended.state, result=ended.result, error=ended.error, question=ended.question)
            yield Event(seq=0, at=ended.updated_at, body=changed)
        finally:
            self._told.forget(token)
            calling.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([calling], timeout=1)
            if calling.done() and not calling.cancelled():
                calling.exception()


class Told:
    """Hands each progress notification to the call that it belongs to."""

    def __init__(self) -> None:
        self._queues: dict[str | int, asyncio.Queue[t.ProgressNotificationParams | None]] = {}

    def queue(self, token: str) -> asyncio.Queue[t.ProgressNotificationParams | None]:
        return self._queues.setdefault(token, asyncio.Queue())

    def forget(self, token: str) -> None:
        del self._queues[token]

    async def __call__(self, message: Any) -> None:
        if isinstance(message, t.ProgressNotification) and (queue := self._queues.get(message.params.progress_token)):
            queue.put_nowait(message.params)


def _read(told: t.ProgressNotificationParams) -> tuple[str, Progress | None]:
    """The task's id and its progress; the first notification of a server of ours names the task and tells no progress."""
    marked = cast("dict[str, Any]", (told.meta or {}).get(EVENT) or {})
    if marked.get("seq") == 1:
        return str(marked["task"]), None
    return str(marked.get("task", "")), Progress(done=told.progress, total=told.total, text=told.message or "")


def _ended(result: t.CallToolResult, task: Task | None) -> Task:
    """What the answer of a skill's own tool tells of its task."""
    if (asking := _asking(result)) is not None:
        return asking
    if task is None and result.is_error:
        raise from_result(result)
    told = DetailedTask(task_id=task.id if task else "", status="completed", result=_as_json(result))
    return task_of(told)


def _asking(result: t.CallToolResult) -> Task | None:
    """The task that waits for an answer, where that is what the call was answered with."""
    asked = (result.meta or {}).get(QUESTION)
    if not isinstance(asked, dict):
        return None
    fields = cast("dict[str, Any]", asked)
    question = OpenQuestion.model_validate({name: value for name, value in fields.items() if name != "task_id"})
    return Task(id=str(fields.get("task_id", "")), state=TaskState.INPUT_REQUIRED, question=question)


def _task(result: t.CallToolResult) -> Task:
    try:
        return Task.model_validate(value_of(result))
    except ValidationError as error:
        raise SametaskError(f"the server's answer is no task: {error.errors()[0]['msg']}") from None


def _as_json(result: t.CallToolResult) -> dict[str, Any]:
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


@asynccontextmanager
async def connect_http(
    url: str, settings: ClientSettings = ClientSettings(), options: McpOptions = McpOptions()
) -> AsyncGenerator[Mcp2025Client]:
    """A client of `http://HOST:PORT/mcp`, once it has been welcomed. Raises: as `client.connect_http`; ConnectionLost."""
    # It says on stderr that it could not take leave of a server which is gone; whoever calls knows that by its own call.
    logging.getLogger("mcp.client.streamable_http").setLevel(logging.ERROR)
    async with http_transport(url, settings, options) as transport, _connected(transport, url, settings, options) as client:
        yield client


@asynccontextmanager
async def connect_stdio(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[Mcp2025Client]:
    """A client of `stdio:COMMAND`. Raises: as `client.connect_stdio`."""
    transport, peer = stdio_transport(url)
    async with _connected(transport, peer, settings, McpOptions(), on_pipes=True) as client:
        yield client


@asynccontextmanager
async def _connected(
    transport: Any, peer: str, settings: ClientSettings, options: McpOptions, *, on_pipes: bool = False
) -> AsyncGenerator[Mcp2025Client]:
    told = Told()
    client = Client(
        transport,
        mode=MODE,
        message_handler=told,
        read_timeout_seconds=settings.answer_limit_s,
        elicitation_callback=options.elicitation,
    )
    async with held(client, peer) as connection:
        yield Mcp2025Client(connection, told, settings, on_pipes=on_pipes)
