"""How long ended tasks are kept: an ability of engines that keep them in a store that grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Retention:
    """Which tasks may be removed, of those that have ended and whose webhooks have been delivered or given up: those that ended
    more than `older_than_s` ago, and then, while the store holds more than `larger_than_bytes`, the next oldest.
    """

    older_than_s: float | None = None
    larger_than_bytes: int | None = None


@dataclass(frozen=True)
class Pruned:
    """Shape: how many tasks were removed, and what the store holds now. The file may be larger: see `file_bytes`."""

    tasks: int
    kept: int
    held_bytes: int
    file_bytes: int


@runtime_checkable
class Prunes(Protocol):
    """The ability of an engine to remove old tasks, while it and others run."""

    async def prune(self, retention: Retention) -> Pruned:
        """Remove what `retention` says, with all that belongs to it: events, artifacts, steps, questions, webhooks and the
        key. Who follows such a task is told that it is not known.

        :raises Unavailable: the store cannot be written
        """
        ...
