"""A2A's tasks and updates as ours again, for the client half."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, cast

from a2a.types import Artifact, Message, Part, StreamResponse, Task, TaskState, TaskStatus

from ...agents import events as ours
from .card import PROGRESS_KEY, SKILL_KEY
from .json_values import from_struct, from_value
from .resume import seq_of
from .translate import RESULT_ID, STATES

_STATES = {theirs: state for state, theirs in STATES.items()} | {
    TaskState.TASK_STATE_AUTH_REQUIRED: ours.TaskState.INPUT_REQUIRED,
    TaskState.TASK_STATE_UNSPECIFIED: ours.TaskState.SUBMITTED,
}


def read_task(task: Task) -> ours.Task:
    """The task as it stands. A server that is not ours leaves agent, skill and the numbers of progress out."""
    metadata = from_struct(task.metadata)
    agent, _, skill = str(metadata.get(SKILL_KEY, "")).partition(".")
    changed = _state_changed(task.status, None)
    progress = metadata.get(PROGRESS_KEY)
    if progress is None:
        told = _progress(task.status)
    else:
        told = ours.Progress(done=progress["done"], total=progress.get("total"), text=progress.get("text", ""))
    return ours.Task(
        id=task.id,
        agent=agent,
        skill=skill,
        state=changed.state,
        result=next((result_of(artifact) for artifact in task.artifacts if artifact.artifact_id == RESULT_ID), None),
        error=changed.error,
        question=changed.question,
        progress=told,
        artifacts=tuple(_artifact(artifact) for artifact in task.artifacts if artifact.artifact_id != RESULT_ID),
        updated_at=_seconds(task.status),
        last_seq=seq_of(metadata),
    )


class UpdateReader:
    """The events that a stream of updates tells. It holds a result back until the status that makes it one."""

    def __init__(self) -> None:
        self._result: Any = None

    def read(self, response: StreamResponse) -> Iterator[ours.Event]:
        """The events of one response; a Message tells none."""
        kind = response.WhichOneof("payload")
        if kind == "task":
            task = read_task(response.task)
            self._result = task.result  # it may stand there before the status that makes it one
            yield ours.Event(seq=0, at=task.updated_at, body=ours.Snapshot(task=task))
        elif kind == "status_update":
            status = response.status_update.status
            body = _progress(status) or _state_changed(status, self._result)
            seq = seq_of(from_struct(response.status_update.metadata))
            yield ours.Event(seq=seq, at=_seconds(status), body=body)
        elif kind == "artifact_update":
            update = response.artifact_update
            if update.artifact.artifact_id == RESULT_ID:
                self._result = result_of(update.artifact)
                return
            artifact = _artifact(update.artifact, append=update.append, last=update.last_chunk)
            yield ours.Event(seq=seq_of(from_struct(update.metadata)), body=ours.ArtifactEmitted(artifact=artifact))


def apply(task: ours.Task, event: ours.Event) -> ours.Task:
    """The task after that event, so that following it needs no further question to the server."""
    body = event.body
    told = {"updated_at": event.at, "last_seq": event.seq or task.last_seq}
    if isinstance(body, ours.Snapshot):
        return body.task
    if isinstance(body, ours.Progress):
        return task.model_copy(update={"progress": body, **told})
    if isinstance(body, ours.StateChanged):
        now = {"state": body.state, "result": body.result, "error": body.error, "question": body.question}
        return task.model_copy(update={**now, **told})
    chunk = body.artifact
    merged = {artifact.name: artifact for artifact in task.artifacts}
    before = merged[chunk.name].parts if chunk.append and chunk.name in merged else ()
    merged[chunk.name] = ours.Artifact(name=chunk.name, parts=before + chunk.parts, last=chunk.last)
    return task.model_copy(update={"artifacts": tuple(merged.values()), "last_seq": told["last_seq"]})


def result_of(message: Message | Artifact) -> Any:
    """The JSON value of the one data part, or the text of a server that answers in words."""
    data = _data_of(message.parts)
    return data if data is not None else _text_of(message.parts)


def _state_changed(status: TaskStatus, result: Any) -> ours.StateChanged:
    state = _STATES[status.state]
    error = question = None
    if state is ours.TaskState.INPUT_REQUIRED:
        asked = _object_of(status.message)
        question = ours.OpenQuestion(
            request_id=str(asked.get("request_id") or status.message.message_id),
            text=_text_of(status.message.parts),
            answer_schema=asked.get("answer_schema") or {},
        )
    elif state in (ours.TaskState.FAILED, ours.TaskState.REJECTED):
        told = _object_of(status.message)
        code = told.get("code") or ("rejected" if state is ours.TaskState.REJECTED else "skill_failed")
        text = _text_of(status.message.parts)
        error = ours.ErrorInfo(code=code, message=text, details=told.get("details") or {})
    return ours.StateChanged(
        state=state, result=result if state is ours.TaskState.COMPLETED else None, error=error, question=question
    )


def _progress(status: TaskStatus) -> ours.Progress | None:
    """The progress that a working status tells of: in numbers, or by a server that is not ours in words only."""
    if status.state != TaskState.TASK_STATE_WORKING or not status.HasField("message"):
        return None
    numbers = from_struct(status.message.metadata).get(PROGRESS_KEY) or {"done": 0}
    return ours.Progress(done=numbers["done"], total=numbers.get("total"), text=_text_of(status.message.parts))


def _seconds(status: TaskStatus) -> float:
    return status.timestamp.ToMicroseconds() / 1e6


def _text_of(parts: Sequence[Part]) -> str:
    return "\n".join(part.text for part in parts if part.HasField("text"))


def _data_of(parts: Sequence[Part]) -> Any:
    return next((from_value(part.data) for part in parts if part.HasField("data")), None)


def _object_of(message: Message) -> dict[str, Any]:
    data = _data_of(message.parts)
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def _artifact(artifact: Artifact, *, append: bool = False, last: bool = True) -> ours.Artifact:
    name = artifact.name or artifact.artifact_id
    return ours.Artifact(name=name, parts=tuple(_part(part) for part in artifact.parts), append=append, last=last)


def _part(part: Part) -> ours.TextPart | ours.DataPart | ours.FilePart:
    kind = part.WhichOneof("content")
    if kind == "data":
        return ours.DataPart(data=from_value(part.data))
    if kind == "text" and not part.filename:
        return ours.TextPart(text=part.text)
    raw = part.raw if kind == "raw" else part.text.encode() if kind == "text" else None
    return ours.FilePart(
        name=part.filename,
        media_type=part.media_type or "application/octet-stream",
        base64=None if raw is None else base64.b64encode(raw).decode(),
        url=part.url if kind == "url" else None,
    )
