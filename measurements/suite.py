"""A suite: which metrics over which variants with how much effort, and the run that measures it into a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..agents.errors import InvalidInput
from ..protocols.variants import Variant, variants
from .bench import SUITES, Bench, Effort
from .cases import BUNDLED, Cases, own_cases
from .metric import ByCell, Metric, in_words, metrics
from .part import WHOLE, Part
from .provenance import machine, revision, versions
from .run_folder import Host, Options, Run, RunFolder
from .samples import Sample, Where
from .shards.contract import Release, cell_of
from .shards.host import host_name

if TYPE_CHECKING:
    from .shards.coordinator import Fleet

Progress = Callable[[str, float, float, str], None]
"""`progress(metric title, done, total, text)`."""


@dataclass(frozen=True)
class Plan:
    """What one run measures: the `part` of it that is asked for, and of that the `cells`, where some are."""

    effort: Effort
    metrics: tuple[Metric, ...]
    variants: tuple[Variant, ...]
    seed: int
    options: Options
    cases: Cases = BUNDLED
    part: Part = WHOLE
    cells: tuple[str, ...] = ()


def plan(
    suite: str = "quick",
    only: Sequence[str] = (),
    names: Sequence[str] = (),
    seed: int = 0,
    agent: str = "",
    cases: str = "",
    together: bool = False,
    shard: str = "",
    cells: Sequence[str] = (),
) -> Plan:
    """The plan that these options make; by default every usual metric, and every variant with a server of its own; the stock
    rows only in a suite that says so. `agent` and `cases` name an agent of the user's own and what to ask of it, see
    `cases.own_cases`. `together`: several machines measure, so that what they can share is usual too. `shard`: i/n, a part of
    what can be measured in parts; the first one has the rest too. `cells` are words of the names of what is to be measured,
    and nothing else then is; each cell of any suite can be named.

    Raises: InvalidInput for an unknown suite, metric, variant, shard or cell, saying what is accepted.
    """
    if suite not in SUITES:
        raise InvalidInput("suite", suite, "accepted: one of: " + ", ".join(SUITES))
    known = {metric.name.replace("_", "-"): metric for metric in metrics().values()}
    for name in only:
        if name.replace("_", "-") not in known:
            raise InvalidInput("only", name, "accepted: one or more of: " + ", ".join(known))
    every = variants()
    for name in names:
        if name not in every:
            raise InvalidInput("variants", name, "accepted: one or more of: " + ", ".join(every))
    usual = {name for name, each in every.items() if each.server and (SUITES[suite].stock or not each.stock_of)}
    chosen = [each for name, each in every.items() if name in (names or usual)]
    wanted = {name.replace("_", "-") for name in only}
    if cases and not agent:
        raise InvalidInput.missing("agent", "cases are those of an agent of your own: FILE.py[:NAME] or package.module[:NAME]")
    told = {"suite": suite, "only": list(only), "variants": list(names), "seed": seed, "agent": agent, "input": cases}
    default = {"suite": "quick", "only": list[str](), "variants": list[str](), "seed": 0, "agent": "", "input": ""}
    if together:
        told["together"], default["together"] = True, False
    part = Part.read(shard) if shard else WHOLE
    measured = [metric for name, metric in known.items() if (name in wanted if wanted else _usual(metric, together))]
    effort = SUITES[suite]
    if cells:
        effort = replace(effort, whole=True)
        measured = [metric for metric in measured if metric.by_cell or only]
        _check_cells(cells, measured, Bench(tuple(chosen), effort, seed, Path()))
        told["cells"], default["cells"] = list(cells), list[str]()
    mine = tuple(metric for metric in measured if part.first or metric.by_cell)
    if not mine:
        split = ", ".join(name for name, metric in known.items() if metric.by_cell)
        raise InvalidInput("shard", shard, f"accepted: 1/{part.of}: of all metrics only {split} is split, shard 1 has the rest")
    if shard:
        told["shard"], default["shard"] = part.named, ""
    given = {name: value for name, value in told.items() if value != default[name]}
    defaulted = {name: value for name, value in told.items() if name not in given}
    return Plan(
        effort,
        mine,
        tuple(chosen),
        seed,
        Options(given=given, defaulted=defaulted),
        own_cases(agent, cases) if agent else BUNDLED,
        part,
        tuple(cells),
    )


def _check_cells(cells: Sequence[str], measured: Sequence[Metric], bench: Bench) -> None:
    known: list[str] = []
    for metric in measured:
        if metric.by_cell is None:
            raise InvalidInput(
                "cells", ",".join(cells), f"accepted: without --only {metric.name.replace('_', '-')}, which has none"
            )
        known += map(metric.by_cell.named, metric.by_cell.blanks(bench))
    for cell in cells:
        if not any(in_words(cell, name) for name in known):
            told = f"accepted: words of a cell's name, one after another, as in {known[-1]}" if known else "accepted: none"
            raise InvalidInput("cells", cell, told)


def _usual(metric: Metric, together: bool) -> bool:
    return metric.usual or (together and metric.split is not None)


def resume(path: Path | str, together: bool = False) -> tuple[Plan, RunFolder]:
    """The run in that folder, which did not come to its end, and its plan. `together`: several machines go on with it, as they
    began it. What cannot go on in the middle is measured anew: its half samples are taken away.

    Raises: InvalidInput when it is no such run, or not to be gone on with here; Unavailable when it is being measured.
    """
    run = RunFolder.open(path).run
    if refused := _not_resumed(run, together):
        raise InvalidInput("resume", str(path), f"accepted: {refused}")
    asked = {**run.options.defaulted, **run.options.given}
    arguments = ("suite", "only", "variants", "seed", "agent", "input")
    found = plan(
        *(asked[name] for name in arguments), together=together, shard=asked.get("shard", ""), cells=asked.get("cells", ())
    )
    going_on = {metric.name for metric in found.metrics if metric.by_cell or (together and metric.split)}
    return found, RunFolder.resume(path, lambda sample: sample.metric in {*run.measured, *going_on})


def _not_resumed(run: Run, together: bool) -> str:
    """What would be accepted instead of this run; "" where it is."""
    asked = {**run.options.defaulted, **run.options.given}
    if run.parts or "suite" not in asked:
        return "the folder of a run that `sametask compare` measured"
    if run.end_reason == "completed":
        return "a run that was stopped before its end; this one was completed"
    if together != bool(asked.get("together")):
        return f"a run that was measured {'with' if together else 'without'} --engine"
    if together:
        return ""  # its workers look for themselves
    then, now = Release.of(run.versions, run.git), Release.of(versions(), revision())
    if then != now:
        return f"with the source that began it, {then.sametask} {then.revision}; this is {now.sametask} {now.revision}"
    here = machine()
    if (run.machine.cpu, run.machine.cores_count) != (here.cpu, here.cores_count):
        return f"on the machine that began it, {run.machine.cores_count} cores of {run.machine.cpu}"
    return ""


def begin(plan: Plan, out: Path | str) -> RunFolder:
    """The folder of a new run of this plan. Raises: InvalidInput when `out` cannot be written."""
    return RunFolder.create(
        out,
        plan.effort.name,
        options=plan.options,
        seed=plan.seed,
        variants=[variant.name for variant in plan.variants],
        metrics=[metric.name for metric in plan.metrics],
    )


async def run(plan: Plan, folder: RunFolder, progress: Progress, fleet: Fleet | None = None) -> None:
    """Measure the plan into the folder, sample by sample, without what the folder has of it. However it ends, run.json says so
    and what was measured stays. With a `fleet`, its workers measure first all that can be split, and this machine the rest.

    Raises: Unavailable when another process measures into the folder, or when samples cannot be kept.
    """
    with folder.alone(), tempfile.TemporaryDirectory(prefix="sametask-") as scratch, folder.recording():
        if fleet:
            from .shards.coordinator import measure_together

            await measure_together(plan, folder, progress, fleet)
        measured = {cell_of(sample) for sample in folder.samples().samples}
        where = _where(plan, folder)

        for metric in plan.metrics:
            if metric.name in folder.run.measured:
                continue

            def tell(done: float, total: float, text: str, title: str = metric.title) -> None:
                progress(title, done, total, text)

            def wanted(blank: Sample, by: ByCell | None = metric.by_cell) -> bool:
                asked = not plan.cells or (by is not None and any(in_words(cell, by.named(blank)) for cell in plan.cells))
                return asked and plan.part.holds(blank) and cell_of(blank) not in measured

            bench = Bench(plan.variants, plan.effort, plan.seed, Path(scratch), tell, cases=plan.cases, wanted=wanted)
            # Closed here and now when a sample cannot be kept: its servers end with this run, not with the collector.
            async with aclosing(metric.measure(bench)) as samples:
                async for sample in samples:
                    folder.append(sample.model_copy(update={"where": where}) if where else sample)
            folder.through_with(metric.name)


def _where(plan: Plan, folder: RunFolder) -> Where | None:
    """The label of a part's samples, which will lie beside those of other parts."""
    if plan.part == WHOLE:
        return None
    where = Where(host=host_name(), worker=f"shard {plan.part.named}")
    folder.add_host(where.host, Host(machine=folder.run.machine, versions=folder.run.versions))
    return where
