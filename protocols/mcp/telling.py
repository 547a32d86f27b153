"""Progress of a task on the stream of the call that waits for it, each notification marked with the event that it tells."""

from __future__ import annotations

from typing import Any

import mcp.types as t
from mcp.server.context import ServerRequestContext

from ...agents.events import Event, Progress
from .wire import EVENT


def progress_params(
    task_id: str, event: Event, request: str | int, token: str | int, tool: str
) -> t.ProgressNotificationParams | None:
    """What tells that event, None where progress does not tell it. The first event of a task tells its id."""
    body = event.body
    if isinstance(body, Progress):
        done, total, text = body.done, body.total, body.text or None
    elif event.seq == 1:
        done, total, text = 0.0, None, f"the task {task_id} has been submitted"
    else:
        return None
    meta: Any = {EVENT: {"task": task_id, "seq": event.seq, "request": request, "tool": tool}}
    return t.ProgressNotificationParams(progress_token=token, progress=done, total=total, message=text, _meta=meta)


def tells_progress(ctx: ServerRequestContext[Any, Any]) -> bool:
    """True where the caller gave a progress token."""
    return _token(ctx) is not None


def _token(ctx: ServerRequestContext[Any, Any]) -> str | int | None:
    return (ctx.meta or {}).get("progress_token", (ctx.meta or {}).get("progressToken"))


async def tell_progress(ctx: ServerRequestContext[Any, Any], task_id: str, event: Event, tool: str) -> None:
    """Tell it to a caller that gave a progress token."""
    token = _token(ctx)
    if token is None or ctx.request_id is None:
        return
    params = progress_params(task_id, event, ctx.request_id, token, tool)
    if params is not None:
        await ctx.session.send_notification(t.ProgressNotification(params=params), related_request_id=ctx.request_id)
