"""Where two curves cross: a scan on a logarithmic grid, then bisection.

Ours: two crossings within one cell of the grid (a factor of at most 1.004 wide over seven decades) cancel out unseen.
"""

from __future__ import annotations

from collections.abc import Callable

CELLS = 4096
TIE = 1e-9
"""A relative difference too small to name a winner by."""


def sign(first: float, second: float) -> int:
    """-1 where `first` is the smaller, 1 where `second` is, 0 where they are equal to nine digits."""
    if abs(first - second) <= TIE * max(abs(first), abs(second)):
        return 0
    return -1 if first < second else 1


def crossings(difference: Callable[[float], int], start: float, end: float) -> list[tuple[float, int]]:
    """Each place in [start, end] where the sign of `difference` turns to its opposite, with the sign behind it.

    A stretch where it is 0 is no crossing unless the sign behind it differs from the one before it.
    """
    found: list[tuple[float, int]] = []
    left, before = start, difference(start)
    for cell in range(1, CELLS + 1):
        right = min(end, start * (end / start) ** (cell / CELLS))
        behind = difference(right)
        if behind == 0:
            continue
        if before not in (0, behind):
            found.append((_bisect(difference, left, right, before), behind))
        left, before = right, behind
    return found


def _bisect(difference: Callable[[float], int], left: float, right: float, before: int) -> float:
    for _ in range(100):
        middle = (left + right) / 2
        if middle in (left, right):
            break
        if difference(middle) == before:
            left = middle
        else:
            right = middle
    return right
