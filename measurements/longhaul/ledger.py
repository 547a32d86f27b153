"""The two ledgers of a trial: what the agent really did, and what its client was told, on one monotonic clock."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from ...agents.events import Artifact, ArtifactEmitted, Event, OpenQuestion, Progress, Snapshot, StateChanged, Task

Mark = tuple[str, int]
"""("artifact", k) or ("progress", k): one event that the agent told at its k-th step."""


@dataclass(frozen=True)
class Deed:
    """One executed step. `again`: its side effect, which has a key, had taken place already. Units: monotonic seconds."""

    task_id: str
    step: int
    at: float
    again: bool = False


@dataclass(frozen=True)
class Deeds:
    """The agent's side: an append-only file outside the engine, one synced line for each executed step."""

    path: Path

    def all(self) -> list[Deed]:
        """Over all tasks that wrote here, in the order in which they were done."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        entries = (line.split() for line in lines)
        return [Deed(task_id, int(step), float(at), bool(again)) for task_id, step, at, *again in entries]

    def effects(self) -> Counter[int]:
        """How often the side effect of each step took place, over all tasks."""
        return Counter(deed.step for deed in self.all() if not deed.again)

    def effects_by_task(self) -> dict[str, Counter[int]]:
        """How often the side effect of each step took place, for each task that has one."""
        found: dict[str, Counter[int]] = {}
        for deed in self.all():
            if not deed.again:
                found.setdefault(deed.task_id, Counter())[deed.step] += 1
        return found

    def rerun(self) -> int:
        """How many executions repeated a step of the same task."""
        deeds = self.all()
        return len(deeds) - len({(deed.task_id, deed.step) for deed in deeds})

    def tasks(self) -> list[str]:
        """The tasks that did something, in the order in which they began."""
        return list(dict.fromkeys(deed.task_id for deed in self.all()))

    async def reach(self, step: int) -> None:
        """Return once that step has been executed."""
        while step not in self.effects():  # noqa: ASYNC110 - another process writes the file; it sets no event here
            await anyio.sleep(0.002)


@dataclass(frozen=True)
class Entry:
    """One line of a client's ledger. Units: `at` is monotonic seconds."""

    at: float
    text: str


@dataclass
class Told:
    """The client's side: every mark with the time it was told, live (as an event of its own) or in a snapshot.

    `task_id` is the task that it was shown last, `error` what it was left with. `question` is the one that is open;
    `looked_finished` says that a stream ended as if all had been told, and it had not.
    Units: monotonic seconds.
    """

    name: str = "client"
    live: list[tuple[float, Mark]] = field(default_factory=list[tuple[float, Mark]])
    known: dict[Mark, float] = field(default_factory=dict[Mark, float])
    statements: list[float] = field(default_factory=list[float])
    losses: list[float] = field(default_factory=list[float])
    entries: list[Entry] = field(default_factory=list[Entry])
    question: OpenQuestion | None = None
    end: Task | StateChanged | None = None
    task_id: str = ""
    error: Exception | None = None
    looked_finished: bool = False

    def hear(self, event: Event) -> None:
        """Enter one event that the client received."""
        now = time.monotonic()
        body = event.body
        if isinstance(body, Snapshot):
            self.read(body.task, now)
            return
        self.statements.append(now)
        if isinstance(body, ArtifactEmitted | Progress):
            for mark in _marks([body.artifact], None) if isinstance(body, ArtifactEmitted) else _marks([], body):
                self.live.append((now, mark))
                self.known.setdefault(mark, now)
                self.note(f"{mark[0]} {mark[1]}", now)
        if isinstance(body, StateChanged):
            self.note(f"state: {body.state}", now)
            self.question = body.question
            if body.state.terminal:
                self.end = body

    def read(self, task: Task, now: float | None = None) -> None:
        """Enter a task as the client was shown it whole."""
        now = time.monotonic() if now is None else now
        self.statements.append(now)
        self.task_id = task.id
        self.note(f"shown the task: {task.state}, {len(task.artifacts)} artifacts", now)
        for mark in _marks(task.artifacts, task.progress):
            self.known.setdefault(mark, now)
        self.question = task.question
        if task.state.terminal:
            self.end = task

    def stream_ended(self) -> None:
        """Enter that a stream ended by itself."""
        if self.end is None and self.question is None:
            self.looked_finished = True
            self.note("the stream ended, and nothing had")

    def lost(self, error: Exception) -> None:
        """Enter that the client noticed a broken connection."""
        self.losses.append(time.monotonic())
        self.note(f"noticed: {error}")

    def note(self, text: str, now: float | None = None) -> None:
        """Enter a line that counts for nothing."""
        self.entries.append(Entry(time.monotonic() if now is None else now, text))

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
