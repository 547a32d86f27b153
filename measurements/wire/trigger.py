"""What a tap lets others do to a connection: watch its messages, hold it at a point of them, and break it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from .message import Direction, Message

How = Literal["reset", "close"]
BOTH: tuple[Direction, Direction] = ("up", "down")


class Link(Protocol):
    """One relayed connection."""

    def cut(self, how: How) -> None:
        """End it on both sides, with a RST or with a FIN; nothing is relayed any more."""
        ...

    def silence(self, directions: Iterable[Direction] = BOTH) -> None:
        """From now on nothing more is relayed that way, not even its end, and both sides stay open."""
        ...

    def pace(self, direction: Direction, bytes_per_s: float | None, *, buffer_bytes: int | None = None) -> None:
        """From now on relay no faster than that; None: as fast as it comes. `buffer_bytes` is how much waits here before the
        sender is no longer read from; None: as much as without a pace.
        """
        ...

    async def again(self) -> None:
        """Send the server once more, on a connection of its own, all that the client has sent on this one, and return when it
        has begun to answer as often as it did here. What it answers is thrown away.
        """
        ...


class Trigger(Protocol):
    """It watches the messages of one tap's connections, and strikes at one of them."""

    def notice(self, message: Message, link: Link) -> int | None:
        """Shown every message in order. Shape: the offset in the message's direction up to which the bytes are still relayed
        before it strikes; None to let it pass. An offset that has already been relayed strikes at once.
        """
        ...

    async def strike(self, link: Link) -> None:
        """Called when the bytes up to that offset have reached the peer's kernel; those behind them wait until it returns."""
        ...


class Watch(Protocol):
    """A frozen config of a trigger, which can be armed many times."""

    def arm(self) -> Trigger: ...
