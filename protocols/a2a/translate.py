"""The engine's tasks and events as A2A's (A2A 1.0 sections 4.1 and 4.2). `reading.py` is the way back."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from a2a.types import (
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

from ...agents import events as ours
from .card import PROGRESS_KEY, SKILL_KEY
from .json_values import fill, to_struct

RESULT_ID = "sametask/result"
"""The artifact that holds a completed task's result: a stock client sees it, ours makes it `Task.result` again."""

Update = TaskStatusUpdateEvent | TaskArtifactUpdateEvent

STATES = {
    ours.TaskState.SUBMITTED: TaskState.TASK_STATE_SUBMITTED,
    ours.TaskState.WORKING: TaskState.TASK_STATE_WORKING,
    ours.TaskState.INPUT_REQUIRED: TaskState.TASK_STATE_INPUT_REQUIRED,
    ours.TaskState.COMPLETED: TaskState.TASK_STATE_COMPLETED,
    ours.TaskState.FAILED: TaskState.TASK_STATE_FAILED,
    ours.TaskState.CANCELED: TaskState.TASK_STATE_CANCELED,
    ours.TaskState.REJECTED: TaskState.TASK_STATE_REJECTED,
}


def to_task(task: ours.Task, context_id: str, history: Sequence[Message] = ()) -> Task:
    """The task as it stands, its result as the last artifact."""
    said: Message | None = None
    if task.question is not None:
        said = question_message(task.id, context_id, task.question)
    elif task.error is not None:
        said = _error_message(task.id, context_id, task.error)
    elif task.progress is not None and task.state is ours.TaskState.WORKING:
        said = _progress_message(task.id, context_id, task.progress)
    artifacts = [_artifact(artifact) for artifact in task.artifacts]
    if task.state is ours.TaskState.COMPLETED:
        artifacts.append(_result(task.result))
    metadata: dict[str, Any] = {SKILL_KEY: f"{task.agent}.{task.skill}"}
    if task.progress is not None and task.state is not ours.TaskState.WORKING:
        metadata[PROGRESS_KEY] = _progress(task.progress)
    return Task(
        id=task.id,
        context_id=context_id,
        status=_status(task.state, task.updated_at, said),
        artifacts=artifacts,
        history=history,
        metadata=to_struct(metadata),
    )


def to_updates(task_id: str, context_id: str, event: ours.Event) -> Iterator[Update]:
    """What one event of the engine's tells, in order: a completed task's result comes before its last status."""
    body = event.body
    if isinstance(body, ours.ArtifactEmitted):
        artifact = _artifact(body.artifact)
        append, last = body.artifact.append, body.artifact.last
        yield TaskArtifactUpdateEvent(task_id=task_id, context_id=context_id, artifact=artifact, append=append, last_chunk=last)
        return
    said: Message | None = None
    state = ours.TaskState.WORKING
    if isinstance(body, ours.Progress):
        said = _progress_message(task_id, context_id, body)
    elif isinstance(body, ours.StateChanged):
        state = body.state
        if body.question is not None:
            said = question_message(task_id, context_id, body.question)
        elif body.error is not None:
            said = _error_message(task_id, context_id, body.error)
        elif state is ours.TaskState.COMPLETED:
            yield TaskArtifactUpdateEvent(
                task_id=task_id, context_id=context_id, artifact=_result(body.result), last_chunk=True
            )
    yield TaskStatusUpdateEvent(task_id=task_id, context_id=context_id, status=_status(state, event.at, said))


def result_message(result: Any, context_id: str) -> Message:
    """A quick skill's answer."""
    message = _message("", context_id)
    _add_data(message, result)
    return message


def question_message(task_id: str, context_id: str, question: ours.OpenQuestion) -> Message:
    """The question in words, then as data: `{"request_id", "answer_schema"}`."""
    data = {"request_id": question.request_id, "answer_schema": question.answer_schema}
    return _message(task_id, context_id, [Part(text=question.text), _data_part(data)], question.request_id)


def _status(state: ours.TaskState, at: float, said: Message | None) -> TaskStatus:
    status = TaskStatus(state=STATES[state], message=said)
    status.timestamp.FromNanoseconds(round(at * 1e6) * 1000)
    return status


def _message(task_id: str, context_id: str, parts: Iterable[Part] = (), name: str = "") -> Message:
    """A message of the agent's. What it says of a task has the same id whenever and by whichever process it is told."""
    message_id = f"{task_id}:{name}" if name else uuid.uuid4().hex
    return Message(message_id=message_id, task_id=task_id, context_id=context_id, role=Role.ROLE_AGENT, parts=parts)


def _progress_message(task_id: str, context_id: str, progress: ours.Progress) -> Message:
    message = _message(task_id, context_id, [Part(text=progress.text)], f"progress-{progress.done!r}")
    message.metadata.CopyFrom(to_struct({PROGRESS_KEY: {"done": progress.done, "total": progress.total}}))
    return message


def _progress(progress: ours.Progress) -> dict[str, Any]:
    return {"done": progress.done, "total": progress.total, "text": progress.text}


def _error_message(task_id: str, context_id: str, error: ours.ErrorInfo) -> Message:
    """The error in one line, then as data: `{"code", "details"}`."""
    data = {"code": error.code, "details": error.details}
    return _message(task_id, context_id, [Part(text=error.message), _data_part(data)], "error")


def _result(result: Any) -> Artifact:
    artifact = Artifact(artifact_id=RESULT_ID, name="result")
    _add_data(artifact, result)
    return artifact


def _artifact(artifact: ours.Artifact) -> Artifact:
    return Artifact(artifact_id=artifact.name, name=artifact.name, parts=[_part(part) for part in artifact.parts])


def _add_data(to: Message | Artifact, data: Any) -> None:
    fill(to.parts.add().data, data, field="data", exact=False)


def _data_part(data: Any) -> Part:
    part = Part()
    fill(part.data, data, field="data", exact=False)
    return part


def _part(part: ours.TextPart | ours.DataPart | ours.FilePart) -> Part:
    if isinstance(part, ours.TextPart):
        return Part(text=part.text)
    if isinstance(part, ours.DataPart):
        return _data_part(part.data)
    file = Part(filename=part.name, media_type=part.media_type)
    if part.base64 is not None:
        file.raw = base64.b64decode(part.base64)
    elif part.url is not None:
        file.url = part.url
    return file
