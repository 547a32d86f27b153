"""Samples grouped into the cells of a metric, so that no failure can enter a series and nothing missing becomes a 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..samples import Sample


@dataclass
class Cell:
    """All attempts at one thing: `key` is (variant, then the chosen keys of `Sample.cell`).

    `trials` counts the attempts that were verdicts on the thing under test (ok or failed), not those that could not be made.
    """

    key: tuple[Any, ...]
    ok: list[Sample] = field(default_factory=list[Sample])
    failed: list[Sample] = field(default_factory=list[Sample])
    untestable: list[Sample] = field(default_factory=list[Sample])

    @property
    def trials(self) -> int:
        return len(self.ok) + len(self.failed)

    @property
    def not_testable(self) -> str | None:
        """Why there is no number at all: the reason of what could not be tested, else of the failures; None where one is ok."""
        if self.ok:
            return None
        if self.failed:
            reason, count = Counter(sample.reason for sample in self.failed).most_common(1)[0]
            return f"all {len(self.failed)} trials failed" + (f" ({count} x {reason})" if reason else "")
        return self.untestable[0].reason if self.untestable else "no sample was taken"

    def series(self, name: str) -> list[Any]:
        """The value of that name in every ok sample that has it; a missing value is left out."""
        return [value for sample in self.ok if (value := sample.values.get(name)) is not None]


def cells(samples: Iterable[Sample], keys: Sequence[str] = ()) -> list[Cell]:
    """One `Cell` per variant and value of `keys`, in order of first appearance.

    A harness error is nobody's verdict and enters no cell.
    """
    found: dict[str, Cell] = {}
    for sample in samples:
        if sample.status == "harness_error":
            continue
        key = (sample.variant, *(sample.cell.get(name) for name in keys))
        cell = found.setdefault(repr(key), Cell(key))
        {"ok": cell.ok, "failed": cell.failed, "not_testable": cell.untestable}[sample.status].append(sample)
    return list(found.values())
