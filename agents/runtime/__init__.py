"""The runtime that runs tasks: engines behind the `TaskEngine` seam, opened by their URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ..contract import Roster
    from ..engine import TaskEngine


def open_engine(url: str, roster: Roster) -> AbstractAsyncContextManager[TaskEngine]:
    """The engine that `url` names: `sqlite:///PATH` (embedded, durable) or `sqlite:///:memory:` (gone with the process).

    Raises: InvalidInput for another scheme.
    """
    path = _path(url)
    from .embedded.engine import SqliteEngine

    return SqliteEngine.open(path, roster)


def check_engine(url: str) -> None:
    """Open the store that `url` names, and close it again: whoever is to open the engine later learns now what is wrong.

    Raises: InvalidInput as `open_engine`, and Unavailable as entering what it gives.
    """
    path = _path(url)
    if path != ":memory:":
        from .embedded.schema import connect

        for connection in connect(Path(os.path.abspath(os.path.expanduser(path))), "FULL"):
            connection.close()


def _path(url: str) -> str:
    scheme, separator, path = url.partition(":///")
    if scheme != "sqlite" or not separator or not path:
        raise InvalidInput("engine", url, "accepted: sqlite:///PATH or sqlite:///:memory:")
    return path
