"""A task as SEP-2663 tells it, and back.

Shape: `submitted` and `working` are `working`; what a tool's work failed with is its result, so `failed` and `rejected` are
`completed` with `isError`, and `failed` is for JSON-RPC errors (SEP-2663, Task Status). Progress is the status message,
`done/total text`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import mcp.types as t
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from ...agents.errors import Rejected, SametaskError
from ...agents.events import ErrorInfo, Event, OpenQuestion, Progress, StateChanged, Task, TaskState
from .content import artifacts_of, final_result, value_of
from .failures import from_protocol, from_result, protocol_error
from .questions import elicitation
from .wire import CreateTaskResult, DetailedTask, Status

_STATUS: Final[dict[TaskState, Status]] = {
    TaskState.SUBMITTED: "working",
    TaskState.WORKING: "working",
    TaskState.INPUT_REQUIRED: "input_required",
    TaskState.COMPLETED: "completed",
    TaskState.FAILED: "completed",
    TaskState.REJECTED: "completed",
    TaskState.CANCELED: "cancelled",
}
_NOT_THE_TOOL = frozenset({"error", "unavailable"})
"""Errors of the server and not of the tool's work: a JSON-RPC error had the tool been called without a task."""
_PROGRESS = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?)(?:/(-?[\d.]+(?:e[+-]?\d+)?))?(?: (.*))?", re.DOTALL)


def seed(task: Task, poll_interval_ms: int) -> dict[str, Any]:
    """The fields of a Task: what CreateTaskResult carries. A task is never discarded, so its ttl is null."""
    message = _message(task)
    return {
        "taskId": task.id,
        "status": _status(task),
        **({"statusMessage": message} if message else {}),
        "createdAt": _iso(task.created_at),
        "lastUpdatedAt": _iso(task.updated_at),
        "ttlMs": None,
        "pollIntervalMs": poll_interval_ms,
    }


def detailed(task: Task, poll_interval_ms: int, questions: Sequence[OpenQuestion] = ()) -> dict[str, Any]:
    """The fields of a DetailedTask: what tasks/get answers. `questions` are all that are open."""
    body = seed(task, poll_interval_ms)
    if task.state is TaskState.INPUT_REQUIRED:
        body["inputRequests"] = {
            question.request_id: elicitation(question).model_dump(by_alias=True, mode="json", exclude_none=True)
            for question in questions
        }
    if body["status"] == "failed" and task.error is not None:
        body["error"] = protocol_error(SametaskError.from_json(task.error.model_dump())).error.model_dump(mode="json")
    if body["status"] == "completed":
        body["result"] = final_result(task).model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"result_type"})
    return body


def after(task: Task, event: Event) -> Task:
    """The task once `event` has happened, but for its artifacts."""
    changes: dict[str, Any] = {"updated_at": event.at, "last_seq": event.seq}
    if isinstance(event.body, StateChanged):
        changes |= {"state": event.body.state, "question": event.body.question}
        changes |= {"result": event.body.result, "error": event.body.error}
    elif isinstance(event.body, Progress):
        changes["progress"] = event.body
    return task.model_copy(update=changes)


def task_of(told: CreateTaskResult | DetailedTask) -> Task:
    """What a server tells of a task, as ours. A completed CreateTaskResult has no result yet: ask tasks/get."""
    known: dict[str, Any] = {
        "id": told.task_id,
        "created_at": _seconds(told.created_at),
        "updated_at": _seconds(told.last_updated_at),
    }
    if told.status == "cancelled":
        return Task(state=TaskState.CANCELED, **known)
    if told.status == "working":
        return Task(state=TaskState.WORKING, progress=progress_of(told.status_message), **known)
    if told.status == "input_required":
        asked = told.input_requests if isinstance(told, DetailedTask) else None
        return Task(state=TaskState.INPUT_REQUIRED, question=_question(asked or {}), **known)
    if told.status == "failed":
        said: dict[str, Any] = {"code": t.INTERNAL_ERROR, "message": told.status_message or "the task failed"}
        said |= (told.error if isinstance(told, DetailedTask) else None) or {}
        failed = from_protocol(MCPError(said["code"], said["message"], said.get("data")))
        return Task(state=TaskState.FAILED, error=ErrorInfo.model_validate(failed.to_json()), **known)
    if isinstance(told, CreateTaskResult) or told.result is None:
        return Task(state=TaskState.COMPLETED, **known)
    result = t.CallToolResult.model_validate(told.result, by_name=False)
    known["artifacts"] = artifacts_of(result)
    if result.is_error:
        error = from_result(result)
        state = TaskState.REJECTED if isinstance(error, Rejected) else TaskState.FAILED
        return Task(state=state, error=ErrorInfo.model_validate(error.to_json()), **known)
    return Task(state=TaskState.COMPLETED, result=value_of(result), **known)


def progress_of(message: str | None) -> Progress | None:
    """The progress that a status message tells of: `done`, `done/total` or `done/total text`; else the text alone."""
    if not message:
        return None
    if (found := _PROGRESS.fullmatch(message)) is not None:
        done, total, text = found.groups()
        try:
            return Progress(done=float(done), total=None if total is None else float(total), text=text or "")
        except ValueError:
            pass  # a server of its own mind: "1.2.3 released"
    return Progress(done=0, text=message)


def _status(task: Task) -> Status:
    if task.state is TaskState.FAILED and task.error is not None and task.error.code in _NOT_THE_TOOL:
        return "failed"
    return _STATUS[task.state]


def _message(task: Task) -> str:
    if task.state is TaskState.INPUT_REQUIRED:
        return task.question.text if task.question else ""
    if task.error is not None:
        return task.error.message
    if task.progress is None or task.state.terminal:
        return ""
    told = task.progress
    total = "" if told.total is None else f"/{_number(told.total)}"
    return f"{_number(told.done)}{total} {told.text}".rstrip()


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _question(asked: dict[str, Any]) -> OpenQuestion | None:
    for request_id, request in asked.items():
        try:
            params = t.ElicitRequest.model_validate(request, by_name=False).params
        except ValidationError:
            continue  # not a question to a person: sampling or roots
        if isinstance(params, t.ElicitRequestFormParams):
            return OpenQuestion(request_id=request_id, text=params.message, answer_schema=params.requested_schema)
    return None


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds(at: str) -> float:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return 0.0
