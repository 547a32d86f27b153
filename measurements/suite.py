"""A suite: which metrics over which variants with how much effort, and the run that measures it into a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..agents.errors import InvalidInput
from ..protocols.variants import Variant, variants
from .bench import SUITES, Bench, Effort
from .cases import BUNDLED, Cases, own_cases
from .metric import Metric, metrics
from .run_folder import Options, RunFolder

if TYPE_CHECKING:
    from .shards.coordinator import Fleet

Progress = Callable[[str, float, float, str], None]
"""`progress(metric title, done, total, text)`."""


@dataclass(frozen=True)
class Plan:
    """What one run measures."""

    effort: Effort
    metrics: tuple[Metric, ...]
    variants: tuple[Variant, ...]
    seed: int
    options: Options
    cases: Cases = BUNDLED


def plan(
    suite: str = "quick",
    only: Sequence[str] = (),
    names: Sequence[str] = (),
    seed: int = 0,
    agent: str = "",
    cases: str = "",
    together: bool = False,
) -> Plan:
    """The plan that these options make; by default every usual metric, and every variant with a server of its own; the stock
    rows only in a suite that says so. `agent` and `cases` name an agent of the user's own and what to ask of it, see
    `cases.own_cases`. `together`: several machines measure, so that what they can share is usual too.

    Raises: InvalidInput for an unknown suite, metric or variant, saying what is accepted.
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
    given = {name: value for name, value in told.items() if value != default[name]}
    defaulted = {name: value for name, value in told.items() if name not in given}
    return Plan(
        SUITES[suite],
        tuple(metric for name, metric in known.items() if (name in wanted if wanted else _usual(metric, together))),
        tuple(chosen),
        seed,
        Options(given=given, defaulted=defaulted),
        own_cases(agent, cases) if agent else BUNDLED,
    )


def _usual(metric: Metric, together: bool) -> bool:
    return metric.usual or (together and metric.split is not None)


def resume(path: Path | str) -> tuple[Plan, RunFolder]:
    """The run in that folder, which several machines measured and which did not come to its end, and its plan.

    Raises: InvalidInput when it is no such run.
    """
    folder = RunFolder.resume(path)
    asked = {**folder.run.options.defaulted, **folder.run.options.given}
    if not asked.get("together"):
        raise InvalidInput("resume", str(path), "accepted: the folder of a run that was measured with --engine")
    arguments = ("suite", "only", "variants", "seed", "agent", "input")
    return plan(*(asked[name] for name in arguments), together=True), folder


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
    """Measure the plan into the folder, sample by sample. However it ends, run.json says so and what was measured stays.

    With a `fleet`, its workers measure first all that can be split, and this machine the rest. What an earlier part of a run
    that is resumed was interrupted in here is not measured again: then the run ends as interrupted.
    """
    begun = {sample.metric for sample in folder.samples().samples} if fleet else set[str]()
    with tempfile.TemporaryDirectory(prefix="sametask-") as scratch, folder.recording():
        if fleet:
            from .shards.coordinator import measure_together

            await measure_together(plan, folder, progress, fleet)
        here = [metric for metric in plan.metrics if not (fleet and metric.split)]
        for metric in here:
            if metric.name in begun:
                continue

            def tell(done: float, total: float, text: str, title: str = metric.title) -> None:
                progress(title, done, total, text)

            bench = Bench(plan.variants, plan.effort, plan.seed, Path(scratch), tell, cases=plan.cases)
            # Closed here and now when a sample cannot be kept: its servers end with this run, not with the collector.
            async with aclosing(metric.measure(bench)) as samples:
                async for sample in samples:
                    folder.append(sample)
            folder.through_with(metric.name)
    if any(metric.name not in folder.run.measured for metric in here):
        folder.finish("interrupted")
