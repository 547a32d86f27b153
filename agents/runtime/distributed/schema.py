"""The database: its two schemas, and opening it or refusing it in one line.

`sametask` is ours and holds the log. `sametask_dbos` is DBOS's own and holds which run of a task waits in which queue, or runs
in which process; DBOS makes and migrates it.
"""

from __future__ import annotations

import threading
from importlib.metadata import version
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ...errors import InvalidInput, Unavailable
from .migrations import MIGRATIONS

SCHEMA_VERSION = max(MIGRATIONS)
APPLICATION_VERSION = f"sametask-{SCHEMA_VERSION}"
"""Of DBOS: which processes may run each other's work. Pinned: those that share a schema version do, whatever their source."""
DBOS_SCHEMA = "sametask_dbos"
DBOS_VERSION = version("dbos")
LOCKS = 0x73616D65
"""The first key of our advisory locks ("same"), so that another program's do not meet them."""

_SESSION: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # One that is stopped in the middle of a transaction must not hold its rows from those who take over.
    "options": "-c search_path=sametask -c idle_in_transaction_session_timeout=3000",
    "application_name": "sametask",
}


class Place:
    """Which database. Shape: `conninfo` for psycopg, `url` for DBOS, `str()` for people, who are shown no password.

    Raises: ValueError for an address that is none.
    """

    def __init__(self, url: str) -> None:
        try:
            given: dict[str, Any] = dict(conninfo_to_dict(url))
        except psycopg.ProgrammingError as error:
            raise ValueError(str(error).strip()) from None
        self.url = "postgresql" + url[url.index(":") :]
        self.conninfo = make_conninfo(url, **{name: value for name, value in _SESSION.items() if name not in given})
        user = f"{given['user']}@" if "user" in given else ""
        host, port = given.get("host", "localhost"), given.get("port", "5432")
        self._shown = f"postgresql://{user}{host}:{port}/{given.get('dbname', '')}"

    def session_of(self, worker: str) -> str:
        """`conninfo`, for a session that others can tell to be that worker's."""
        return make_conninfo(self.conninfo, application_name=f"sametask {worker}")

    def __str__(self) -> str:
        return self._shown

    def unavailable(self, error: BaseException) -> Unavailable:
        reason = str(error).strip().splitlines()
        told = " ".join((reason[0] if reason else type(error).__name__).split())
        return Unavailable(
            f"store: {self} cannot be used ({told}); accepted: a Postgres database that this user may write to",
            field="store",
            value=str(self),
        )


def place_of(url: str) -> Place:
    """Raises: InvalidInput."""
    try:
        return Place(url)
    except ValueError as error:
        accepted = f"postgresql://USER@HOST:PORT/DATABASE is accepted ({error})"
        raise InvalidInput("engine", url.partition("://")[0] + "://...", accepted) from None


def prepare(place: Place) -> None:
    """Make both schemas, or bring them to this release's version; one process at a time. Blocks.

    Raises: Unavailable, naming the database, when it cannot be reached, was made by a newer release, or is still in use by an
    earlier one.
    """
    try:
        with psycopg.connect(place.conninfo, autocommit=True) as db:
            if _versions(db) != (SCHEMA_VERSION, DBOS_VERSION):
                # Not by a statement that waits: its snapshot would keep DBOS's CREATE INDEX CONCURRENTLY waiting for us.
                while db.execute("SELECT pg_try_advisory_lock(%s, 0)", (LOCKS,)).fetchone() != (True,):
                    threading.Event().wait(0.1)
                _make(db, place)
            elif db.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
                raise place.unavailable(Exception("it is a standby, which takes no writes"))
    except psycopg.Error as error:
        raise place.unavailable(error) from None


def _make(db: psycopg.Connection[Any], place: Place) -> None:
    found, dbos = _versions(db)
    if found > SCHEMA_VERSION:
        raise Unavailable(
            f"store: {place} has schema version {found}, made by a newer release; accepted: up to {SCHEMA_VERSION}",
            field="store",
            value=str(place),
        )
    if found < SCHEMA_VERSION:
        if found:
            _refuse_while_in_use(db, place)
        with db.transaction():
            for step in range(found + 1, SCHEMA_VERSION + 1):
                db.execute(MIGRATIONS[step])
            db.execute("UPDATE sametask.about SET version = %s", (SCHEMA_VERSION,))
    if dbos != DBOS_VERSION:
        from .dispatch import make_dbos_schema

        make_dbos_schema(place)
        db.execute("UPDATE sametask.about SET dbos = %s", (DBOS_VERSION,))  # not before it is whole


def _refuse_while_in_use(db: psycopg.Connection[Any], place: Place) -> None:
    """A process of an earlier release cannot go on with what this one makes of the tables."""
    held = "SELECT COUNT(*) FROM sametask.workers WHERE NOT pg_try_advisory_xact_lock(%s, hashtext(id))"
    row = db.execute(held, (LOCKS,)).fetchone()
    if row is not None and row[0]:
        raise Unavailable(
            f"store: {place} is in use by {row[0]} processes of an earlier release; accepted: once those have stopped",
            field="store",
            value=str(place),
        )


def _versions(db: psycopg.Connection[Any]) -> tuple[int, str]:
    """Of our schema, and of the DBOS that made its own; 0 and "" where there is none."""
    if db.execute("SELECT to_regclass('sametask.about')").fetchone() == (None,):
        return 0, ""
    found, dbos = db.execute("SELECT version, dbos FROM sametask.about").fetchone() or (0, "")
    return found, dbos
