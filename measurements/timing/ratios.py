"""A ratio of what was measured in the same rounds, and how far it can be trusted."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..samples import Sample

RESAMPLES_COUNT = 2000
NULL_PAIR = ("rest again", "rest")
"""The same server twice: what tells these two apart tells nothing."""

Pair = tuple[float, float]
"""What one round measured of the two that are compared."""


@dataclass(frozen=True)
class Ratio:
    """With the 95% interval of a bootstrap over rounds (Efron and Tibshirani, An Introduction to the Bootstrap, chapter 13)."""

    value: float
    low: float
    high: float

    def at_least(self, bound: float) -> str:
        """`yes`, `no`, or `not certain` where the bound lies within the interval."""
        if self.low >= bound:
            return "yes"
        return "no" if self.high < bound else "not certain"

    def at_most(self, bound: float) -> str:
        """As `at_least`."""
        if self.high <= bound:
            return "yes"
        return "no" if self.low > bound else "not certain"


def bootstrapped(pairs: Sequence[Pair], of: Callable[[Sequence[Pair]], float], seed: int) -> Ratio:
    """`of` makes one number of the rounds; they are drawn anew, with replacement, to see how much it hangs on them."""
    draw = random.Random(seed)
    drawn = sorted(of(draw.choices(pairs, k=len(pairs))) for _ in range(RESAMPLES_COUNT))
    return Ratio(of(pairs), drawn[int(0.025 * RESAMPLES_COUNT)], drawn[int(0.975 * RESAMPLES_COUNT) - 1])


def ratio(samples: Sequence[Sample], ours: str, stock: str, level: int, seed: int) -> Ratio | None:
    """The calls a second of one contender in units of another's. None where no round has both."""
    by_round: dict[int, dict[str, float]] = {}
    for sample in samples:
        if sample.status == "ok" and sample.cell["level"] == level:
            by_round.setdefault(sample.trial, {})[sample.cell["contender"]] = sample.values["calls_per_s"]
    pairs = [(cells[ours], cells[stock]) for cells in by_round.values() if ours in cells and stock in cells]
    return bootstrapped(pairs, _median_ratio, seed) if pairs else None


def _median_ratio(pairs: Sequence[Pair]) -> float:
    return statistics.median(ours / stock for ours, stock in pairs)
