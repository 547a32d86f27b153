"""The two ledgers of a trial: what the agent really did, and what its client was told, on one monotonic clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from ...agents.events import Artifact, ArtifactEmitted, Event, Progress, Snapshot, StateChanged, Task

Mark = tuple[str, int]
"""("artifact", k) or ("progress", k): one event that the agent told at its k-th step."""


@dataclass(frozen=True)
class Deeds:
    """The agent's side: an append-only file outside the engine, one synced line for each executed step."""

    path: Path

    def executed(self) -> Counter[int]:
        """How often each step was executed, over all tasks that wrote here."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return Counter()
        return Counter(int(line.split()[1]) for line in lines)

    async def reach(self, step: int) -> None:
        """Return once that step has been executed."""
        while step not in self.executed():  # noqa: ASYNC110 - another process writes the file; it sets no event here
            await anyio.sleep(0.002)


@dataclass
class Told:
    """The client's side: every mark with the time it was told, live (as an event of its own) or in a snapshot.

    Units: monotonic seconds.
    """

    live: list[tuple[float, Mark]] = field(default_factory=list[tuple[float, Mark]])
    known: dict[Mark, float] = field(default_factory=dict[Mark, float])
    statements: list[float] = field(default_factory=list[float])
    losses: list[float] = field(default_factory=list[float])
    end: Task | StateChanged | None = None

    def hear(self, event: Event) -> None:
        """Enter one event that the client received."""
        now = time.monotonic()
        self.statements.append(now)
        body = event.body
        if isinstance(body, Snapshot):
            self.read(body.task, now)
        elif isinstance(body, ArtifactEmitted | Progress):
            for mark in _marks([body.artifact], None) if isinstance(body, ArtifactEmitted) else _marks([], body):
                self.live.append((now, mark))
                self.known.setdefault(mark, now)
        if isinstance(body, StateChanged) and body.state.terminal:
            self.end = body

    def read(self, task: Task, now: float) -> None:
        """Enter a task as the client was shown it whole."""
        for mark in _marks(task.artifacts, task.progress):
            self.known.setdefault(mark, now)
        if task.state.terminal:
            self.end = task

    def lost(self, error: Exception) -> None:
        """Enter that the client noticed a broken connection."""
        self.losses.append(time.monotonic())

    def duplicates(self) -> int:
        """How many marks were told live more than once, each counted as often as it was too many."""
        return sum(count - 1 for count in Counter(mark for _, mark in self.live).values())

    def reordered(self) -> int:
        """How many live marks came after a later one of their kind, not counting repetitions."""
        highest: dict[str, int] = {}
        seen: set[Mark] = set()
        late = 0
        for _, mark in self.live:
            late += mark not in seen and mark[1] < highest.get(mark[0], 0)
            highest[mark[0]] = max(highest.get(mark[0], 0), mark[1])
            seen.add(mark)
        return late


def _marks(artifacts: Iterable[Artifact], progress: Progress | None) -> list[Mark]:
    marks = [
        ("artifact", int(artifact.name.removeprefix("mark-"))) for artifact in artifacts if artifact.name.startswith("mark-")
    ]
    return [*marks, ("progress", int(progress.done))] if progress is not None and progress.done else marks
