"""The runtime that runs tasks: engines behind the `TaskEngine` seam, opened by their URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from .urls import sqlite_path

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..contract import Roster
    from ..engine import TaskEngine


def open_engine(url: str, roster: Roster) -> AbstractAsyncContextManager[TaskEngine]:
    """The engine that `url` names: `sqlite:///PATH` (embedded, durable; with `?synchronous=NORMAL` faster, and a power cut may
    take the last moments) or `sqlite:///:memory:` (gone with the process).

    Raises: InvalidInput for another scheme, or a setting that is not accepted.
    """
    path, settings = sqlite_path(url)
    from .embedded.engine import EngineSettings, SqliteEngine

    return SqliteEngine.open(path, roster, EngineSettings(**settings))


def check_engine(url: str) -> None:
    """Open the store that `url` names, and close it again: whoever is to open the engine later learns now what is wrong.

    Raises: InvalidInput as `open_engine`, and Unavailable as entering what it gives.
    """
    path, _ = sqlite_path(url)
    if path != ":memory:":
        from .embedded.schema import connect

        for connection in connect(Path(os.path.abspath(os.path.expanduser(path))), "FULL"):
            connection.close()


def check_kept(url: str) -> None:
    """Raises: InvalidInput where `url` names no store that exists: not everyone who opens one means to make it."""
    path, _ = sqlite_path(url)
    if not os.path.exists(os.path.expanduser(path)):
        raise InvalidInput("engine", url, "accepted: the URL of a store that exists")
