"""What a fault is: a frozen config that, armed for one tap, watches the messages and strikes at a named point.

One file for each fault beside this one; it exports its config class as `FAULT`.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

from ..message import Message

How = Literal["reset", "close"]


class Link(Protocol):
    """The connection that a fault strikes."""

    def cut(self, how: How) -> None:
        """End it on both sides, with a RST or with a FIN; nothing is relayed any more."""
        ...


class Trigger(Protocol):
    """A fault with its state, for one tap: every connection of the tap shows it every message, in order."""

    def notice(self, message: Message) -> int | None:
        """The offset in the message's direction up to which the bytes are still relayed before the fault strikes; None to
        let it pass. An offset that has already been relayed strikes at once.
        """
        ...

    async def strike(self, link: Link) -> None:
        """Called when the bytes up to that offset have reached the peer's kernel."""
        ...


class Fault(Protocol):
    """A frozen config. `name` is how scenarios call it."""

    name: ClassVar[str]

    def arm(self) -> Trigger: ...
