"""The store's file: its schema, and opening it or refusing it in one line."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ...errors import Unavailable
from ..journal import Unreadable
from .locks import lock_is_held
from .migrations import MIGRATIONS, WEBHOOKS

APPLICATION_ID = 0x73616D65  # "same": tells our files from any other SQLite database
SCHEMA_VERSION = max(MIGRATIONS)
SCHEMA = """
CREATE TABLE tasks(
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, skill TEXT NOT NULL,
    key TEXT UNIQUE, digest BLOB, origin TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL,
    state TEXT NOT NULL, state_seq INTEGER NOT NULL, progress_seq INTEGER NOT NULL DEFAULT 0, last_seq INTEGER NOT NULL,
    open INTEGER NOT NULL DEFAULT 1, owner TEXT, epoch INTEGER NOT NULL, cancel INTEGER NOT NULL DEFAULT 0,
    deadline_at REAL);
CREATE INDEX tasks_open ON tasks(owner) WHERE open = 1;
CREATE INDEX tasks_ended ON tasks(updated_at) WHERE open = 0;
CREATE TABLE inputs(task INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE events(
    task INTEGER NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL, scope TEXT, body TEXT NOT NULL,
    PRIMARY KEY(task, seq)) WITHOUT ROWID;
CREATE INDEX events_artifacts ON events(task, seq) WHERE kind = 'artifact';
CREATE TABLE steps(task INTEGER NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(task, path)) WITHOUT ROWID;
CREATE TABLE questions(
    task INTEGER NOT NULL, request_id TEXT NOT NULL, path TEXT NOT NULL, schema TEXT NOT NULL, answer TEXT,
    text TEXT NOT NULL DEFAULT '', expires_at REAL, expired INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(task, request_id))
    WITHOUT ROWID;
CREATE TABLE attempts(
    task INTEGER NOT NULL, path TEXT NOT NULL, count INTEGER NOT NULL, next_at REAL NOT NULL, PRIMARY KEY(task, path))
    WITHOUT ROWID;
CREATE TABLE owners(id TEXT PRIMARY KEY, beats INTEGER NOT NULL, lease_s REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE wakeups(owner TEXT NOT NULL, task INTEGER NOT NULL, PRIMARY KEY(owner, task)) WITHOUT ROWID;
"""
"""Of a new file, together with `WEBHOOKS`; `migrations.py` has the ways from one version to the next."""
# The input has its own table: SQLite rewrites a row with all its overflow pages, and the task's row changes with every event.


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
    if _version(connection, path) < SCHEMA_VERSION:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # of a file that has nothing in it yet
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = _version(connection, path)  # now that we hold the lock: another process may have been quicker
            if version and version < SCHEMA_VERSION:
                _refuse_while_in_use(connection, path)
            made = [MIGRATIONS[step] for step in range(version + 1, SCHEMA_VERSION + 1)] if version else [SCHEMA, WEBHOOKS]
            for statement in ";".join(made).split(";"):
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


def _refuse_while_in_use(connection: sqlite3.Connection, path: Path) -> None:
    """A process of an earlier release cannot go on with what this one makes of the file."""
    for (owner,) in connection.execute("SELECT id FROM owners").fetchall():
        if lock_is_held(path, owner):
            raise Unavailable(
                f"store: {path} is in use by a process of an earlier release; accepted: once that has stopped",
                field="store",
                value=str(path),
            )


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


def is_damage(error: Exception) -> bool:
    """True where what was read makes no sense, rather than the file being out of reach: it concerns one task, not all."""
    if isinstance(error, sqlite3.Error):
        code: int = getattr(error, "sqlite_errorcode", 0) or 0
        return code & 0xFF == sqlite3.SQLITE_CORRUPT or str(error).startswith("Could not decode")
    return isinstance(error, ValueError | TypeError)


def unreadable(path: Path, error: Exception) -> Unreadable:
    """What is said of a row that sametask cannot have written so."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    reason = said.partition(" with text")[0][:200]  # not the text itself
    return Unreadable(
        f"store: {path} has a damaged row ({reason}); accepted: a file that nothing else has written to",
        field="store",
        value=str(path),
    )


def unavailable(path: Path, error: Exception) -> Unavailable:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Unavailable(
        f"store: {path} cannot be used ({reason}); accepted: a path in a writable directory", field="store", value=str(path)
    )
