"""The runtime that runs tasks: engines behind the `TaskEngine` seam, opened by their URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..contract import Roster
    from ..engine import TaskEngine

ACCEPTED = "sqlite:///PATH, sqlite:///:memory: or postgresql://USER@HOST:PORT/DATABASE"


def open_engine(url: str, roster: Roster) -> AbstractAsyncContextManager[TaskEngine]:
    """The engine that `url` names: `sqlite:///PATH` (embedded, durable), `sqlite:///:memory:` (gone with the process), or
    `postgresql://...` (distributed, for any number of machines; see `docs/scale.md`).

    Raises: InvalidInput for another scheme, Unavailable where what the distributed engine needs is not installed.
    """
    if is_distributed(url):
        _need_distributed()
        from .distributed.engine import PostgresEngine

        return PostgresEngine.open(url, roster)
    path = _path(url)
    from .embedded.engine import SqliteEngine

    return SqliteEngine.open(path, roster)


def check_engine(url: str) -> None:
    """Open the store that `url` names, and close it again: whoever is to open the engine later learns now what is wrong.

    Raises: InvalidInput and Unavailable as `open_engine` and as entering what it gives.
    """
    if is_distributed(url):
        _need_distributed()
        from .distributed.engine import place_of
        from .distributed.schema import prepare

        prepare(place_of(url))
        return
    path = _path(url)
    if path != ":memory:":
        from .embedded.schema import connect

        for connection in connect(Path(os.path.abspath(os.path.expanduser(path))), "FULL"):
            connection.close()


def is_distributed(url: str) -> bool:
    return url.partition("://")[0] in ("postgresql", "postgres")


def _need_distributed() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("dbos", "psycopg", "psycopg_pool") if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"engine: {', '.join(missing)} not installed; accepted: after pip install sametask[distributed]", field="engine"
        )


def _path(url: str) -> str:
    scheme, separator, path = url.partition(":///")
    if scheme != "sqlite" or not separator or not path:
        raise InvalidInput("engine", url, f"accepted: {ACCEPTED}")
    return path
