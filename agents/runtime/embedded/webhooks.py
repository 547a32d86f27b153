"""The webhooks of the embedded engine: rows beside the tasks', claimed by owners as tasks are."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import Conflict, UnknownWebhook
from ...events import Event
from ...webhooks import MAX_PER_TASK, Webhook, WebhookClaim, WebhookState
from ..rows import WEBHOOK_COLUMNS, WEBHOOK_FROM, webhook_of
from . import log
from .store import Store

_ONE_OF = "IN (SELECT value FROM json_each(?))"
_WAITING = f"{WEBHOOK_FROM} WHERE w.active = 1 AND w.owner IS NULL AND w.cursor < t.last_seq AND w.format {_ONE_OF}"


class SqliteWebhooks:
    """Shape: satisfies `Webhooks`. `me` is the owner that the store knows this process by."""

    def __init__(self, store: Store, me: str) -> None:
        self._store, self._me = store, me
        self._listeners: set[asyncio.Event] = set()

    async def set(self, hook: Webhook) -> Webhook:
        n = self._number(hook.task_id)
        await self._store.write(lambda db: _set(db, n, hook))
        return await self.get(hook.task_id, hook.id)

    async def get(self, task_id: str, webhook_id: str) -> Webhook:
        for hook in await self.list(task_id):
            if hook.id == webhook_id:
                return hook
        raise UnknownWebhook(task_id, webhook_id)

    async def list(self, task_id: str) -> list[Webhook]:
        n, query = self._number(task_id), f"SELECT {WEBHOOK_COLUMNS} {WEBHOOK_FROM} WHERE w.task = ? ORDER BY w.n"
        return self._store.read(lambda db: [webhook_of(row).hook for row in db.execute(query, (n,)).fetchall()])

    async def delete(self, task_id: str, webhook_id: str) -> None:
        n = self._number(task_id)
        statement = "DELETE FROM webhooks WHERE task = ? AND id = ?"
        await self._store.write(lambda db: db.execute(statement, (n, webhook_id)).rowcount)

    async def claim(self, formats: Sequence[str], limit: int, now: float) -> list[WebhookClaim]:
        wanted = json.dumps([*formats])
        found = f"SELECT 1 {_WAITING} AND w.next_at <= ? LIMIT 1"
        if self._first(found, (wanted, now)) is None:
            return []  # the usual case, and it costs no write
        return await self._store.write(lambda db: _take(db, self._me, wanted, limit, now))

    async def next_due(self, formats: Sequence[str], now: float) -> float | None:
        query = f"SELECT MIN(w.next_at) {_WAITING} AND w.next_at > ?"
        return self._first(query, (json.dumps([*formats]), now))[0]

    def _first(self, query: str, values: tuple[Any, ...]) -> Any:
        """Raises: Unavailable, so that a deliverer waits until the file can be read again."""
        return self._store.read(lambda db: db.execute(query, values).fetchone())

    def _number(self, task_id: str) -> int:
        return self._store.read(log.number, task_id)

    async def events(self, claim: WebhookClaim, after: int) -> list[Event]:
        return self._store.read(log.page, claim.task, after)[0]

    async def accepted(self, claim: WebhookClaim, cursor: int, part: int, state: WebhookState) -> bool:
        values = (cursor, part, state.value, state is WebhookState.ACTIVE)
        change = "cursor = ?, part = ?, state = ?, active = ?, attempts = 0, failing_since = NULL, last_error = ''"
        return await self._change(claim, change, values)

    async def postpone(self, claim: WebhookClaim, until: float, error: str, now: float, state: WebhookState) -> bool:
        values = (until, error, now, state.value, state is WebhookState.ACTIVE)
        change = (
            "attempts = attempts + 1, next_at = ?, last_error = ?, failing_since = COALESCE(failing_since, ?), state = ?,"
            " active = ?, owner = NULL"
        )
        return await self._change(claim, change, values)

    async def release(self, claim: WebhookClaim, now: float) -> None:
        await self._change(claim, "next_at = ?, owner = NULL", (now,))

    async def _change(self, claim: WebhookClaim, change: str, values: tuple[Any, ...]) -> bool:
        fenced = f"UPDATE webhooks SET {change} WHERE n = ? AND epoch = ? AND owner = ?"
        return await self._store.write(lambda db: db.execute(fenced, (*values, claim.n, claim.epoch, self._me)).rowcount == 1)

    @contextmanager
    def news(self) -> Generator[asyncio.Event]:
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    def wake(self) -> None:
        """Something was committed, here or by another process."""
        for event in self._listeners:
            event.set()


def let_go(db: sqlite3.Connection, owner: str) -> None:
    """Set free what a dead owner was delivering."""
    db.execute("UPDATE webhooks SET owner = NULL WHERE owner = ?", (owner,))


def _set(db: sqlite3.Connection, task: int, hook: Webhook) -> None:
    (others,) = db.execute("SELECT COUNT(*) FROM webhooks WHERE task = ? AND id <> ?", (task, hook.id)).fetchone()
    if others >= MAX_PER_TASK:
        raise Conflict(
            f"webhook: task {hook.task_id!r} has {others} already; accepted: at most {MAX_PER_TASK}", field="webhook"
        )
    db.execute(
        "INSERT INTO webhooks(task, id, uid, url, format, secret, headers, kept, cursor) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(task, id) DO UPDATE SET url = excluded.url, format = excluded.format, secret = excluded.secret,"
        " headers = excluded.headers, kept = excluded.kept, epoch = epoch + 1, owner = NULL, attempts = 0, next_at = 0,"
        " failing_since = NULL, last_error = '', state = 'active', active = 1",
        (task, hook.id, uuid.uuid4().hex, hook.url, hook.format, hook.secret, json.dumps(hook.headers), json.dumps(hook.kept),
         hook.cursor),
    )  # fmt: skip


def _take(db: sqlite3.Connection, me: str, wanted: str, limit: int, now: float) -> list[WebhookClaim]:
    due = f"SELECT w.n {_WAITING} AND w.next_at <= ? ORDER BY w.next_at, w.n LIMIT ?"
    taken = [n for (n,) in db.execute(due, (wanted, now, limit)).fetchall()]
    for n in taken:
        db.execute("UPDATE webhooks SET owner = ?, epoch = epoch + 1 WHERE n = ?", (me, n))
    rows = db.execute(f"SELECT {WEBHOOK_COLUMNS} {WEBHOOK_FROM} WHERE w.n {_ONE_OF}", (json.dumps(taken),))
    return [webhook_of(row) for row in rows.fetchall()]
