"""The one error tree: what a caller can have done wrong, and what can have gone wrong for them.

::

    SametaskError            code, one-line message, details
    ├── InvalidInput         a field has a value that is not accepted
    ├── NotFound             the thing named does not exist
    │   ├── UnknownAgent
    │   ├── UnknownSkill
    │   ├── UnknownTask
    │   └── UnknownWebhook
    ├── Conflict             the thing exists, but not in a state that allows this
    │   ├── TaskFinished     a terminal state is final
    │   ├── NotWaiting       an answer to a question that is not being asked
    │   └── KeyReused        an idempotency key came back with another input
    ├── Rejected             the skill declined the work (`raise Rejected("why")` in a skill)
    ├── TooLarge             a message over the stated limit
    ├── SkillFailed          the skill itself raised
    ├── DeadlineExceeded     the task was not done by the time its skill allows
    ├── Unavailable          draining, shutting down, or the store cannot be written
    └── ConnectionLost       client side only: the peer went away before a final answer

Every class has a stable `code`, which travels over every protocol beside that protocol's own code (the table is in
`protocols/errors.py`), so that the same mistake is the same class whichever way it was made.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SametaskError(Exception):
    """Something a caller is told in one line.

    Shape: `message` (str, one line), `details` (JSON object; `field`, `value`, `accepted` where they apply).
    """

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **details: Any) -> None:
        self.message = " ".join(message.split())
        self.details: dict[str, Any] = {name: value for name, value in details.items() if value is not None}
        super().__init__(self.message)

    def to_json(self) -> dict[str, Any]:
        """Shape: `{"code", "message", "details"}`, what is stored and what travels."""
        return {"code": self.code, "message": self.message, "details": self.details}

    @staticmethod
    def from_json(data: dict[str, Any]) -> SametaskError:
        """The error of the class that `data["code"]` names; an unknown code gives a plain SametaskError."""
        cls = BY_CODE.get(str(data.get("code")), SametaskError)
        error = cls.__new__(cls)
        SametaskError.__init__(error, str(data.get("message", "")), **data.get("details") or {})
        return error


class InvalidInput(SametaskError):
    """A field's value is not accepted: names the field, the value and what is accepted."""

    code = "invalid_input"

    def __init__(self, field: str, value: Any, accepted: str) -> None:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{field}: {shown} is not accepted; {accepted}", field=field, value=shown, accepted=accepted)

    @classmethod
    def missing(cls, field: str, accepted: str) -> InvalidInput:
        """A required field that was not given at all, so that there is no value to show."""
        error = cls(field, None, accepted)
        SametaskError.__init__(error, f"{field}: missing; {accepted}", field=field, accepted=accepted)
        return error


class NotFound(SametaskError):
    """The thing named does not exist."""

    code = "not_found"


class UnknownAgent(NotFound):
    code = "unknown_agent"

    def __init__(self, name: str, known: list[str]) -> None:
        accepted = "one of: " + ", ".join(known)
        super().__init__(f"agent: {name!r} is not known; accepted: {accepted}", field="agent", value=name, accepted=accepted)


class UnknownSkill(NotFound):
    code = "unknown_skill"

    def __init__(self, agent: str, name: str, known: list[str]) -> None:
        accepted = "one of: " + ", ".join(known)
        message = f"skill: agent {agent!r} has no skill {name!r}; accepted: {accepted}"
        super().__init__(message, field="skill", value=name, accepted=accepted)


class UnknownTask(NotFound):
    code = "unknown_task"

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"task: {task_id!r} is not known; accepted: the id that a submit gave",
            field="task",
            value=task_id,
            accepted="the id that a submit gave",
        )


class UnknownWebhook(NotFound):
    code = "unknown_webhook"

    def __init__(self, task_id: str, webhook_id: str) -> None:
        accepted = "the id that its creation gave"
        super().__init__(
            f"webhook: {webhook_id!r} is not known for task {task_id!r}; accepted: {accepted}",
            field="webhook",
            value=webhook_id,
            accepted=accepted,
        )


class Conflict(SametaskError):
    """The thing exists, but not in a state that allows this."""

    code = "conflict"


class TaskFinished(Conflict):
    code = "task_finished"

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(f"task: {task_id!r} is already {state}, which is final", field="task", value=task_id, state=state)


class NotWaiting(Conflict):
    code = "not_waiting"

    def __init__(self, task_id: str, request_id: str, waiting_for: str | None) -> None:
        accepted = f"the open question {waiting_for!r}" if waiting_for else "no question is open"
        super().__init__(
            f"request_id: task {task_id!r} did not ask {request_id!r}; accepted: {accepted}",
            field="request_id",
            value=request_id,
            accepted=accepted,
        )


class KeyReused(Conflict):
    code = "key_reused"

    def __init__(self, key: str) -> None:
        accepted = "the same skill and input again, or a new key"
        super().__init__(
            f"key: {key!r} was already used for another request; accepted: {accepted}",
            field="key",
            value=key,
            accepted=accepted,
        )


class Rejected(SametaskError):
    """The skill declined the work; the message is its reason."""

    code = "rejected"


class TooLarge(SametaskError):
    code = "too_large"


class SkillFailed(SametaskError):
    """The skill raised: the message is `ExceptionName: text`, never a traceback."""

    code = "skill_failed"

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {error}", exception=type(error).__name__)


class DeadlineExceeded(SametaskError):
    """The task was not done within the time that its skill allows for the whole of it."""

    code = "deadline_exceeded"

    def __init__(self, skill: str, deadline_s: float | None) -> None:
        within = "by its deadline" if deadline_s is None else f"within its {deadline_s:g} s"
        super().__init__(f"{skill} was not done {within}", field="deadline_s", value=deadline_s)


class Unavailable(SametaskError):
    code = "unavailable"


class ConnectionLost(SametaskError):
    """The peer went away before a final answer; the task may still be running."""

    code = "connection_lost"


def _tree(cls: type[SametaskError]) -> list[type[SametaskError]]:
    return [cls, *(found for sub in cls.__subclasses__() for found in _tree(sub))]


BY_CODE: dict[str, type[SametaskError]] = {cls.code: cls for cls in _tree(SametaskError)}
