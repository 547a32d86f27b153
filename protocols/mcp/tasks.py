"""The server half of the tasks extension over the task engine, which is its only store: any process of one store answers
tasks/get for a task of another, and after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import anyio
import mcp.types as t
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from pydantic import BaseModel

from ...agents.contract import Skill
from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput, NotWaiting, SametaskError, TaskFinished, UnknownTask
from ...agents.events import ArtifactEmitted, Task, TaskState
from .failures import protocol_error, tool_error
from .origins import idempotency_key, origin
from .status import after, detailed, seed
from .tools import ToolTable
from .wire import MODERN, SUBSCRIPTION_ID, TASKS, TaskIdParams, TaskNotification, UpdateParams

POLL_INTERVAL_MS = 200

Context = ServerRequestContext[Any, Any]
Params = TypeVar("Params", bound=TaskIdParams)


class TasksExtension(Extension):
    """Makes a long skill's tool a task for a client that declared the extension, and serves tasks/get, update and cancel."""

    identifier = TASKS

    def __init__(self, engine: TaskEngine, table: ToolTable, poll_interval_ms: int = POLL_INTERVAL_MS) -> None:
        self._engine, self._table, self._poll_interval_ms = engine, table, poll_interval_ms

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskIdParams, self._get, MODERN),
            MethodBinding("tasks/update", UpdateParams, self._update, MODERN),
            MethodBinding("tasks/cancel", TaskIdParams, self._cancel, MODERN),
        ]

    async def intercept_tool_call(self, params: t.CallToolRequestParams, ctx: Context, call_next: CallNext) -> HandlerResult:
        if params.name in self._table.needs_tasks:
            require_client_extension(ctx, TASKS)
        skill = self._table.skills.get(params.name)
        if skill is None or not skill.long or not declared(ctx):
            return await call_next(ctx)
        try:
            request = self._table.parse(params.name, params.arguments)
        except InvalidInput as error:
            return tool_error(error)
        return await self.begin(ctx, skill, request)

    async def begin(self, ctx: Context, skill: Skill, request: BaseModel) -> HandlerResult:
        """Store and start a task; the answer is its handle (SEP-2663, Task Creation). Raises: MCPError."""
        try:
            task = await self._engine.submit(skill, request, key=idempotency_key(ctx), origin=origin(ctx))
        except SametaskError as error:
            raise protocol_error(error) from None
        return {"resultType": "task", **seed(task, self._poll_interval_ms)}

    async def _get(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        _check(ctx, params)
        task = await found(self._engine, params.task_id)
        return {"resultType": "complete", **await _told(self._engine, task, self._poll_interval_ms)}

    async def _update(self, ctx: Context, params: UpdateParams) -> HandlerResult:
        _check(ctx, params)
        task = await found(self._engine, params.task_id)
        outstanding = {question.request_id for question in await self._engine.questions(task.id)}
        for request_id, response in params.input_responses.items():
            if request_id not in outstanding:
                continue  # SHOULD ignore what is not outstanding (SEP-2663, Task Update Requests)
            try:
                await respond(self._engine, task.id, request_id, response)
            except (NotWaiting, TaskFinished):
                continue  # it was outstanding a moment ago
            except SametaskError as error:
                raise protocol_error(error) from None
        return {"resultType": "complete"}

    async def _cancel(self, ctx: Context, params: TaskIdParams) -> HandlerResult:
        _check(ctx, params)
        task = await found(self._engine, params.task_id)
        try:
            await self._engine.cancel(task.id)
        except TaskFinished:
            pass  # MUST acknowledge with an empty result (SEP-2663, Task Cancellation)
        except SametaskError as error:
            raise protocol_error(error) from None
        return {"resultType": "complete"}


class TaskListening:
    """Serves subscriptions/listen: `notifications/tasks` for the `taskIds` it names, and everything else by the SDK's own
    handler. The stream begins with each task as it stands and ends when all of them have ended, or when the server drains.
    """

    def __init__(self, engine: TaskEngine, others: ListenHandler, poll_interval_ms: int = POLL_INTERVAL_MS) -> None:
        self._engine, self._others, self._poll_interval_ms = engine, others, poll_interval_ms
        self._open: set[anyio.CancelScope] = set()

    async def __call__(self, ctx: Context, params: t.SubscriptionsListenRequestParams) -> t.SubscriptionsListenResult:
        wanted = (params.notifications.model_extra or {}).get("taskIds")
        if wanted is None:
            return await self._others(ctx, params)
        require_client_extension(ctx, TASKS)
        tasks = await self._known(wanted)
        meta: dict[str, Any] = {SUBSCRIPTION_ID: ctx.request_id}
        agreed = t.SubscriptionFilter.model_validate({"taskIds": [task.id for task in tasks]})
        await ctx.session.send_notification(
            t.SubscriptionsAcknowledgedNotification(
                params=t.SubscriptionsAcknowledgedNotificationParams(notifications=agreed, _meta=meta)
            ),
            related_request_id=ctx.request_id,
        )
        with anyio.CancelScope() as scope:
            self._open.add(scope)
            try:
                async with anyio.create_task_group() as group:
                    for task in tasks:
                        group.start_soon(self._tell, ctx, task, meta)
            finally:
                self._open.discard(scope)
        return t.SubscriptionsListenResult(_meta=meta)

    def close(self) -> None:
        """End every open stream gracefully; its client sees that the server ended it, and asks again elsewhere."""
        self._others.close()
        for scope in list(self._open):
            scope.cancel()

    async def _known(self, wanted: Any) -> list[Task]:
        if not isinstance(wanted, list) or not all(isinstance(one, str) for one in cast(list[Any], wanted)):
            raise protocol_error(InvalidInput("notifications.taskIds", wanted, "a list of task ids is accepted"))
        tasks: list[Task] = []
        for task_id in dict.fromkeys(cast(list[str], wanted)):
            try:
                tasks.append(await self._engine.get(task_id))
            except UnknownTask:
                continue  # the acknowledgement names the ids that were agreed to
        return tasks

    async def _tell(self, ctx: Context, task: Task, meta: dict[str, Any]) -> None:
        await self._send(ctx, task, meta)
        if task.state.terminal:
            return
        async for event in self._engine.events(task.id, task.last_seq):
            # An artifact changes nothing that tasks/get tells before the end, and the end needs them all.
            task = await self._engine.get(task.id) if event.final else after(task, event)
            if not isinstance(event.body, ArtifactEmitted):
                await self._send(ctx, task, meta)

    async def _send(self, ctx: Context, task: Task, meta: dict[str, Any]) -> None:
        told = TaskNotification(params={**await _told(self._engine, task, self._poll_interval_ms), "_meta": meta})
        # The SDK's union of notifications is the core's; it sends any.
        await ctx.session.send_notification(cast(t.ServerNotification, told), related_request_id=ctx.request_id)


async def _told(engine: TaskEngine, task: Task, poll_interval_ms: int) -> dict[str, Any]:
    asking = task.state is TaskState.INPUT_REQUIRED
    return detailed(task, poll_interval_ms, await engine.questions(task.id) if asking else ())


def declared(ctx: Context) -> bool:
    """True when this request says that its client understands a task in place of a result."""
    capabilities = ctx.session.client_capabilities
    return ctx.protocol_version in MODERN and TASKS in ((capabilities.extensions if capabilities else None) or {})


async def found(engine: TaskEngine, task_id: str) -> Task:
    """The task. Raises: MCPError with -32602 where there is none."""
    try:
        return await engine.get(task_id)
    except SametaskError as error:
        raise protocol_error(error) from None


async def respond(engine: TaskEngine, task_id: str, request_id: str, response: Any) -> None:
    """Hand a person's response to the task: an accepted form answers it, a declined one cancels it (its skill has no way
    on without the answer), a dismissed one leaves the question open.

    Raises: as `TaskEngine.answer`; InvalidInput for what is not a response to an elicitation.
    """
    if isinstance(response, t.ElicitResult):
        response = response.model_dump(by_alias=True, mode="json", exclude_none=True)
    said = cast(dict[str, Any], response) if isinstance(response, dict) else {}
    match said.get("action"):
        case "accept":
            await engine.answer(task_id, request_id, said.get("content") or {})
        case "decline":
            await engine.cancel(task_id)
        case "cancel":
            return
        case other:
            raise InvalidInput(f"inputResponses.{request_id}.action", other, "accepted: accept, decline or cancel")


def gated(binding: MethodBinding) -> Callable[[Context, Any], Any]:
    """The binding's handler, for the revisions it names only."""

    async def handle(ctx: Context, params: Any) -> HandlerResult:
        if binding.protocol_versions is not None and ctx.protocol_version not in binding.protocol_versions:
            raise MCPError(t.METHOD_NOT_FOUND, "Method not found", binding.method)
        return await binding.handler(ctx, params)

    return handle


def _check(ctx: Context, params: TaskIdParams) -> None:
    require_client_extension(ctx, TASKS)
    headers = getattr(ctx.request, "headers", None)
    if headers is not None:  # the SDK compares Mcp-Name for the core's methods only (SEP-2663, Routing Headers)
        name = headers.get(MCP_NAME_HEADER)
        if name is None or decode_header_value(name) != params.task_id:
            raise MCPError(t.HEADER_MISMATCH, "the Mcp-Name header is not params.taskId")
