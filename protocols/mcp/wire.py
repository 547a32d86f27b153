"""What the tasks extension adds to the wire, as both halves read and write it, and our own `_meta` keys.

Source: SEP-2663 (io.modelcontextprotocol/tasks), the `ttlMs` revision of the 2026-07-28 extension.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import mcp.types as t
from pydantic import Field

TASKS: Final = "io.modelcontextprotocol/tasks"
MODERN: Final = frozenset({"2026-07-28"})
SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"

# `_meta` keys of ours (2026-07-28 basic, "_meta": a prefix of our own, a slash, a name).
KEY: Final = "sametask/key"
"""On tools/call: the idempotency key of the task to make."""
ERROR: Final = "sametask/error"
"""On a tool result with `isError`: `{"code", "message", "details"}` of `agents/errors.py`."""
WRAP: Final = "sametask/wrapped"
"""On a tool result: its structured content holds the value in the field `result`."""
QUESTION: Final = "sametask/question"
"""On a tool result with `isError`: the open question, with its `task_id`, of a caller that cannot be asked."""
EVENT: Final = "sametask/event"
"""On notifications/progress: `{"task", "seq", "request", "tool"}`, the event it tells, and the call that it belongs to."""
PART: Final = "sametask/part"
"""On a content block: `{"artifact", "kind"}`, the artifact part it carries."""

Status = Literal["working", "input_required", "completed", "failed", "cancelled"]


class TaskIdParams(t.RequestParams):
    task_id: str


class UpdateParams(TaskIdParams):
    input_responses: dict[str, Any] = Field(default_factory=dict)


class GetTask(t.Request[TaskIdParams, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: TaskIdParams
    name_param = "taskId"


class UpdateTask(t.Request[UpdateParams, Literal["tasks/update"]]):
    method: Literal["tasks/update"] = "tasks/update"
    params: UpdateParams
    name_param = "taskId"


class CancelTask(t.Request[TaskIdParams, Literal["tasks/cancel"]]):
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: TaskIdParams
    name_param = "taskId"


class CreateTaskResult(t.Result):
    """A handle in place of a tool's result. Units: `ttl_ms` and `poll_interval_ms` are milliseconds."""

    result_type: Literal["task"] = "task"
    task_id: str
    status: Status
    status_message: str | None = None
    created_at: str
    last_updated_at: str
    ttl_ms: int | None = None
    poll_interval_ms: int | None = None


class DetailedTask(t.Result):
    """What tasks/get answers and notifications/tasks carries."""

    task_id: str
    status: Status
    status_message: str | None = None
    created_at: str = ""
    last_updated_at: str = ""
    ttl_ms: int | None = None
    poll_interval_ms: int | None = None
    input_requests: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class TaskNotification(t.Notification[dict[str, Any], Literal["notifications/tasks"]]):
    method: Literal["notifications/tasks"] = "notifications/tasks"
    params: dict[str, Any]
