"""The store: one SQLite file (WAL), its schema, and its one writer thread with group commit.

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
from typing import Any, TypeVar

from ..errors import Unavailable

Result = TypeVar("Result")

APPLICATION_ID = 0x73616D65  # "same": tells our files from any other SQLite database
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE tasks(
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, skill TEXT NOT NULL,
    key TEXT UNIQUE, digest BLOB, origin TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL,
    state TEXT NOT NULL, state_seq INTEGER NOT NULL, progress_seq INTEGER NOT NULL DEFAULT 0, last_seq INTEGER NOT NULL,
    open INTEGER NOT NULL DEFAULT 1, owner TEXT, epoch INTEGER NOT NULL, cancel INTEGER NOT NULL DEFAULT 0);
CREATE INDEX tasks_open ON tasks(owner) WHERE open = 1;
CREATE TABLE inputs(task INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE events(
    task INTEGER NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, scope TEXT, body TEXT NOT NULL,
    PRIMARY KEY(task, seq)) WITHOUT ROWID;
CREATE INDEX events_artifacts ON events(task, seq) WHERE kind = 'artifact';
CREATE TABLE steps(task INTEGER NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(task, path)) WITHOUT ROWID;
CREATE TABLE questions(
    task INTEGER NOT NULL, request_id TEXT NOT NULL, path TEXT NOT NULL, schema TEXT NOT NULL, answer TEXT,
    PRIMARY KEY(task, request_id)) WITHOUT ROWID;
CREATE TABLE owners(id TEXT PRIMARY KEY, lease_until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE wakeups(owner TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY(owner, task)) WITHOUT ROWID;
"""
# The input has its own table: SQLite rewrites a row with all its overflow pages, and the task's row changes with every event.

BATCH_COUNT = 512
PENDING_COUNT = 1024
PENDING_BYTES = 8 * 2**20


def connect(path: Path, synchronous: str) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """A writer's and a reader's connection to the file, which is made where it is missing, with its folder.

    Raises: Unavailable, naming the path, when it cannot be written, is not ours, or was made by a newer release.
    """
    opened: list[sqlite3.Connection] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=10)
            opened.append(connection)
            if connection is opened[0]:
                _prepare(connection, path)
            connection.execute(f"PRAGMA synchronous={synchronous}")
        opened[1].execute("PRAGMA query_only=1")
    except (sqlite3.Error, OSError, Unavailable) as error:
        for connection in opened:
            connection.close()
        if isinstance(error, Unavailable):
            raise
        raise unavailable(path, error) from None
    return opened[0], opened[1]


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection, path) == 0:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection, path) == 0:  # now that we hold the lock: another process may have been quicker
                for statement in SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    # A file that can be read but not written is found out here, not by the first task.
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (version or tables):
        raise Unavailable(
            f"store: {path} is another program's database; accepted: a new path, or a file that sametask made",
            field="store",
            value=str(path),
        )
    if version > SCHEMA_VERSION:
        raise Unavailable(
            f"store: {path} has schema version {version}, made by a newer release; accepted: up to {SCHEMA_VERSION}",
            field="store",
            value=str(path),
        )
    return version


def unavailable(path: Path, error: Exception) -> Unavailable:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Unavailable(
        f"store: {path} cannot be used ({reason}); accepted: a path in a writable directory", field="store", value=str(path)
    )


@dataclass(frozen=True, slots=True)
class _Write:
    op: Callable[[sqlite3.Connection], Any]
    done: Callable[[Any, Exception | None], None]
    task: int
    size_bytes: int


class Store:
    """The two connections, and the thread that owns the writing one. `on_commit` is called on the loop with the tasks
    that a transaction has changed, once it is durable.
    """

    def __init__(
        self, path: Path, writer: sqlite3.Connection, reader: sqlite3.Connection, on_commit: Callable[[set[int]], None]
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

    async def write(self, op: Callable[[sqlite3.Connection], Result], task: int = 0) -> Result:
        """The result of `op`, once it is durable. A caller that is cancelled meanwhile does not undo it.

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
        db = self._writer
        done: list[tuple[_Write, Any, Exception | None]] = []
        try:
            db.execute("BEGIN IMMEDIATE")
            for write in batch:
                db.execute("SAVEPOINT one")
                try:
                    result = write.op(db)
                except sqlite3.Error:
                    raise
                except Exception as error:
                    # The wall: an op that refuses undoes itself alone, and its own caller is told.
                    db.execute("ROLLBACK TO one")
                    done.append((write, None, error))
                else:
                    done.append((write, result, None))
                db.execute("RELEASE one")
            db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            failure = unavailable(self.path, error)
            return [(write, None, failure) for write in batch]
        return done

    def _committed(self, done: list[tuple[_Write, Any, Exception | None]]) -> None:
        changed: set[int] = set()
        for write, result, error in done:
            self._pending_count -= 1
            self._pending_bytes -= write.size_bytes
            write.done(result, error)
            if error is None:
                changed.add(write.task)
        self._room.set()
        self._on_commit(changed)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
