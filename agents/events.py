"""Tasks and what they tell: states, artifacts, questions and the append-only log of events.

The states are A2A's (A2A 1.0 section 4.1.3), spelled in lower case; `rejected` is A2A's too. A terminal state is final.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator


class Frozen(BaseModel):
    """Base of every value here: immutable, and no unknown field passes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


MAX_INTEGER = 2**53 - 1
"""The greatest integer that every reader of JSON keeps (RFC 7493 section 2.2)."""


class Given(Frozen):
    """Base of what a caller gives: each value has the JSON type that the schema tells, so that neither `"5"` nor `true` passes
    for a number, whichever protocol brings it.
    """

    model_config = ConfigDict(strict=True)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """To JSON Schema, 2.0 is an integer too, and some writers know no other (JSON Schema 2020-12 Validation 6.1.1)."""
        if type(value) is float:
            return _as_integer(value)
        if isinstance(value, list):
            items = cast(list[Any], value)
            if float in map(type, items):
                return [_as_integer(item) if type(item) is float else item for item in items]
        return cast(Any, value)


def _as_integer(value: float) -> float | int:
    return int(value) if value.is_integer() and abs(value) <= MAX_INTEGER else value


class TaskState(StrEnum):
    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input_required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELED, TaskState.REJECTED})


class TextPart(Frozen):
    kind: Literal["text"] = "text"
    text: str


class DataPart(Frozen):
    kind: Literal["data"] = "data"
    data: Any = Field(description="any JSON value")


class FilePart(Frozen):
    kind: Literal["file"] = "file"
    name: str
    media_type: str = "application/octet-stream"
    base64: str | None = Field(default=None, description="the bytes, base64 (RFC 4648); or null, with a url")
    url: str | None = None


Part = Annotated[TextPart | DataPart | FilePart, Field(discriminator="kind")]


class Artifact(Frozen):
    """A named list of parts, whole or in chunks (A2A 1.0 section 4.1.7): chunks of one `name` are appended in order."""

    name: str
    parts: tuple[Part, ...]
    append: bool = Field(default=False, description="true: these parts follow those already sent under this name")
    last: bool = Field(default=True, description="false: more chunks of this name follow")


class OpenQuestion(Frozen):
    """A question that a task has asked its caller and that is not answered yet."""

    request_id: str = Field(description="names the question within its task; an answer cites it")
    text: str
    answer_schema: dict[str, Any] = Field(description="JSON Schema of the answer: a flat object of primitives")


class ErrorInfo(Frozen):
    """An error as data; see `agents/errors.py` for the codes."""

    code: str
    message: str
    details: dict[str, Any] = {}


class StateChanged(Frozen):
    """The task is now in `state`. `result`, `error` and `question` belong to completed, failed and input_required."""

    type: Literal["state"] = "state"
    state: TaskState
    result: Any = None
    error: ErrorInfo | None = None
    question: OpenQuestion | None = None


class Progress(Frozen):
    type: Literal["progress"] = "progress"
    done: float
    total: float | None = None
    text: str = ""


class ArtifactEmitted(Frozen):
    type: Literal["artifact"] = "artifact"
    artifact: Artifact


class Snapshot(Frozen):
    """Client side only: where a protocol answers a (re)subscription with the task as it stands instead of its events."""

    type: Literal["snapshot"] = "snapshot"
    task: Task


class Task(Frozen):
    """One execution of a skill, as it stands.

    Units: `created_at` and `updated_at` are seconds since the Unix epoch. `last_seq` is the sequence number of the last
    event in its log, 0 where a protocol does not carry it.
    """

    id: str
    agent: str = ""
    skill: str = ""
    state: TaskState
    result: Any = None
    error: ErrorInfo | None = None
    question: OpenQuestion | None = None
    progress: Progress | None = None
    artifacts: tuple[Artifact, ...] = ()
    created_at: float = 0.0
    updated_at: float = 0.0
    last_seq: int = 0


EventBody = Annotated[StateChanged | Progress | ArtifactEmitted | Snapshot, Field(discriminator="type")]


class Event(Frozen):
    """One entry of a task's log.

    `seq` starts at 1 and is strictly increasing within a task (dense in the embedded engine). On the client side it is 0
    where the protocol gives its events no number. `at` is seconds since the Unix epoch, 0.0 where it is not carried.
    """

    seq: int
    at: float = 0.0
    body: EventBody

    @property
    def state(self) -> TaskState | None:
        """The state this event tells of, or None where it tells of none."""
        if isinstance(self.body, StateChanged):
            return self.body.state
        return self.body.task.state if isinstance(self.body, Snapshot) else None

    @property
    def final(self) -> bool:
        """True for the last event of a task."""
        return self.state is not None and self.state.terminal


Snapshot.model_rebuild()
Event.model_rebuild()

BODY: TypeAdapter[StateChanged | Progress | ArtifactEmitted | Snapshot] = TypeAdapter(EventBody)
