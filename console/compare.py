"""`sametask compare` and `sametask report`: measure, write the reports, show the summary and where they are."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..measurements import suite
from ..measurements.run_folder import RunFolder, latest

INTERRUPTED = 130


@dataclass(frozen=True)
class Comparison:
    """What the person asked for."""

    suite: str
    only: tuple[str, ...]
    variants: tuple[str, ...]
    seed: int
    out: str
    agent: str = ""
    cases: str = ""


def run_comparison(wanted: Comparison) -> int:
    """Measure and report. Ctrl-C keeps what was measured: its reports are written, and say that the run was interrupted.

    Shape: the exit code.
    """
    plan = suite.plan(wanted.suite, wanted.only, wanted.variants, wanted.seed, wanted.agent, wanted.cases)
    folder = suite.begin(plan, wanted.out)
    stderr = Console(stderr=True)
    names = ", ".join(variant.name for variant in plan.variants)
    stderr.print(f"{plan.effort.name} suite over {names}; Ctrl-C keeps what was measured", style="dim", highlight=False)
    try:
        with _Bars(stderr) as bars:
            asyncio.run(suite.run(plan, folder, bars.tell))
    except KeyboardInterrupt:
        stderr.print(f"interrupted: what was measured is kept in {folder.path}", style="yellow", highlight=False)
        _report(folder)
        return INTERRUPTED
    _report(folder)
    return 0


def derive_again(run: str, out: str) -> None:
    """Derive the reports of a run (the newest under `out` by default) again, and show the summary."""
    _report(RunFolder.open(Path(run)) if run else latest(out))


def _report(folder: RunFolder) -> None:
    from ..measurements.report.terminal import summarise
    from ..measurements.report.writing import write_reports

    reports = write_reports(folder)
    console = Console()
    summarise(reports.document, console)
    console.print()
    console.print(f"Report: {reports.html.resolve()}", style="bold", soft_wrap=True, highlight=False)


class _Bars:
    """One progress bar for each metric, on the terminal; a line each where there is none."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[told]}"),
        )
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._console = console
        self._lines: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def tell(self, title: str, done: float, total: float, text: str) -> None:
        if title not in self._lines:
            self._lines[title] = self._progress.add_task(title, total=total, told="")
            if self._progress.disable:
                self._console.print(f"measuring: {title}", highlight=False)
        self._progress.update(self._lines[title], completed=done, total=total, told=text)
