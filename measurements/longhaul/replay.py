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
from ..metric import in_words
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
    whole = [name for name in parts if in_words(cell, name)]
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
    told, deeds = [trial.told, *trial.others], trial.deeds.all()
    entries = [*_fault(trial), *_done(deeds, {each.task_id for each in told})]
    for each in told:
        prefix = f"{each.name}: " if len(told) > 1 else ""
        # Of a task that the client cannot name, all that was done counts as its own.
        own = [deed for deed in deeds if deed.task_id == each.task_id] or deeds
        entries += [*_heard(each, prefix), *_never(trial, each, own, prefix)]
    if not entries:
        return []
    entries += _undone(trial, deeds, max(line.at_ms for line in entries))
    entries.sort(key=lambda line: line.at_ms)
    zero = entries[0].at_ms if trial.struck_at is None else trial.struck_at * 1000
    return [Line(line.at_ms - zero, line.who, line.text, line.remark) for line in entries]


def _fault(trial: Trial) -> Generator[Line]:
    for at, text in ((trial.struck_at, "the fault strikes"), (trial.over_at, "the fault is over")):
        if at is not None:
            yield Line(at * 1000, "fault", text)


def _done(deeds: Sequence[Deed], asked_for: set[str]) -> Generator[Line]:
    """`asked_for`: the tasks that clients know; what several of those do was to be done several times."""
    doers: dict[int, set[str]] = {}
    for deed in deeds:
        others = doers.setdefault(deed.step, set()) - {deed.task_id}
        remark = ""
        if deed.again:
            remark = "run again, without effect"
        elif deed.task_id in doers[deed.step]:
            remark = "done twice"
        elif others and not {deed.task_id, *others} <= asked_for:
            remark = "done twice, by another task"
        doers[deed.step].add(deed.task_id)
        yield Line(deed.at * 1000, "agent", f"{deed.task_id[-8:]} step {deed.step}", remark)


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


def _never(trial: Trial, told: Told, own: Sequence[Deed], prefix: str) -> Generator[Line]:
    """What was done and never told, beside the deed."""
    first: dict[int, Deed] = {}
    for deed in own:
        first.setdefault(deed.step, deed)
    lost: dict[int, list[Mark]] = {}
    for mark in sorted(trial.expected - told.known.keys()):
        lost.setdefault((mark[1] - 1) // trial.marks + 1, []).append(mark)
    for step, marks in lost.items():
        if deed := first.get(step):
            more = f" and {len(marks) - SHOWN} more" if len(marks) > SHOWN else ""
            yield Line(deed.at * 1000, "client", prefix + ", ".join(map(_told, marks[:SHOWN])) + more, "lost: never told")


def _undone(trial: Trial, deeds: Sequence[Deed], last_ms: float) -> Generator[Line]:
    """The steps that no task has done, at the end of it all."""
    undone = sorted(set(range(1, trial.steps + 1)) - {deed.step for deed in deeds})
    if undone:
        yield Line(last_ms, "agent", f"steps {undone[0]} to {undone[-1]}", f"{len(undone)} never done")


def _told(mark: Mark) -> str:
    return f"{mark[0]} {mark[1]}"
