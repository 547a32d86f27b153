"""The store: one SQLite file (WAL), and its one writer thread with group commit.

All writes that are waiting become one transaction, each inside its own savepoint: under load many tasks share one fsync.
Nothing is told to anyone before its transaction has committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from ...errors import Unavailable
from .schema import is_damage, unavailable, unreadable

Result = TypeVar("Result")
Given = ParamSpec("Given")

OnCommit = Callable[[dict[int, list[Any]]], None]

BATCH_COUNT = 512
PENDING_COUNT = 1024
PENDING_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class _Write:
    op: Callable[[sqlite3.Connection], Any]
    done: Callable[[Any, Exception | None], None]
    task: int
    size_bytes: int


class Store:
    """The two connections, and the thread that owns the writing one. `on_commit` is called on the loop, once a transaction is
    durable, with what each of its writes gave, under the number of its task.
    """

    def __init__(
        self,
        path: Path,
        writer: sqlite3.Connection,
        reader: sqlite3.Connection,
        on_commit: OnCommit,
    ) -> None:
        self.path = path
        self._writer, self._reader, self._on_commit = writer, reader, on_commit
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._pending_count = self._pending_bytes = 0
        self._room = asyncio.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sametask-writer", daemon=True)
        self._thread.start()

    @property
    def reader(self) -> sqlite3.Connection:
        """For short reads on the loop: they see what is committed, and never wait for the writer.

        Raises: Unavailable once the store is closed.
        """
        if self._closed:
            raise Unavailable("the engine is shut down")
        return self._reader

    def read(
        self, query: Callable[Concatenate[sqlite3.Connection, Given], Result], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """What `query(connection, *args, **kwargs)` reads, on the loop: it is to be short.

        Raises: what `query` raises; Unavailable when the file cannot be read, Unreadable when what it holds makes no sense.
        """
        try:
            return query(self.reader, *args, **kwargs)
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise (unreadable if is_damage(error) else unavailable)(self.path, error) from error

    async def write(self, op: Callable[[sqlite3.Connection], Result], task: int = 0) -> Result:
        """The result of `op`, once it is durable. A caller that is cancelled meanwhile does not undo it. After a rollback `op`
        is called again.

        Raises: what `op` raises, or Unavailable when the file cannot be written.
        """
        future: asyncio.Future[Result] = self._loop.create_future()
        self.post(op, partial(_settle, future), task, 0)
        return await future

    def post(
        self,
        op: Callable[[sqlite3.Connection], Any],
        done: Callable[[Any, Exception | None], None],
        task: int,
        size_bytes: int,
    ) -> None:
        """Queue `op` behind all earlier ones; `done(result, error)` is called on the loop after the commit."""
        if self._closed:
            raise Unavailable("the engine is shut down")
        self._pending_count += 1
        self._pending_bytes += size_bytes
        self._queue.put(_Write(op, done, task, size_bytes))

    async def room(self) -> None:
        """Back-pressure: wait while too many writes, or too many bytes, are on their way to the disk."""
        while self._pending_count >= PENDING_COUNT or self._pending_bytes >= PENDING_BYTES:
            self._room.clear()
            await self._room.wait()

    def close(self) -> None:
        """Finish the queued writes, then close both connections."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()
            self._reader.close()
            self._writer.close()  # last: it checkpoints, and takes the -wal file away

    def _run(self) -> None:
        last = False
        while not last:
            batch: list[_Write] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) == BATCH_COUNT:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            else:
                last = True
            if batch:
                done = self._transaction(batch)
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                    self._loop.call_soon_threadsafe(self._committed, done)

    def _transaction(self, batch: list[_Write]) -> list[tuple[_Write, Any, Exception | None]]:
        try:
            try:
                return self._all(batch)
            except Exception as error:
                if isinstance(error, sqlite3.Error) and not is_damage(error):
                    raise
                # One of them refused: each is done anew, so that it undoes itself alone.
                self._roll_back()
                return self._each(batch)
        except sqlite3.Error as error:
            self._roll_back()
            failure = unavailable(self.path, error)
            return [(write, None, failure) for write in batch]

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _all(self, batch: list[_Write]) -> list[tuple[_Write, Any, Exception | None]]:
        db = self._writer
        done: list[tuple[_Write, Any, Exception | None]] = []
        db.execute("BEGIN IMMEDIATE")
        for write in batch:
            done.append((write, write.op(db), None))
        db.execute("COMMIT")
        return done

    def _each(self, batch: list[_Write]) -> list[tuple[_Write, Any, Exception | None]]:
        db = self._writer
        done: list[tuple[_Write, Any, Exception | None]] = []
        db.execute("BEGIN IMMEDIATE")
        for write in batch:
            db.execute("SAVEPOINT one")
            try:
                result = write.op(db)
            except Exception as error:
                if isinstance(error, sqlite3.Error) and not is_damage(error):
                    raise
                # The wall: an op that refuses undoes itself alone, and its own caller is told.
                db.execute("ROLLBACK TO one")
                done.append((write, None, unreadable(self.path, error) if is_damage(error) else error))
            else:
                done.append((write, result, None))
            db.execute("RELEASE one")
        db.execute("COMMIT")
        return done

    def _committed(self, done: list[tuple[_Write, Any, Exception | None]]) -> None:
        changed: dict[int, list[Any]] = {}
        for write, result, error in done:
            self._pending_count -= 1
            self._pending_bytes -= write.size_bytes
            write.done(result, error)
            if error is None:
                changed.setdefault(write.task, []).append(result)
        self._room.set()
        self._on_commit(changed)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
