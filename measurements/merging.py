"""The parts of one run, measured each by itself, as one run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..agents.errors import InvalidInput
from .longhaul.measure import METRIC, named
from .part import Part
from .run_folder import EndReason, Merged, RunFolder
from .samples import Sample
from .shards.contract import Release, cell_of

WORST: Sequence[EndReason | None] = ("failed", "interrupted", None, "completed")


def merge(paths: Sequence[Path | str], out: Path | str) -> RunFolder:
    """A new run of all their samples. A part that is not among them is missing, and its report says so.

    Raises: InvalidInput naming what does not belong together, or when `out` cannot be written.
    """
    folders = [RunFolder.open(path) for path in paths]
    for folder in folders:
        if not folder.run.options.given.get("shard"):
            raise InvalidInput("run", str(folder.path), "accepted beside other runs: one measured with --shard i/n")
    _check_together(folders)
    folders = sorted(folders, key=lambda folder: Part.read(folder.run.options.given["shard"]).number)
    _check_apart(folders)
    runs = [folder.run for folder in folders]
    first = runs[0]
    given = {name: value for name, value in first.options.given.items() if name != "shard"}
    ends = [run.end_reason for run in runs]
    end = min(ends, key=WORST.index)
    merged = first.model_copy(
        update={
            "options": first.options.model_copy(update={"given": given}),
            "metrics": list(dict.fromkeys(name for run in runs for name in run.metrics)),
            "measured": [name for name in first.metrics if all(name in run.measured for run in runs if name in run.metrics)],
            "hosts": {name: host for run in runs for name, host in run.hosts.items()},
            "pauses": [pause for run in runs for pause in run.pauses],
            "parts": [Merged(run=r.name, shard=r.options.given["shard"], end_reason=r.end_reason) for r in runs],
            "started": min(run.started for run in runs),
            "ended": max((run.ended for run in runs if run.ended), default=None),
            "end_reason": end or "interrupted",
            "error": next((run.error for run in runs if run.error), None),
        }
    )
    return RunFolder.merge(out, merged, [sample for folder in folders for sample in folder.samples().samples])


def _belongs(folder: RunFolder) -> dict[str, Any]:
    """What all parts of one run have in common, by the name that a person knows it by."""
    run = folder.run
    release = Release.of(run.versions, run.git)
    options = {name: value for name, value in run.options.given.items() if name != "shard"}
    return {
        "suite": run.suite,
        "seed": run.seed,
        "variants": run.variants,
        "revision": f"{release.sametask} {release.revision}",
        "shards": Part.read(run.options.given["shard"]).of,
        "options": options,
    }


def _check_together(folders: Sequence[RunFolder]) -> None:
    first = _belongs(folders[0])
    for folder in folders[1:]:
        for name, value in _belongs(folder).items():
            if value != first[name]:
                told = f"accepted: {first[name]!r} as in {folders[0].path}; {folder.path} is of another run"
                raise InvalidInput(name, value, told)


def _check_apart(folders: Sequence[RunFolder]) -> None:
    shards: dict[str, Path] = {}
    cells: dict[str, Path] = {}
    for folder in folders:
        shard = folder.run.options.given["shard"]
        if other := shards.get(shard):
            raise InvalidInput("shard", shard, f"accepted: each shard once; {other} and {folder.path} are both this one")
        shards[shard] = folder.path
        mine = {cell_of(sample): sample for sample in folder.samples().samples}
        for cell, sample in mine.items():
            if other := cells.get(cell):
                raise InvalidInput("run", str(folder.path), f"accepted: each cell once; {_told(sample)} is in {other} too")
        cells |= dict.fromkeys(mine, folder.path)


def _told(sample: Sample) -> str:
    return f"{named(sample)}, trial {sample.trial}," if sample.metric == METRIC else cell_of(sample)
