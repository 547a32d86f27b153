"""`sametask replay`: one trial of a run once more, and what each side wrote down of it."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..measurements.provenance import revision
from ..measurements.run_folder import Run, RunFolder, json_ready
from ..measurements.samples import Sample
from .stdout import claimed_stdout

if TYPE_CHECKING:
    from ..measurements.longhaul.replay import Line, Replayed

MOST = 200
"""So many lines are all shown."""
AROUND = 3


@dataclass(frozen=True)
class Wanted:
    """What the person typed."""

    run: str
    cell: str
    trial: int
    as_json: bool


async def run_replay(wanted: Wanted) -> int:
    """Replay and print. Shape: the exit code, 0 whatever the verdict.

    Raises: InvalidInput for what was typed.
    """
    from ..measurements.longhaul.measure import named
    from ..measurements.longhaul.replay import find, replay

    folder = RunFolder.open(wanted.run)
    then = find(folder, wanted.cell, wanted.trial)
    stderr = Console(stderr=True)
    stderr.print(f"replaying {named(then)}, trial {then.trial}", style="dim", highlight=False, soft_wrap=True)
    if (was := folder.run.git) != (here := revision()) and was and here:
        told = f"the run was measured by {was.label()}, this is {here.label()}: what differs may be that"
        stderr.print(told, style="yellow", highlight=False, soft_wrap=True)
    with claimed_stdout() as out:
        replayed = await replay(folder.run, then)
        if wanted.as_json:
            print(json.dumps(_data(named(then), folder.run, replayed), indent=2, ensure_ascii=False), file=out)
        else:
            _show(replayed, Console(file=out))
    return 0


def _data(cell: str, run: Run, replayed: Replayed) -> Mapping[str, Any]:
    def told(sample: Sample) -> dict[str, Any]:
        return {"status": sample.status, "reason": sample.reason, "values": sample.values}

    return json_ready(
        {
            "cell": cell,
            "trial": replayed.then.trial,
            "suite": run.suite,
            "seed": run.seed,
            "ledgers": [asdict(line) for line in replayed.lines],
            "then": told(replayed.then),
            "now": told(replayed.now),
            "differing": {name: {"then": pair[0], "now": pair[1]} for name, pair in replayed.differing.items()},
        }
    )


def _show(replayed: Replayed, console: Console) -> None:
    if replayed.lines:
        drawn = Table(box=None, pad_edge=False)
        drawn.add_column("ms", justify="right", no_wrap=True)
        drawn.add_column("What the agent did", overflow="fold", ratio=1)
        drawn.add_column("What the client was told, or noticed", overflow="fold", ratio=1)
        for line in folded(replayed.lines):
            drawn.add_row(*(("", line, line) if isinstance(line, Text) else (f"{line.at_ms:+.0f}", *_sides(line))))
        console.print(drawn)
    console.print()
    for when, sample in (("then", replayed.then), ("now", replayed.now)):
        console.print(Text(f"{when + ':':6}{_verdict(sample)}"))
    if replayed.differing:
        console.print()
        values = Table(box=None, pad_edge=False)
        for title, justify in (("What differs", "left"), ("Then", "right"), ("Now", "right")):
            values.add_column(title, justify="right" if justify == "right" else "left", overflow="fold")
        for name, pair in replayed.differing.items():
            values.add_row(Text(name), *(Text(_value(value)) for value in pair))
        console.print(values)


def folded(lines: Sequence[Line]) -> Generator[Line | Text]:
    """The lines, and of many only those that say what went wrong, with what stands around them."""
    telling = {number for number, line in enumerate(lines) if line.remark or line.who == "fault"} | {0, len(lines) - 1}
    shown = {near for number in telling for near in range(number - AROUND, number + AROUND + 1)}
    for kept, run in groupby(enumerate(lines), lambda each: len(lines) <= MOST or each[0] in shown):
        some = [line for _, line in run]
        if kept or len(some) == 1:
            yield from some
        else:
            yield Text(f"... {len(some):,} more (--json has them)", style="dim")


def _sides(line: Line) -> tuple[Text, Text]:
    if line.who == "fault":
        text = Text(f"--- {line.text} ---", style="bold yellow")
        return text, text
    text = Text(line.text)
    if line.remark:
        text.append(f" ({line.remark})", style="bold red")
    return (text, Text()) if line.who == "agent" else (Text(), text)


def _verdict(sample: Sample) -> str:
    verdict = sample.values.get("verdict", sample.status)
    return f"{verdict}: {sample.reason}" if sample.reason else str(verdict)


def _value(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:,.1f}"
        case _:
            return str(value)
