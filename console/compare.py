"""`sametask compare` and `sametask report`: measure, write the reports, show the summary and where they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..agents.errors import InvalidInput, SametaskError
from ..measurements import suite
from ..measurements.run_folder import RunFolder, latest

if TYPE_CHECKING:
    from ..measurements.shards.coordinator import Fleet

INTERRUPTED = 130


@dataclass(frozen=True)
class Comparison:
    """What the person asked for. `given` are the names of the options that were typed."""

    suite: str
    only: tuple[str, ...]
    variants: tuple[str, ...]
    seed: int
    out: str
    agent: str = ""
    cases: str = ""
    engine: str = ""
    shard_workers: int = 0
    resume: str = ""
    shard: str = ""
    cells: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()


def run_comparison(wanted: Comparison) -> int:
    """Measure and report. Ctrl-C keeps what was measured: its reports are written, and say that the run was interrupted.

    Shape: the exit code.
    """
    fleet = _fleet(wanted)
    if wanted.resume:
        plan, folder = suite.resume(wanted.resume, together=fleet is not None)
    else:
        arguments = (wanted.suite, wanted.only, wanted.variants, wanted.seed, wanted.agent, wanted.cases)
        plan = suite.plan(*arguments, together=fleet is not None, shard=wanted.shard, cells=wanted.cells)
        folder = suite.begin(plan, wanted.out)
    stderr = Console(stderr=True)
    names = ", ".join(variant.name for variant in plan.variants)
    stderr.print(f"{plan.effort.name} suite over {names}; Ctrl-C keeps what was measured", style="dim", highlight=False)
    how = f"--resume {folder.path} goes on"
    try:
        with _Bars(stderr) as bars:
            asyncio.run(suite.run(plan, folder, bars.tell, fleet))
    except KeyboardInterrupt:
        told = f"interrupted: what was measured is kept in {folder.path}; {how}"
        stderr.print(told, style="yellow", highlight=False, soft_wrap=True)
        _report(folder)
        return INTERRUPTED
    except SametaskError as error:
        error.add_note(f"what was measured is kept; {how}")
        raise
    _report(folder)
    return 0


def _fleet(wanted: Comparison) -> Fleet | None:
    """Raises: InvalidInput for what does not go together."""
    if wanted.resume and (others := sorted(wanted.given - {"resume", "engine", "shard-workers"})):
        told = f"accepted: without --{' --'.join(others)}; the folder has its suite, seed and variants"
        raise InvalidInput("resume", wanted.resume, told)
    if not wanted.engine:
        if wanted.shard_workers:
            told = "shard-workers is for several workers, which share a store: --engine URL"
            raise InvalidInput.missing("engine", told)
        return None
    if wanted.shard:
        raise InvalidInput("shard", wanted.shard, "accepted: without --engine, whose workers share what there is to measure")
    if wanted.cells:
        raise InvalidInput("cells", ",".join(wanted.cells), "accepted: without --engine, whose workers measure whole rounds")
    from ..measurements.shards.coordinator import Fleet

    fleet = Fleet(wanted.engine, wanted.shard_workers)
    asyncio.run(_look(wanted.engine))
    return fleet


async def _look(engine: str) -> None:
    """Learn now, before there is a folder, what is wrong with the store. Raises: as `open_engine`."""
    from ..agents.contract import Roster
    from ..agents.runtime import open_engine

    async with open_engine(engine, Roster([])):
        return


def derive_again(runs: Sequence[str], out: str) -> None:
    """Derive the reports of a run (the newest under `out` by default) again, and show the summary; several are merged into a
    new one under `out`.
    """
    if len(runs) > 1:
        from ..measurements.merging import merge

        _report(merge(runs, out))
    else:
        _report(RunFolder.open(Path(runs[0])) if runs else latest(out))


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
