"""The webhooks of the distributed engine: rows beside the tasks', claimed by workers as tasks are."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

from ...errors import Conflict, UnknownWebhook
from ...events import Event
from ...webhooks import MAX_PER_TASK, Webhook, WebhookClaim, WebhookState
from ..rows import WEBHOOK_COLUMNS, WEBHOOK_FROM, webhook_of
from . import log
from .log import Db
from .store import Store

_WAITING: LiteralString = f"{WEBHOOK_FROM} WHERE w.active AND w.owner IS NULL AND w.cursor < t.last_seq AND w.format = ANY(%s)"


class PostgresWebhooks:
    """Shape: satisfies `Webhooks`. `me` is the worker that the database knows this process by."""

    def __init__(self, store: Store, me: str) -> None:
        self._store, self._me = store, me
        self._listeners: set[asyncio.Event] = set()

    async def set(self, hook: Webhook) -> Webhook:
        n = await self._number(hook.task_id)
        await self._store.write(_set, n, hook)
        self.wake()
        return await self.get(hook.task_id, hook.id)

    async def get(self, task_id: str, webhook_id: str) -> Webhook:
        for hook in await self.list(task_id):
            if hook.id == webhook_id:
                return hook
        raise UnknownWebhook(task_id, webhook_id)

    async def list(self, task_id: str) -> list[Webhook]:
        rows = await self._all(
            f"SELECT {WEBHOOK_COLUMNS} {WEBHOOK_FROM} WHERE w.task = %s ORDER BY w.n", (await self._number(task_id),)
        )
        return [webhook_of(row).hook for row in rows]

    async def delete(self, task_id: str, webhook_id: str) -> None:
        deleted = "DELETE FROM webhooks WHERE task = %s AND id = %s RETURNING 1"
        await self._all(deleted, (await self._number(task_id), webhook_id))

    async def claim(self, formats: Sequence[str], limit: int, now: float) -> list[WebhookClaim]:
        wanted = [*formats]
        if not await self._all(f"SELECT 1 {_WAITING} AND w.next_at <= %s LIMIT 1", (wanted, now)):
            return []  # the usual case, and it costs no write
        taken = await self._store.write(_take, self._me, wanted, limit, now)
        rows = await self._all(f"SELECT {WEBHOOK_COLUMNS} {WEBHOOK_FROM} WHERE w.n = ANY(%s) ORDER BY w.next_at, w.n", (taken,))
        return [webhook_of(row) for row in rows]

    async def next_due(self, formats: Sequence[str], now: float) -> float | None:
        return (await self._all(f"SELECT MIN(w.next_at) {_WAITING} AND w.next_at > %s", ([*formats], now)))[0][0]

    async def events(self, claim: WebhookClaim, after: int) -> list[Event]:
        return await self._store.read(log.page, claim.task, after)

    async def accepted(self, claim: WebhookClaim, cursor: int, part: int, state: WebhookState) -> bool:
        return await self._change(
            "cursor = %s, part = %s, state = %s, active = %s, attempts = 0, failing_since = NULL, last_error = ''",
            (cursor, part, state.value, state is WebhookState.ACTIVE),
            claim,
        )

    async def postpone(self, claim: WebhookClaim, until: float, error: str, now: float, state: WebhookState) -> bool:
        return await self._change(
            "attempts = attempts + 1, next_at = %s, last_error = %s, failing_since = COALESCE(failing_since, %s), state = %s,"
            " active = %s, owner = NULL",
            (until, error.replace("\0", " "), now, state.value, state is WebhookState.ACTIVE),
            claim,
        )

    async def release(self, claim: WebhookClaim, now: float) -> None:
        await self._change("next_at = %s, owner = NULL", (now,), claim)

    async def _change(self, change: LiteralString, values: tuple[Any, ...], claim: WebhookClaim) -> bool:
        fenced = f"UPDATE webhooks SET {change} WHERE n = %s AND epoch = %s AND owner = %s RETURNING 1"
        return bool(await self._all(fenced, (*values, claim.n, claim.epoch, self._me)))

    async def _all(self, query: LiteralString, values: Any) -> list[tuple[Any, ...]]:
        async def rows(db: Db) -> list[tuple[Any, ...]]:
            return await (await db.execute(query, values)).fetchall()

        return await self._store.read(rows)

    async def _number(self, task_id: str) -> int:
        return await self._store.read(log.number, task_id)

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


async def _set(db: Db, task: int, hook: Webhook) -> None:
    await db.execute("SELECT 1 FROM tasks WHERE n = %s FOR NO KEY UPDATE", (task,))  # two that are set at once are counted
    found = await db.execute("SELECT COUNT(*) FROM webhooks WHERE task = %s AND id <> %s", (task, hook.id))
    others = (await found.fetchone() or (0,))[0]
    if others >= MAX_PER_TASK:
        raise Conflict(
            f"webhook: task {hook.task_id!r} has {others} already; accepted: at most {MAX_PER_TASK}", field="webhook"
        )
    await db.execute(
        "INSERT INTO webhooks(task, id, uid, url, format, secret, headers, kept, cursor)"
        " VALUES(%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT(task, id) DO UPDATE SET url = excluded.url, format = excluded.format, secret = excluded.secret,"
        " headers = excluded.headers, kept = excluded.kept, epoch = webhooks.epoch + 1, owner = NULL, attempts = 0,"
        " next_at = 0, failing_since = NULL, last_error = '', state = 'active', active = true",
        (task, hook.id, uuid.uuid4().hex, hook.url, hook.format, hook.secret, json.dumps(hook.headers), json.dumps(hook.kept),
         hook.cursor),
    )  # fmt: skip


async def _take(db: Db, me: str, wanted: list[str], limit: int, now: float) -> list[int]:
    # As with tasks: whoever was buried takes nothing before it is there again.
    taken = await db.execute(
        "WITH me AS (SELECT id FROM workers WHERE id = %s FOR KEY SHARE),"
        f" due AS (SELECT w.n {_WAITING} AND w.next_at <= %s ORDER BY w.next_at, w.n LIMIT %s FOR UPDATE OF w SKIP LOCKED)"
        " UPDATE webhooks SET owner = me.id, epoch = epoch + 1 FROM due, me WHERE webhooks.n = due.n RETURNING webhooks.n",
        (me, wanted, now, limit),
    )
    return [n for (n,) in await taken.fetchall()]
