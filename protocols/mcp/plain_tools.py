"""Five plain tools over tasks, for hosts that know no tasks extension: submit, status, result, answer, cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field

from ...agents.contract import Origin, Roster
from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput
from ...agents.events import Progress as ProgressEvent
from ...agents.events import Task, TaskState
from .extras import ExtraTool, Progress

RESULT_TOOL = "task_result"


class SubmitRequest(BaseModel):
    agent: str = Field(description="the agent's name")
    skill: str = Field(description="the name of one of its long-running skills")
    input: dict[str, Any] = Field(description="the skill's input; its JSON Schema is in the resource sametask://agents/{agent}")
    key: str | None = Field(default=None, min_length=1, description="idempotency key: the same key gives the same task")


class TaskRequest(BaseModel):
    task_id: str = Field(description="the id that task_submit gave")


class AnswerRequest(TaskRequest):
    request_id: str = Field(description="the question's request_id, from task_status")
    answer: dict[str, Any] = Field(description="an object that fits the question's answer_schema")


def task_tools(roster: Roster, engine: Callable[[], TaskEngine]) -> list[ExtraTool]:
    """Each answers with the task as it stands: its state, result, error, open question, progress and artifacts. `engine` is
    asked for when one is called.
    """

    async def submit(request: SubmitRequest, progress: Progress) -> Task:
        skill = roster.skill(request.agent, request.skill)
        if not skill.long:
            raise InvalidInput("skill", skill.name, "a long skill is accepted; this one answers at once, so call its own tool")
        return await engine().submit(skill, skill.parse(request.input), key=request.key, origin=Origin(variant="mcp"))

    async def status(request: TaskRequest, progress: Progress) -> Task:
        return await engine().get(request.task_id)

    async def result(request: TaskRequest, progress: Progress) -> Task:
        task = await engine().get(request.task_id)
        if task.state.terminal or task.state is TaskState.INPUT_REQUIRED:
            return task
        async for event in engine().events(task.id, task.last_seq):
            if isinstance(event.body, ProgressEvent):
                told = event.body
                await progress(told.done, told.total, told.text, event=(task.id, event.seq))
            if event.state is TaskState.INPUT_REQUIRED:
                break
        return await engine().get(task.id)

    async def answer(request: AnswerRequest, progress: Progress) -> Task:
        return await engine().answer(request.task_id, request.request_id, request.answer)

    async def cancel(request: TaskRequest, progress: Progress) -> Task:
        return await engine().cancel(request.task_id)

    long_skills = [f"{skill.agent}.{skill.name}" for skill in roster.skills() if skill.long]
    return [
        ExtraTool(
            "task_submit",
            "Starts a long-running skill as a task and returns at once with its id. Skills: " + ", ".join(long_skills),
            SubmitRequest,
            submit,
            Task,
            title="Submit a task",
        ),
        ExtraTool(
            "task_status",
            "Tells how a task stands, with its newest progress or its open question.",
            TaskRequest,
            status,
            Task,
            title="Task status",
            read_only=True,
        ),
        ExtraTool(
            RESULT_TOOL,
            "Waits until a task has ended or asks a question, and tells its result.",
            TaskRequest,
            result,
            Task,
            title="Task result",
            read_only=True,
        ),
        ExtraTool(
            "task_answer",
            "Answers the open question of a task; the first answer stands.",
            AnswerRequest,
            answer,
            Task,
            title="Answer a task's question",
            idempotent=True,
        ),
        ExtraTool(
            "task_cancel",
            "Cancels a task that has not ended.",
            TaskRequest,
            cancel,
            Task,
            title="Cancel a task",
            idempotent=True,
            destructive=True,
        ),
    ]
