"""Our errors as A2A's and back: the nearest A2A error class carries our code and details in its `data`, which every binding
sends along; the table of codes is `protocols/errors.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from a2a.utils import errors as a2a
from a2a.utils.errors import A2AError

from ...agents.errors import SametaskError
from ..errors import DOMAIN, from_peer

NEAREST: dict[str, type[A2AError]] = {
    "error": a2a.InternalError,
    "invalid_input": a2a.InvalidParamsError,
    "not_found": a2a.InvalidParamsError,
    "unknown_agent": a2a.InvalidParamsError,
    "unknown_skill": a2a.InvalidParamsError,
    "unknown_task": a2a.TaskNotFoundError,
    "unknown_webhook": a2a.TaskNotFoundError,
    "conflict": a2a.UnsupportedOperationError,
    "task_finished": a2a.UnsupportedOperationError,
    "not_waiting": a2a.UnsupportedOperationError,
    "key_reused": a2a.InvalidParamsError,
    "rejected": a2a.UnsupportedOperationError,
    "too_large": a2a.InvalidParamsError,
    "skill_failed": a2a.InternalError,
    "deadline_exceeded": a2a.InternalError,
    "unavailable": a2a.InternalError,
    "connection_lost": a2a.InternalError,
}

_FOREIGN: dict[type[A2AError], str] = {
    a2a.TaskNotFoundError: "unknown_task",
    a2a.TaskNotCancelableError: "task_finished",
    a2a.UnsupportedOperationError: "conflict",
    a2a.PushNotificationNotSupportedError: "conflict",
    a2a.InvalidParamsError: "invalid_input",
    a2a.InvalidRequestError: "invalid_input",
    a2a.ContentTypeNotSupportedError: "invalid_input",
}


def to_a2a(error: SametaskError, finished: type[A2AError] = a2a.UnsupportedOperationError) -> A2AError:
    """The A2A error that carries `error`. `finished` is A2A's word for a task that has ended: another one when canceling
    (A2A 1.0 section 3.1.5) than in every other operation.
    """
    cls = finished if error.code == "task_finished" else NEAREST[error.code]
    return cls(error.message, {"reason": error.code.upper(), "domain": DOMAIN, **to_metadata(error.details)})


@contextmanager
def speaking_a2a(finished: type[A2AError] = a2a.UnsupportedOperationError) -> Generator[None]:
    """Raises what is ours as A2A's own, with ours as its cause."""
    try:
        yield
    except SametaskError as error:
        raise to_a2a(error, finished) from error


def to_metadata(details: Mapping[str, Any]) -> dict[str, str]:
    """Details as `google.rpc.ErrorInfo.metadata`, which holds texts only."""
    return {name: value if isinstance(value, str) else str(value) for name, value in details.items()}


def from_a2a(error: A2AError, reason: str = "", metadata: Mapping[str, str] | None = None) -> SametaskError:
    """The error that a server sent: of the class that `reason` (our code, upper case) names, else of the class nearest to
    A2A's own.
    """
    code = reason.lower() or _FOREIGN.get(type(error), "error")
    return from_peer(error.message, code=code, details=dict(metadata or {}))
