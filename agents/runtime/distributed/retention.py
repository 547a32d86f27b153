"""Removing old tasks from the database, a few in each transaction, so that those who write meanwhile hardly wait."""

from __future__ import annotations

import time

from ...errors import InvalidInput
from ...retention import Pruned, Retention
from .log import Db
from .store import Store

BATCH_COUNT = 100


async def prune(store: Store, retention: Retention) -> Pruned:
    """As `Prunes.prune`; by age alone: Postgres tells what a table takes on the disk, and that does not shrink at once.

    Raises: InvalidInput for a size.
    """
    if retention.larger_than_bytes is not None:
        raise InvalidInput("larger_than", retention.larger_than_bytes, "with Postgres older_than alone is accepted")
    removed = 0
    if retention.older_than_s is not None:
        ended_before = time.time() - retention.older_than_s
        while count := await store.write(_remove, ended_before):
            removed += count
    kept, held_bytes = await store.read(_sizes)
    return Pruned(removed, kept, held_bytes, held_bytes)


async def _remove(db: Db, ended_before: float) -> int:
    found = await db.execute(
        "SELECT n FROM tasks WHERE NOT open AND updated_at < %s AND NOT EXISTS"
        " (SELECT 1 FROM webhooks w WHERE w.task = tasks.n AND w.active) ORDER BY updated_at LIMIT %s FOR UPDATE SKIP LOCKED",
        (ended_before, BATCH_COUNT),
    )
    numbers = [n for (n,) in await found.fetchall()]
    if numbers:
        async with db.pipeline():
            await db.execute("DELETE FROM events WHERE task = ANY(%s)", (numbers,))
            await db.execute("DELETE FROM inputs WHERE task = ANY(%s)", (numbers,))
            await db.execute("DELETE FROM steps WHERE task = ANY(%s)", (numbers,))
            await db.execute("DELETE FROM attempts WHERE task = ANY(%s)", (numbers,))
            await db.execute("DELETE FROM questions WHERE task = ANY(%s)", (numbers,))
            await db.execute("DELETE FROM webhooks WHERE task = ANY(%s)", (numbers,))
            await db.execute("DELETE FROM tasks WHERE n = ANY(%s)", (numbers,))
    return len(numbers)


async def _sizes(db: Db) -> tuple[int, int]:
    found = await db.execute(
        "SELECT (SELECT COUNT(*) FROM tasks), (SELECT SUM(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
        " JOIN pg_namespace s ON s.oid = c.relnamespace WHERE s.nspname = 'sametask' AND c.relkind = 'r')"
    )
    count, size_bytes = await found.fetchone() or (0, 0)
    return count, size_bytes
