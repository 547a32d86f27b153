"""A2A's operations over the engine (A2A 1.0 section 3.1), the same for each of the protocol's bindings.

Every binding, ours or the SDK's, calls nothing but these methods. `context.state` may hold the `variant` that is spoken;
`time_remaining`, a function that gives the seconds left where the binding knows the caller's deadline; and `draining`, an event
that is set when the server is about to stop.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import cast

import anyio
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
)
from a2a.utils.errors import TaskNotCancelableError, UnsupportedOperationError
from a2a.utils.task import apply_history_length, validate_history_length

from ...agents import events as ours
from ...agents.contract import Origin
from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput, SametaskError, TaskFinished, UnknownTask
from ..webhook_settings import WebhookSettings
from . import requests, resume
from .conversations import Conversations
from .errors import speaking_a2a
from .json_values import from_struct
from .listing import list_tasks
from .push import PushConfigs, to_config
from .required import check_required
from .translate import Update, question_message, result_message, to_task, to_updates

DEADLINE_MARGIN = 0.1
DEADLINE_MARGIN_MAX_S = 0.25
"""A blocking call answers with the task as it stands when this part of its time is left, so that the caller learns its id."""


class TaskHandler(RequestHandler):
    def __init__(self, engine: TaskEngine, webhooks: WebhookSettings = WebhookSettings()) -> None:
        self.engine = engine
        self.push = PushConfigs(engine, webhooks)
        self.conversations = Conversations()

    async def on_message_send(self, params: SendMessageRequest, context: ServerCallContext) -> Task | Message:
        """A quick skill's answer as a Message; else the task once it has ended or asks, or at once where that is wanted."""
        with speaking_a2a():
            begun = await self._begin(params, context, waits=not params.configuration.return_immediately)
            if isinstance(begun, Message):
                return begun
            if not params.configuration.return_immediately:
                begun = await self._settled(begun, context)
            return apply_history_length(self._task(begun, context), params.configuration)

    async def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Message | Task | Update]:
        """The task first, then what happens to it, up to its end or an open question; or a quick skill's Message."""
        with speaking_a2a():
            after = resume.cursor(context)
            begun = await self._begin(params, context)
            if isinstance(begun, Message):
                yield begun
                return
            yield apply_history_length(self._task(begun, context), params.configuration)
            after = begun.last_seq if after is None else min(after, begun.last_seq)
            if not _at_rest(begun) or after < begun.last_seq:
                async with aclosing(self._updates(begun, after, context)) as updates:
                    async for update in updates:
                        yield update

    async def on_subscribe_to_task(
        self, params: SubscribeToTaskRequest, context: ServerCallContext
    ) -> AsyncGenerator[Task | Update]:
        """The task as it stands, then what happens to it from there on: A2A has no way to ask for what was missed. Our
        extension has: with a cursor, all that happened after it is told, also that of a task that has ended.
        """
        check_required(params)
        with speaking_a2a():
            task = await self._get(params.id, params.tenant)
            after = resume.cursor(context)
            if after is not None and after > task.last_seq:
                accepted = f"accepted: up to {task.last_seq}, the number of the task's newest event"
                raise InvalidInput(resume.AFTER, after, accepted)
            after = task.last_seq if after is None else after
            if task.state.terminal and after == task.last_seq:
                raise TaskFinished(task.id, task.state)
            yield self._task(task, context)
            async with aclosing(self._updates(task, after, context)) as updates:
                async for update in updates:
                    yield update

    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task:
        check_required(params)
        validate_history_length(params)
        with speaking_a2a():
            return apply_history_length(self._task(await self._get(params.id, params.tenant), context), params)

    async def on_list_tasks(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        check_required(params)
        with speaking_a2a():
            return await list_tasks(self.engine, params, self.conversations, lambda task: self._task(task, context))

    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task:
        check_required(params)
        with speaking_a2a(finished=TaskNotCancelableError):
            await self._get(params.id, params.tenant)
            return self._task(await self.engine.cancel(params.id), context)

    async def on_create_task_push_notification_config(
        self, params: TaskPushNotificationConfig, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        """Kept with the task; every event of it is told, those of before as well. Token and credentials are not told again."""
        check_required(params)
        with speaking_a2a():
            if not params.task_id:
                raise InvalidInput.missing("task_id", "the id of a task")
            task = await self._get(params.task_id, params.tenant)
            hook = await self.push.set(await self.push.checked(params, told=True), task.id, self._context_id(task))
            return to_config(hook, secret=bool(hook.secret) and not params.authentication.credentials)

    async def on_get_task_push_notification_config(
        self, params: GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> TaskPushNotificationConfig:
        check_required(params)
        with speaking_a2a():
            return await self.push.get((await self._get(params.task_id, params.tenant)).id, params.id)

    async def on_list_task_push_notification_configs(
        self, params: ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> ListTaskPushNotificationConfigsResponse:
        check_required(params)
        with speaking_a2a():
            await self._get(params.task_id, params.tenant)
            return await self.push.list(params)

    async def on_delete_task_push_notification_config(
        self, params: DeleteTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> None:
        check_required(params)
        with speaking_a2a():
            await self.push.delete((await self._get(params.task_id, params.tenant)).id, params.id)

    async def on_get_extended_agent_card(self, params: GetExtendedAgentCardRequest, context: ServerCallContext) -> AgentCard:
        raise UnsupportedOperationError("extended agent card: there is none; accepted: the card on HTTP, which tells all")

    async def _begin(
        self, params: SendMessageRequest, context: ServerCallContext, *, waits: bool = False
    ) -> ours.Task | Message:
        """Do what the message asks for, up to where a task is stored; or has ended, where the caller waits for that."""
        check_required(params)
        validate_history_length(params.configuration)
        message, hook = params.message, None
        if params.configuration.HasField("task_push_notification_config"):
            # Before anything is begun: a task whose caller was told that its webhook is not accepted must not exist.
            hook = await self.push.checked(params.configuration.task_push_notification_config, told=False)
        if message.task_id:
            task = await self._follow_up(message, params.tenant)
            if hook is not None:
                await self.push.set(hook, task.id, self._context_id(task))
            return task
        skill, data = requests.skill_and_input(self.engine.roster, params.tenant, message)
        request = skill.parse(data)
        if not skill.long:
            return result_message(await skill(request), message.context_id or uuid.uuid4().hex)
        origin = Origin(
            context.state.get("variant", "a2a"), context.user.user_name, message.message_id, from_struct(message.metadata)
        )
        key = requests.idempotency_key(message)
        if waits and key is None and hook is None:
            task = await self.engine.run(skill, request, origin=origin)
        else:
            task = await self.engine.submit(skill, request, key=key, origin=origin)
        if not self.conversations.knows(task.id):
            self.conversations.begin(task.id, message.context_id).add(message, task.id)
        if hook is not None:
            await self.push.set(hook, task.id, self._context_id(task))
        return task

    async def _follow_up(self, message: Message, tenant: str) -> ours.Task:
        """Answer the open question of the task that the message names; a message that names the question as well may come
        again, the first answer stands.
        """
        task = await self._get(message.task_id, tenant)
        # A task of an earlier process: its context is known to the client alone.
        conversation = self.conversations.begin(task.id, message.context_id)
        if message.context_id not in ("", conversation.context_id):
            raise InvalidInput("contextId", message.context_id, f"accepted: {conversation.context_id!r}, the task's own")
        request_id = requests.answered_request(message)
        if request_id is None:
            if task.state.terminal:
                raise TaskFinished(task.id, task.state)
            if task.question is None:
                said = f"task: {task.id!r} is {task.state} and asks nothing; accepted: a message once it is input_required"
                raise SametaskError.from_json({"code": "not_waiting", "message": said, "details": {"field": "task"}})
            request_id = task.question.request_id
        answered = await self.engine.answer(task.id, request_id, requests.answer(message, task.question))
        if task.question is not None:
            conversation.add(question_message(task.id, conversation.context_id, task.question), task.id)
        conversation.add(message, task.id)
        return answered

    async def _get(self, task_id: str, tenant: str) -> ours.Task:
        task = await self.engine.get(task_id)
        if tenant and task.agent != tenant:
            raise UnknownTask(task_id)
        return task

    def _context_id(self, task: ours.Task) -> str:
        return self.conversations.of(task.id).context_id

    def _task(self, task: ours.Task, context: ServerCallContext) -> Task:
        conversation = self.conversations.of(task.id)
        told = to_task(task, conversation.context_id, conversation.history)
        return resume.numbered_task(told, task.last_seq) if resume.active(context) else told

    async def _updates(self, task: ours.Task, after: int, context: ServerCallContext) -> AsyncGenerator[Update]:
        """What happened after event `after`, and what is yet to, up to the task's end or a question that stays open."""
        context_id = self.conversations.of(task.id).context_id
        async with aclosing(self._events(task.id, after)) as events:
            async for event in events:
                updates = to_updates(task.id, context_id, event)
                for update in resume.numbered(updates, event.seq) if resume.active(context) else updates:
                    yield update
                if event.state is ours.TaskState.INPUT_REQUIRED and (await self.engine.get(task.id)).last_seq == event.seq:
                    return

    def _events(self, task_id: str, after: int) -> AsyncGenerator[ours.Event]:
        return cast(AsyncGenerator[ours.Event], self.engine.events(task_id, after))

    async def _settled(self, task: ours.Task, context: ServerCallContext) -> ours.Task:
        """The task once it has ended or asks, or as it stands when the caller's time is nearly over or the server drains; the
        task goes on.
        """
        if _at_rest(task):
            return task
        remaining = cast("Callable[[], float | None] | None", context.state.get("time_remaining"))
        left_s = remaining() if remaining is not None else None
        wait_s = None if left_s is None else left_s - min(DEADLINE_MARGIN_MAX_S, left_s * DEADLINE_MARGIN)
        with anyio.move_on_after(wait_s):
            async with anyio.create_task_group() as group:
                if draining := cast("anyio.Event | None", context.state.get("draining")):
                    group.start_soon(_cancel_once, draining, group.cancel_scope)
                await self._follow_to_rest(task)
                group.cancel_scope.cancel()
        return await self.engine.get(task.id)

    async def _follow_to_rest(self, task: ours.Task) -> None:
        async with aclosing(self._events(task.id, task.last_seq)) as events:
            async for event in events:
                if event.state is ours.TaskState.INPUT_REQUIRED and _at_rest(await self.engine.get(task.id)):
                    return


async def _cancel_once(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _at_rest(task: ours.Task) -> bool:
    return task.state.terminal or task.state is ours.TaskState.INPUT_REQUIRED
