"""ListTasks (A2A 1.0 section 3.1.4): filtered, newest change first, a page at a time."""

from __future__ import annotations

from collections.abc import Callable

from a2a.types import ListTasksRequest, ListTasksResponse, Task
from a2a.utils.constants import DEFAULT_LIST_TASKS_PAGE_SIZE
from a2a.utils.task import (
    ListTasksCursor,
    apply_history_length,
    decode_list_tasks_cursor,
    encode_list_tasks_cursor,
    validate_history_length,
    validate_page_size,
)

from ...agents import events as ours
from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput
from .conversations import Conversations
from .translate import STATES

_SCAN_COUNT = 1000


async def list_tasks(
    engine: TaskEngine, params: ListTasksRequest, conversations: Conversations, to_task: Callable[[ours.Task], Task]
) -> ListTasksResponse:
    """One page. Every task is looked at, since the answer tells how many there are in all.

    Raises: InvalidParamsError for a length or size out of bounds, InvalidInput for a page token that we did not give.
    """
    validate_history_length(params)
    if params.HasField("page_size"):
        validate_page_size(params.page_size)
    found = [task for task in await _all(engine) if _wanted(task, params, conversations)]
    found.sort(key=_position, reverse=True)
    start = 0
    if params.page_token:
        cursor = decode_list_tasks_cursor(params.page_token)
        if cursor is None:
            raise InvalidInput("pageToken", params.page_token, "accepted: the nextPageToken of an earlier answer, or none")
        after = (cursor.timestamp_ns or 0, cursor.task_id)
        start = next((n for n, task in enumerate(found) if _position(task) < after), len(found))
    size = params.page_size or DEFAULT_LIST_TASKS_PAGE_SIZE
    page = found[start : start + size]
    if params.include_artifacts:
        page = [await engine.get(task.id) for task in page]
    token = ""
    if start + size < len(found):
        last = found[start + size - 1]
        token = encode_list_tasks_cursor(ListTasksCursor(*_position(last)))
    tasks: list[Task] = []
    for task in page:
        listed = apply_history_length(to_task(task), params)
        if not params.include_artifacts:
            listed.ClearField("artifacts")
        tasks.append(listed)
    return ListTasksResponse(tasks=tasks, next_page_token=token, page_size=size, total_size=len(found))


async def _all(engine: TaskEngine) -> list[ours.Task]:
    found: list[ours.Task] = []
    while True:
        page = await engine.list(limit=_SCAN_COUNT, before=found[-1].id if found else None)
        found += page
        if len(page) < _SCAN_COUNT:
            return found


def _position(task: ours.Task) -> tuple[int, str]:
    return round(task.updated_at * 1e6) * 1000, task.id


def _wanted(task: ours.Task, params: ListTasksRequest, conversations: Conversations) -> bool:
    if params.tenant and task.agent != params.tenant:
        return False
    if params.context_id and conversations.of(task.id).context_id != params.context_id:
        return False
    if params.status and STATES[task.state] != params.status:
        return False
    after = params.HasField("status_timestamp_after")
    return not after or _position(task)[0] >= params.status_timestamp_after.ToNanoseconds()
