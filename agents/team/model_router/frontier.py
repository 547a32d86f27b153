"""The cost-quality frontier: the points that no other beats, and the one that meets a constraint best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar


class Priced(Protocol):
    @property
    def cost(self) -> float: ...

    @property
    def quality(self) -> float: ...


Point = TypeVar("Point", bound=Priced)


def pareto(points: Iterable[Point]) -> list[Point]:
    """The points that no other beats, cheapest first: both cost and quality rise strictly. Of equals, the first is kept."""
    frontier: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.quality)):
        if not frontier or point.quality > frontier[-1].quality:
            frontier.append(point)
    return frontier


def cheapest(frontier: Sequence[Point], min_quality: float) -> Point | None:
    """The cheapest point of at least that quality, if there is one."""
    return next((point for point in frontier if point.quality >= min_quality), None)


def best(frontier: Sequence[Point], max_cost: float) -> Point | None:
    """The best point of at most that cost, if there is one."""
    return next((point for point in reversed(frontier) if point.cost <= max_cost), None)
