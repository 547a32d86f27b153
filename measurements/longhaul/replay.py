"""One trial of a run once more, with the same seed, and its two ledgers side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ...agents.errors import InvalidInput
from ...protocols.variants import variants
from ..bench import SUITES, Bench
from ..run_folder import Run, RunFolder
from ..samples import Sample
from .contract import Trial
from .ledger import Deed, Mark, Told
from .measure import METRIC, named, station_of, try_cell

SHOWN = 12

Who = Literal["agent", "client", "fault"]


@dataclass(frozen=True)
class Line:
    """One entry of one ledger. `remark` says what is wrong with it, "" where nothing is. Units: `at_ms` is from the moment when
    the fault struck, or, where none did, from the first entry.
    """

    at_ms: float
    who: Who
    text: str
    remark: str = ""


@dataclass(frozen=True)
class Replayed:
    """Shape: `then` is the recorded sample, `now` the one of the replay; `lines` both ledgers, in the order of time."""

    then: Sample
    now: Sample
    lines: Sequence[Line]

    @property
    def differing(self) -> dict[str, tuple[Any, Any]]:
        """The values that are not the same, then and now; None where there is none."""
        names = dict.fromkeys([*self.then.values, *self.now.values])
        pairs = {name: (self.then.values.get(name), self.now.values.get(name)) for name in names if name != "verdict"}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def find(folder: RunFolder, cell: str, trial: int) -> Sample:
    """The sample of that trial. `cell` is what `named` gives, or a part of it that no other cell has.

    Raises: InvalidInput saying what there is.
    """
    trials: dict[str, list[Sample]] = {}
    for sample in folder.samples().samples:
        if sample.metric == METRIC:
            trials.setdefault(named(sample), []).append(sample)
    if not trials:
        raise InvalidInput("run", str(folder.path), "accepted: a run with long-haul trials")
    name = _the_one(trials, cell)
    found = {sample.trial: sample for sample in trials[name]}
    if trial not in found:
        raise InvalidInput("trial", trial, f"accepted: one of {', '.join(map(str, sorted(found)))} of {name}")
    if found[trial].status == "not_testable":
        raise InvalidInput("cell", name, f"accepted: a cell that was measured; of this one the run says: {found[trial].reason}")
    return found[trial]


def _the_one(names: dict[str, list[Sample]], cell: str) -> str:
    if cell in names:
        return cell
    parts = [name for name in names if cell in name]
    # `grpc/recommended` is also a part of a2a-grpc's cells: whole words come first.
    whole = [name for name in parts if f"/{cell.strip('/')}/" in f"/{name}/"]
    if len(whole) == 1 or len(parts) == 1:
        return (whole if len(whole) == 1 else parts)[0]
    listed = parts or list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    why = f"{len(parts)} cells have it" if parts else "no cell has it"
    raise InvalidInput("cell", cell, f"accepted: one of {', '.join(listed[:SHOWN])}{more} ({why})")


async def replay(run: Run, then: Sample) -> Replayed:
    """Repeat that trial as its run measured it, on a server of its own.

    Raises: InvalidInput when this sametask does not know the run's suite, or the variant is not to be had here; and what a
    trial raises.
    """
    if run.suite not in SUITES or run.seed is None:
        raise InvalidInput("suite", run.suite, f"accepted: a run of one of these suites: {', '.join(SUITES)}")
    variant = variants().get(then.variant)
    if variant is None or variant.missing:
        why = f"; {variant.missing}" if variant else ""
        raise InvalidInput("variant", then.variant, f"accepted: one that is installed here{why}")
    blank = Sample(metric=METRIC, variant=then.variant, cell=then.cell, trial=then.trial)
    with tempfile.TemporaryDirectory(prefix="sametask-replay-") as scratch:
        bench = Bench((variant,), SUITES[run.suite], run.seed, Path(scratch))
        async with station_of(bench, variant, Path(scratch)) as station:
            try:
                outcome = await try_cell(bench, station, blank, Path(scratch))
            except Exception as error:
                # A wall on purpose, as where it is measured: a defect of the harness is no verdict.
                return Replayed(then, blank.broken(error), ())
        values = {"verdict": outcome.verdict, **outcome.values}
        now = blank.model_copy(update={"values": values, "reason": outcome.reason})
        return Replayed(then, now, ledgers(outcome.trial))


def ledgers(trial: Trial) -> list[Line]:
    """Both ledgers of a trial, while its files are there, in the order of time."""
    told = [trial.told, *trial.others]
    entries = [
        *_fault(trial),
        *_done(trial.deeds.all()),
        *(line for each in told for line in _heard(each, f"{each.name}: " if len(told) > 1 else "")),
        *(line for each in told for line in _never(trial, each, f"{each.name}: " if len(told) > 1 else "")),
    ]
    if not entries:
        return []
    entries.sort(key=lambda line: line.at_ms)
    zero = entries[0].at_ms if trial.struck_at is None else trial.struck_at * 1000
    return [Line(line.at_ms - zero, line.who, line.text, line.remark) for line in entries]


def _fault(trial: Trial) -> Generator[Line]:
    for at, text in ((trial.struck_at, "the fault strikes"), (trial.over_at, "the fault is over")):
        if at is not None:
            yield Line(at * 1000, "fault", text)


def _done(deeds: Sequence[Deed]) -> Generator[Line]:
    tasks = list(dict.fromkeys(deed.task_id for deed in deeds))
    seen: dict[int, str] = {}
    for deed in deeds:
        remark = "run again, without effect" if deed.again else "done twice" if deed.step in seen else ""
        if remark == "done twice" and deed.task_id != seen[deed.step]:
            remark = f"done twice, by another task ({_ordinal(tasks, deed.task_id)})"
        seen.setdefault(deed.step, deed.task_id)
        yield Line(deed.at * 1000, "agent", f"{_short(deed.task_id)} step {deed.step}", remark)


def _heard(told: Told, prefix: str) -> Generator[Line]:
    marks = {_told(mark): mark for _, mark in told.live}
    seen: set[Mark] = set()
    highest: dict[str, int] = {}
    for entry in told.entries:
        remark = ""
        if mark := marks.get(entry.text):
            kind, number = mark
            remark = "told again" if mark in seen else "out of order" if number < highest.get(kind, 0) else ""
            seen.add(mark)
            highest[kind] = max(highest.get(kind, 0), number)
        yield Line(entry.at * 1000, "client", prefix + entry.text, remark)


def _never(trial: Trial, told: Told, prefix: str) -> Generator[Line]:
    """What was done and never told, beside the deed; and which steps were never done."""
    first: dict[int, Deed] = {}
    for deed in trial.deeds.all():
        first.setdefault(deed.step, deed)
    for step, deed in first.items():
        lost = [kind for kind in ("artifact", "progress") if (kind, step) not in told.known]
        if lost:
            yield Line(deed.at * 1000, "client", f"{prefix}{' and '.join(lost)} {step}", "lost: never told")
    undone = [step for step in range(1, trial.steps + 1) if step not in first]
    if undone and told is trial.told:
        ends = [each.entries[-1].at for each in [told, *trial.others] if each.entries]
        last = max([*ends, *(deed.at for deed in first.values())], default=0.0)
        if last:
            yield Line(last * 1000, "agent", f"steps {undone[0]} to {undone[-1]}", f"{len(undone)} never done")


def _told(mark: Mark) -> str:
    return f"{mark[0]} {mark[1]}"


def _short(task_id: str) -> str:
    return task_id[-8:]


def _ordinal(tasks: Sequence[str], task_id: str) -> str:
    return f"task {tasks.index(task_id) + 1} of {len(tasks)}"
