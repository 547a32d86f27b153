"""Tasks and their events to and from the messages of `tasks.proto`; results and artifact data in the agents' own messages."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, cast

from google.protobuf import json_format, timestamp_pb2

from ...agents.errors import SametaskError
from ...agents.events import (
    Artifact,
    ArtifactEmitted,
    DataPart,
    ErrorInfo,
    Event,
    FilePart,
    OpenQuestion,
    Part,
    Progress,
    Snapshot,
    StateChanged,
    Task,
    TaskState,
    TextPart,
)
from ...proto import tasks_pb2 as pb
from .codec import Codec
from .services import SkillService
from .status import from_status, to_status

Find = Callable[[str, str], SkillService | None]
"""The service of an agent's skill, for the types of its result and its artifacts."""


class TaskWriter:
    """Makes the messages, on the server."""

    def __init__(self, codec: Codec, find: Find) -> None:
        self._codec, self._find = codec, find

    def task(self, task: Task) -> pb.Task:
        skill = self._find(task.agent, task.skill)
        message = pb.Task(
            id=task.id,
            agent=task.agent,
            skill=task.skill,
            state=_state_number(task.state),
            created_at=_timestamp(task.created_at),
            updated_at=_timestamp(task.updated_at),
            last_seq=task.last_seq,
            artifacts=[self._artifact(artifact, skill) for artifact in task.artifacts],
        )
        self._outcome(message, task, skill)
        if task.progress is not None:
            message.progress.CopyFrom(_progress(task.progress))
        return message

    def first(self, task: Task) -> pb.TaskEvent:
        """The event that names the task, before those of its log."""
        return pb.TaskEvent(at=_timestamp(task.created_at), task=self.task(task))

    def event(self, event: Event, skill: SkillService | None) -> pb.TaskEvent:
        message = pb.TaskEvent(seq=event.seq, at=_timestamp(event.at))
        match event.body:
            case StateChanged() as body:
                message.state_change.state = _state_number(body.state)
                self._outcome(message.state_change, body, skill)
            case Progress() as body:
                message.progress.CopyFrom(_progress(body))
            case ArtifactEmitted() as body:
                message.artifact.CopyFrom(self._artifact(body.artifact, skill))
            case Snapshot() as body:
                message.task.CopyFrom(self.task(body.task))
        return message

    def _outcome(self, message: pb.Task | pb.StateChange, told: Task | StateChanged, skill: SkillService | None) -> None:
        if told.error is not None:
            message.error.CopyFrom(to_status(SametaskError.from_json(told.error.model_dump())))
        elif told.result is not None:
            message.result.CopyFrom(self._codec.pack(told.result, skill and skill.result))
        if told.question is not None:
            message.question.request_id, message.question.text = told.question.request_id, told.question.text
            json_format.ParseDict(told.question.answer_schema, message.question.answer_schema)

    def _artifact(self, artifact: Artifact, skill: SkillService | None) -> pb.Artifact:
        message = pb.Artifact(name=artifact.name, append=artifact.append, last=artifact.last)
        for part in artifact.parts:
            held = message.parts.add()
            match part:
                case TextPart():
                    held.text = part.text
                case DataPart():
                    held.data.CopyFrom(self._codec.pack(part.data, skill and skill.artifacts.get(artifact.name)))
                case FilePart():
                    held.file.name, held.file.media_type = part.name, part.media_type
                    if part.base64 is not None:
                        held.file.content = base64.b64decode(part.base64)
                    elif part.url is not None:
                        held.file.url = part.url
        return message


class TaskReader:
    """Reads the messages, on the client."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def task(self, message: pb.Task) -> Task:
        return Task(
            id=message.id,
            agent=message.agent,
            skill=message.skill,
            state=_state(message.state),
            **self._outcome(message),
            progress=_read_progress(message.progress) if message.HasField("progress") else None,
            artifacts=tuple(self._artifact(artifact) for artifact in message.artifacts),
            created_at=_seconds(message.created_at),
            updated_at=_seconds(message.updated_at),
            last_seq=message.last_seq,
        )

    def event(self, message: pb.TaskEvent) -> Event:
        match message.WhichOneof("body"):
            case "state_change":
                change = message.state_change
                body = StateChanged(state=_state(change.state), **self._outcome(change))
            case "progress":
                body = _read_progress(message.progress)
            case "artifact":
                body = ArtifactEmitted(artifact=self._artifact(message.artifact))
            case _:
                body = Snapshot(task=self.task(message.task))
        return Event(seq=message.seq, at=_seconds(message.at), body=body)

    def _outcome(self, message: pb.Task | pb.StateChange) -> dict[str, Any]:
        outcome: dict[str, Any] = {}
        if message.HasField("result"):
            outcome["result"] = self._codec.unpack(message.result)
        elif message.HasField("error"):
            error = from_status(message.error) or SametaskError(message.error.message)
            outcome["error"] = ErrorInfo(code=error.code, message=error.message, details=error.details)
        if message.HasField("question"):
            asked = message.question
            schema = json_format.MessageToDict(asked.answer_schema)
            outcome["question"] = OpenQuestion(request_id=asked.request_id, text=asked.text, answer_schema=schema)
        return outcome

    def _artifact(self, message: pb.Artifact) -> Artifact:
        parts = tuple(self._part(part) for part in message.parts)
        return Artifact(name=message.name, parts=parts, append=message.append, last=message.last)

    def _part(self, part: pb.Part) -> Part:
        match part.WhichOneof("content"):
            case "data":
                return DataPart(data=self._codec.unpack(part.data))
            case "file":
                content = base64.b64encode(part.file.content).decode() if part.file.HasField("content") else None
                url = part.file.url if part.file.HasField("url") else None
                return FilePart(name=part.file.name, media_type=part.file.media_type, base64=content, url=url)
            case _:
                return TextPart(text=part.text)


def _state_number(state: TaskState) -> pb.TaskState:
    return cast(pb.TaskState, pb.TaskState.Value(f"TASK_STATE_{state.name}"))


def _state(number: pb.TaskState) -> TaskState:
    return TaskState(pb.TaskState.Name(number).removeprefix("TASK_STATE_").lower())


def _progress(progress: Progress) -> pb.Progress:
    return pb.Progress(done=progress.done, total=progress.total, text=progress.text)


def _read_progress(message: pb.Progress) -> Progress:
    return Progress(done=message.done, total=message.total if message.HasField("total") else None, text=message.text)


def _timestamp(at_s: float) -> timestamp_pb2.Timestamp:
    seconds, fraction = divmod(at_s, 1)
    nanos = round(fraction * 1e9)
    return timestamp_pb2.Timestamp(seconds=int(seconds) + nanos // 10**9, nanos=nanos % 10**9)


def _seconds(at: timestamp_pb2.Timestamp) -> float:
    return at.seconds + at.nanos / 1e9
