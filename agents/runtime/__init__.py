"""The runtime that runs tasks: engines behind the `TaskEngine` seam, opened by their URL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from ..contract import Roster
from ..engine import TaskEngine
from ..errors import InvalidInput


def open_engine(url: str, roster: Roster) -> AbstractAsyncContextManager[TaskEngine]:
    """The engine that `url` names: `sqlite:///PATH` (embedded, durable) or `sqlite:///:memory:` (gone with the process).

    Raises: InvalidInput for another scheme.
    """
    scheme, separator, path = url.partition(":///")
    if scheme != "sqlite" or not separator or not path:
        raise InvalidInput("engine", url, "accepted: sqlite:///PATH or sqlite:///:memory:")
    from .sqlite import SqliteEngine

    return SqliteEngine.open(path, roster)
