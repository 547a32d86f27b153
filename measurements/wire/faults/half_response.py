"""The first half of what the server tells next gets through, then a FIN: a client must not take the half for the whole."""

from __future__ import annotations

import anyio

from ..message import Message
from ..trigger import Link, Trigger
from .contract import Fault, Line


class _Half:
    """Lets half of the next thing pass that comes down on one of those connections."""

    def __init__(self, links: list[Link]) -> None:
        self._links = links
        self.struck = anyio.Event()

    def arm(self) -> Trigger:
        return self

    def notice(self, message: Message, link: Link) -> int | None:
        told = message.kind in ("event", "end") and message.end - message.begin > 1
        if message.direction == "down" and told and link in self._links and not self.struck.is_set():
            return (message.begin + message.end) // 2
        return None

    async def strike(self, link: Link) -> None:
        self.struck.set()
        link.cut("close")


async def _strike(line: Line) -> None:
    half = _Half(line.links)
    for tap in line.taps:
        tap.watch(half)
    line.release()
    await half.struck.wait()


FAULT = Fault("half_response", "half of an answer arrives", 12, _strike)
