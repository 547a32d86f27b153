"""Tell a person on stderr what a task tells: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column

from ..agents.errors import ConnectionLost
from ..agents.events import ArtifactEmitted, Event, FilePart, Snapshot, StateChanged, TextPart
from ..agents.events import Progress as Told

QUIET_S = 10.0


class Teller:
    """On a terminal progress moves a bar. Elsewhere it is a line at every further tenth of the work, and otherwise at most
    one every `QUIET_S` seconds, so that a log stays a log. `verbose` makes every event a line, wherever.
    """

    def __init__(self, title: str, stderr: Console, verbose: bool) -> None:
        self._title, self._stderr, self._verbose = title, stderr, verbose
        self._bar: tuple[Progress, TaskID] | None = None
        self._progress: Told | None = None
        self._tenth, self._told_at = -1, float("-inf")
        self._lost = False

    @contextmanager
    def live(self) -> Generator[None]:
        """Show a bar while the block runs, where there is a terminal."""
        if not self._stderr.is_terminal:
            yield
            return
        # What the agent says comes last: it is what may be cut where the terminal is narrow.
        columns = (
            TextColumn("{task.description}", table_column=Column(no_wrap=True), markup=False),
            BarColumn(bar_width=20),
            TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn("{task.fields[told]}", table_column=Column(no_wrap=True, overflow="ellipsis"), markup=False),
        )
        with Progress(*columns, console=self._stderr, transient=True) as progress:
            self._bar = progress, progress.add_task(self._title, total=None, told="")
            if self._progress is not None:
                self._show(self._progress)
            try:
                yield
            finally:
                self._bar = None

    def hear(self, event: Event) -> None:
        if self._lost:
            self._lost = False
            self.say("connected again", style="yellow")
        if self._verbose:
            self.say(_line(event))
        body = event.body.task.progress if isinstance(event.body, Snapshot) else event.body
        if isinstance(body, Told) and body != self._progress:
            self._progress = body
            self._show(body)

    def lost(self, error: ConnectionLost) -> None:
        """Say so, once until something is heard again."""
        if self._lost:
            return
        self._lost = True
        self.say(f"connection lost ({error.message}); following again", style="yellow")

    def say(self, text: str, style: str = "") -> None:
        """One line, whatever the width."""
        self._stderr.print(" ".join(text.split()), style=style, markup=False, highlight=False, soft_wrap=True)

    def _show(self, told: Told) -> None:
        if self._bar is not None:
            progress, line = self._bar
            progress.update(line, completed=told.done, total=told.total, told=_words(told))
        elif not self._verbose and self._due(told):
            self.say(f"{self._title}: {_words(told)}")

    def _due(self, told: Told) -> bool:
        tenth = int(10 * told.done / told.total) if told.total else self._tenth
        now = time.monotonic()
        if tenth <= self._tenth and now - self._told_at < QUIET_S:
            return False
        self._tenth, self._told_at = max(tenth, self._tenth), now
        return True


def _words(told: Told) -> str:
    """What the agent said, after the share that is done where it is known."""
    share = f"{told.done / told.total:.0%} " if told.total else ""
    return share + (" ".join(told.text.split()) or f"{told.done:g}" + (f" of {told.total:g}" if told.total else ""))


def _line(event: Event) -> str:
    number, body = f"#{event.seq} " if event.seq else "", event.body
    if isinstance(body, Snapshot):
        return f"{number}task {body.task.id} {body.task.state}"
    if isinstance(body, StateChanged):
        return f"{number}{body.state}"
    if isinstance(body, ArtifactEmitted):
        return f"{number}artifact {body.artifact.name}: " + ", ".join(_part(part) for part in body.artifact.parts)
    return f"{number}progress {_words(body)}"


def _part(part: object) -> str:
    if isinstance(part, TextPart):
        return _cut(part.text)
    if isinstance(part, FilePart):
        return f"{part.name} ({part.media_type})"
    return _cut(str(getattr(part, "data", part)))


def _cut(text: str) -> str:
    return text if len(text) <= 100 else text[:99] + "…"
