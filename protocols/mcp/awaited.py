"""A long skill for a client that knows no tasks: its tool answers with the result, tells progress and asks by elicitation.

The task is the engine's all the same: a caller that goes away loses its answer, never the task.
"""

from __future__ import annotations

from typing import Any

import mcp.types as t
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from ...agents.contract import Skill
from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput, NotWaiting, SametaskError, TaskFinished, UnknownTask
from ...agents.events import Event, OpenQuestion, StateChanged, Task, TaskState
from .content import final_result
from .failures import protocol_error, tool_error
from .origins import idempotency_key, origin
from .questions import elicitation, form
from .tasks import respond
from .telling import tell_progress, tells_progress
from .tools import ToolTable
from .wire import MODERN, QUESTION

Outcome = t.CallToolResult | t.InputRequiredResult


async def run_awaited(
    engine: TaskEngine, table: ToolTable, skill: Skill, params: t.CallToolRequestParams, ctx: ServerRequestContext[Any, Any]
) -> Outcome:
    """Start the task, or come back to the one that `requestState` names, and wait for its end or a question.

    Raises: MCPError where the task cannot be made, or the request's state names none of this tool's.
    """
    try:
        if params.request_state:
            task = await _resumed(engine, skill, params)
        else:
            request, key = table.parse(params.name, params.arguments), idempotency_key(ctx)
            if key is None and not tells_progress(ctx) and ctx.protocol_version in MODERN:
                # The caller learns the task's id only where it has to come back to it.
                task = await engine.run(skill, request, origin=origin(ctx), keep=False)
            else:
                task = await engine.submit(skill, request, key=key, origin=origin(ctx))
    except InvalidInput as error:
        return tool_error(error)
    except SametaskError as error:
        raise protocol_error(error) from None
    if ctx.protocol_version not in MODERN:  # there a client that wants a task's name declares tasks
        named = Event(seq=1, at=task.created_at, body=StateChanged(state=TaskState.SUBMITTED))
        await tell_progress(ctx, task.id, named, params.name)
    return await wait_for(engine, task, ctx, params.name)


async def wait_for(engine: TaskEngine, task: Task, ctx: ServerRequestContext[Any, Any], tool: str) -> Outcome:
    """Follow the task to its end, telling progress; a question on the way is put to the caller where it can be."""
    while not task.state.terminal:
        if task.state is TaskState.INPUT_REQUIRED and task.question is not None:
            outcome = await _ask(engine, task, task.question, ctx)
            if outcome is not None:
                return outcome
        else:
            async for event in engine.events(task.id, task.last_seq):
                await tell_progress(ctx, task.id, event, tool)
                if event.state is TaskState.INPUT_REQUIRED:
                    break
        task = await engine.get(task.id)
    return final_result(task)


async def _resumed(engine: TaskEngine, skill: Skill, params: t.CallToolRequestParams) -> Task:
    assert params.request_state is not None
    task = await engine.get(params.request_state)
    if (task.agent, task.skill) != (skill.agent, skill.name):
        raise UnknownTask(params.request_state)
    for request_id, response in (params.input_responses or {}).items():
        try:
            await respond(engine, task.id, request_id, response)
        except (NotWaiting, TaskFinished):
            continue  # answered before, or ended meanwhile: the task itself tells what became of it
    return await engine.get(task.id)


async def _ask(engine: TaskEngine, task: Task, question: OpenQuestion, ctx: ServerRequestContext[Any, Any]) -> Outcome | None:
    """None once the question is answered; else what the tool answers with."""
    if not ctx.session.check_client_capability(t.ClientCapabilities(elicitation=t.ElicitationCapability())):
        return unanswered(task, question)
    if ctx.protocol_version in MODERN:
        return t.InputRequiredResult(input_requests={question.request_id: elicitation(question)}, request_state=task.id)
    try:
        response = await ctx.session.elicit_form(question.text, form(question.answer_schema), ctx.request_id)
    except MCPError:
        return unanswered(task, question)
    if response.action == "cancel":
        return unanswered(task, question)
    try:
        await respond(engine, task.id, question.request_id, response)
    except InvalidInput as error:
        return tool_error(error)
    except (NotWaiting, TaskFinished):
        pass  # someone else answered or ended it
    return None


def unanswered(task: Task, question: OpenQuestion) -> t.CallToolResult:
    """What a call answers with whose caller cannot be asked."""
    text = (
        f"The task {task.id} waits for an answer to its question {question.request_id}: {question.text} "
        f"Answer it with a tool such as task_answer; it stays open until then."
    )
    return t.CallToolResult(
        content=[t.TextContent(type="text", text=text)],
        is_error=True,
        _meta={QUESTION: {"task_id": task.id, **question.model_dump(mode="json")}},
    )
