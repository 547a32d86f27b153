"""The runtime that runs tasks: engines behind the `TaskEngine` seam, opened by their URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput, Unavailable
from .urls import is_distributed, postgres_url, shown, sqlite_path

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..contract import Roster
    from ..engine import TaskEngine


def open_engine(url: str, roster: Roster, *, listens: bool = True) -> AbstractAsyncContextManager[TaskEngine]:
    """The engine that `url` names: `sqlite:///PATH` (embedded, durable; with `?synchronous=NORMAL` faster, and a power cut may
    take the last moments), `sqlite:///:memory:` (gone with the process), or `postgresql://...` (distributed, for any number of
    machines; see `docs/scale.md`). `listens`: false where hardly anyone will follow a task in this process.

    Raises: InvalidInput for another scheme, or a setting that is not accepted; Unavailable where what the distributed engine
    needs is not installed.
    """
    if is_distributed(url):
        _need_distributed()
        from .distributed.engine import EngineSettings as Settings
        from .distributed.engine import PostgresEngine

        address, given = postgres_url(url)
        settings = Settings(listens=listens, **given)
        if settings.lease_s <= settings.beat_s:  # who is well would be taken for hung
            accepted = f"lease_s: more than beat_s ({settings.beat_s:g}) is accepted"
            raise InvalidInput("engine", shown(url), accepted)
        return PostgresEngine.open(address, roster, settings)
    path, settings = sqlite_path(url)
    from .embedded.engine import EngineSettings, SqliteEngine

    return SqliteEngine.open(path, roster, EngineSettings(**settings))


def check_engine(url: str) -> None:
    """Open the store that `url` names, and close it again: whoever is to open the engine later learns now what is wrong.

    Raises: InvalidInput and Unavailable, as `open_engine` and as entering what it gives.
    """
    if is_distributed(url):
        _need_distributed()
        from .distributed.schema import place_of, prepare

        prepare(place_of(postgres_url(url)[0]))
        return
    path, _ = sqlite_path(url)
    if path != ":memory:":
        from .embedded.schema import connect

        for connection in connect(Path(os.path.abspath(os.path.expanduser(path))), "FULL"):
            connection.close()


def check_kept(url: str) -> None:
    """Raises: InvalidInput where `url` names no store that exists: not everyone who opens one means to make it."""
    if is_distributed(url):
        return
    path, _ = sqlite_path(url)
    if not os.path.exists(os.path.expanduser(path)):
        raise InvalidInput("engine", url, "accepted: the URL of a store that exists")


def _need_distributed() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("dbos", "psycopg", "psycopg_pool") if find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"engine: postgresql needs {', '.join(missing)}; accepted: after pip install sametask[distributed]", field="engine"
        )
