"""Removing old tasks from the file, a few in each transaction, so that those who write meanwhile hardly wait."""

from __future__ import annotations

import sqlite3
import time

import anyio.to_thread

from ...retention import Pruned, Retention
from .schema import unavailable
from .store import Store

BATCH_COUNT = 100
_TABLES = ("events", "inputs", "steps", "attempts", "questions", "webhooks")
_ENDED = (
    "SELECT n FROM tasks WHERE open = 0 AND updated_at < ? AND NOT EXISTS"
    " (SELECT 1 FROM webhooks w WHERE w.task = tasks.n AND w.active = 1) ORDER BY updated_at LIMIT ?"
)


async def prune(store: Store, retention: Retention) -> Pruned:
    """As `Prunes.prune`."""
    removed, now = 0, time.time()
    if retention.older_than_s is not None:
        ended_before = now - retention.older_than_s
        while count := await store.write(lambda db: _remove(db, ended_before, BATCH_COUNT)):
            removed += count
    if retention.larger_than_bytes is not None:
        while store.read(held_bytes) > retention.larger_than_bytes:
            # Of a store that is far too large many at a time, near the limit one by one.
            share = 1 - retention.larger_than_bytes / max(1, store.read(held_bytes))
            few = max(1, min(BATCH_COUNT, int(share * store.read(_count) / 4)))
            if not (count := await store.write(lambda db, few=few: _remove(db, float("inf"), few))):
                break
            removed += count
    if removed:
        await anyio.to_thread.run_sync(_give_back, store)
    return Pruned(removed, store.read(_count), store.read(held_bytes), store.path.stat().st_size)


def _remove(db: sqlite3.Connection, ended_before: float, limit: int) -> int:
    numbers = [n for (n,) in db.execute(_ENDED, (ended_before, limit)).fetchall()]
    for n in numbers:
        for table in _TABLES:
            db.execute(f"DELETE FROM {table} WHERE task = ?", (n,))
        db.execute("DELETE FROM tasks WHERE n = ?", (n,))
    return len(numbers)


def held_bytes(db: sqlite3.Connection) -> int:
    """What the pages in use come to."""
    pages, free, size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size


def _count(db: sqlite3.Connection) -> int:
    return db.execute("SELECT COUNT(*) FROM tasks").fetchone()[0]


def _give_back(store: Store) -> None:
    """Make the file smaller, on a connection of its own: it takes its time."""
    try:
        db = sqlite3.connect(store.path, isolation_level=None, timeout=10)
        try:
            if db.execute("PRAGMA auto_vacuum").fetchone()[0] == 0:  # an earlier release made the file
                db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                db.execute("VACUUM")
            # As a script: it frees a page at each step, and a statement that gives no row is stepped but once.
            db.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            db.close()
    except sqlite3.Error as error:
        raise unavailable(store.path, error) from None
