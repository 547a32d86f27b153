"""Rows as both engines keep them, read back: their tables have the same columns."""

from __future__ import annotations

import json
from typing import Any

from ..events import Artifact, Progress, StateChanged, Task
from ..webhooks import Webhook, WebhookClaim, WebhookState

TASK_COLUMNS = "t.n, t.id, t.agent, t.skill, t.created_at, t.updated_at, t.last_seq, s.body, p.body, t.state"
TASK_FROM = (
    "FROM tasks t JOIN events s ON s.task = t.n AND s.seq = t.state_seq"
    " LEFT JOIN events p ON p.task = t.n AND p.seq = t.progress_seq"
)
WEBHOOK_COLUMNS = (
    "w.n, w.epoch, w.task, w.id, t.id, w.url, w.format, w.secret, w.headers, w.kept, w.uid, w.cursor, w.part, w.attempts,"
    " w.next_at, w.failing_since, w.last_error, w.state"
)
WEBHOOK_FROM = "FROM webhooks w JOIN tasks t ON t.n = w.task"


def task_of(row: tuple[Any, ...], artifacts: tuple[Artifact, ...] = ()) -> Task:
    """The task of a row of `TASK_COLUMNS`. Raises: pydantic.ValidationError for one that is damaged."""
    _, id_, agent, skill, created_at, updated_at, last_seq, state, progress, _ = row
    now = StateChanged.model_validate_json(state)
    return Task(
        id=id_,
        agent=agent,
        skill=skill,
        state=now.state,
        result=now.result,
        error=now.error,
        question=now.question,
        progress=Progress.model_validate_json(progress) if progress else None,
        artifacts=artifacts,
        created_at=created_at,
        updated_at=updated_at,
        last_seq=last_seq,
    )


def webhook_of(row: tuple[Any, ...]) -> WebhookClaim:
    """The webhook of a row of `WEBHOOK_COLUMNS`. Raises: ValueError for one that is damaged."""
    n, epoch, task, id_, task_id, url, format_, secret, headers, kept, uid, *position, state = row
    cursor, part, attempts, next_at, failing_since, last_error = position
    hook = Webhook(
        id=id_,
        task_id=task_id,
        url=url,
        format=format_,
        secret=secret,
        headers=tuple((name, value) for name, value in json.loads(headers)),
        kept=json.loads(kept),
        uid=uid,
        cursor=cursor,
        part=part,
        attempts=attempts,
        next_attempt_at=next_at,
        failing_since=failing_since,
        last_error=last_error,
        state=WebhookState(state),
    )
    return WebhookClaim(n, epoch, task, hook)
