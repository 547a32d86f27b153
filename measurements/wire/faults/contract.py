"""What a fault is: a thing that is done to the line between a client and a server, at a point that somebody else has found.

One file for each fault beside this one; it exports its `Fault` as `FAULT`, or several as `FAULTS`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, TypeVar

from ..tap import Tap
from ..trigger import Link


class NothingToStrike(Exception):
    """No connection was open: nothing was broken, and there is no verdict."""


@dataclass
class Line:
    """Where a fault strikes.

    Shape: `link` is the connection that is held at the point, None where the point is not one of the wire; `idle` says that
    there may be no connection at all. `draw` is seeded. Units: `outage_s` is how long what is taken away stays away.
    """

    taps: Sequence[Tap]
    draw: Random
    outage_s: float
    release: Callable[[], None]
    link: Link | None = None
    idle: bool = False
    prepared: Any = None

    @property
    def links(self) -> list[Link]:
        """The one that is held, or all that are open. Raises: NothingToStrike."""
        found: list[Link] = [self.link] if self.link is not None else [link for tap in self.taps for link in tap.links]
        if not found and not self.idle:
            raise NothingToStrike("no connection was open to be struck")
        return found


Where = TypeVar("Where", bound=Line, contravariant=True)


@dataclass(frozen=True)
class Fault(Generic[Where]):
    """`strike` is called with the line held at the point. It ends once it has struck and has brought back what it took away;
    what is held moves again when it ends, or when it calls `release`. `prepare` is awaited before the
    trial begins, and what it gives is the line's `prepared`. `listening`: it needs a server that listens;
    `starts`: a server starts before it is over, and the times that follow hold that start.
    """

    name: str
    title: str
    order: int
    strike: Callable[[Where], Awaitable[None]]
    prepare: Callable[[Where], Awaitable[Any]] | None = None
    listening: bool = False
    starts: bool = False
