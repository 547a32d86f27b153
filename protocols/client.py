"""The client half's seam: a small client that every protocol gives, on that protocol's own official library.

An ability a protocol does not have is absent: the method raises `NotOffered` with the section of the specification that
decides it, and the variant lists it in `lacks`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..agents.errors import Conflict, ConnectionLost, SametaskError

if TYPE_CHECKING:
    from ..agents.events import Event, Task

MAX_MESSAGE_BYTES = 64 * 2**20


class NotOffered(SametaskError):
    """The protocol has no such ability; the message cites the section of its specification."""

    code = "error"


@dataclass(frozen=True)
class SkillInfo:
    """A skill as its protocol's discovery describes it; schemas are JSON Schema 2020-12, {} where none is carried."""

    name: str
    description: str
    long: bool
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


@dataclass(frozen=True)
class AgentInfo:
    name: str
    description: str
    version: str
    skills: tuple[SkillInfo, ...]


@dataclass(frozen=True)
class ClientSettings:
    """What a caller may set on any client. `idle_timeout_s` bounds the silence on an open stream; None waits for ever.
    `on_lost` is told of a broken connection that the protocol's library makes again by itself; every other loss is raised.

    `as_library` leaves timeouts, keepalive, retries and limits of size as the protocol's library has them out of the box: the
    three timeouts here then say nothing. `time_scale` goes with it and multiplies the library's own timeouts, for who cannot
    wait for them; 1 leaves them untouched.
    """

    connect_timeout_s: float = 5.0
    request_timeout_s: float = 60.0
    idle_timeout_s: float | None = None
    poll_interval_s: float = 0.2
    max_message_bytes: int = MAX_MESSAGE_BYTES
    on_lost: Callable[[ConnectionLost], None] | None = None
    as_library: bool = False
    time_scale: float = 1.0

    @property
    def answer_limit_s(self) -> float | None:
        """How long our own code lets an answer take; None sets no limit beside the library's."""
        return None if self.as_library else self.request_timeout_s

    @property
    def silence_limit_s(self) -> float | None:
        """How long our own code lets an open stream be silent; None sets no limit beside the library's."""
        return None if self.as_library else self.idle_timeout_s


class AgentClient(Protocol):
    """A connection to one server over one variant.

    Every method raises ConnectionLost when the peer goes away, and otherwise the very class of `agents/errors.py` that the
    server raised. Cancelling the caller's scope abandons the exchange, never the task.
    """

    async def discover(self) -> tuple[AgentInfo, ...]:
        """What the server offers, by the protocol's own discovery."""
        ...

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        """The result of a skill, as a JSON value; that of a long one is waited for, see `outcome`.

        :raises UnknownAgent, UnknownSkill, InvalidInput, Rejected, SkillFailed: as the server says
        """
        ...

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        """Start a long skill and return at once with its handle.

        :raises InvalidInput: the skill is quick (after its input was found right), so there is no task to follow
        :raises NotOffered: `key` was given and the protocol has no idempotency key
        """
        ...

    def stream(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> AsyncIterator[Event]:
        """Start a long skill and follow it from its first event, in as few exchanges as the protocol allows. The first
        item always tells the task's id: it is a `Snapshot`. Ends after the terminal event or an open question.
        """
        ...

    def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """Follow a task that is already running, resuming after event `after` where the protocol can. Ends after the
        terminal event or an open question; a stream that is cut before that raises ConnectionLost, it never looks finished.
        """
        ...

    async def get(self, task_id: str) -> Task: ...

    async def wait(self, task_id: str) -> Task:
        """The task once it is terminal or asks a question, by the protocol's own means of waiting."""
        ...

    async def answer(self, task_id: str, request_id: str, value: Any) -> None: ...

    async def cancel(self, task_id: str) -> None: ...


class Connect(Protocol):
    """The client half of a variant: `async with connect(url) as client`."""

    def __call__(self, url: str, settings: ClientSettings = ...) -> AbstractAsyncContextManager[AgentClient]: ...


def outcome(task: Task) -> Any:
    """The result of a task that is no longer running, as a JSON value.

    Raises: the task's own error; Conflict where it waits for an answer, which a plain call cannot give; SametaskError where
    it was canceled.
    """
    from ..agents.events import TaskState  # pydantic is not needed to know which variants there are

    if task.error is not None:
        raise SametaskError.from_json(task.error.model_dump())
    if task.state is TaskState.COMPLETED:
        return task.result
    if task.state is TaskState.INPUT_REQUIRED:
        asked = task.question.text if task.question else "a question"
        raise Conflict(f"task: {task.id!r} waits for an answer ({asked}); accepted: to follow it by its id, and answer")
    raise SametaskError(f"task: {task.id!r} was {task.state}")
