"""Cut the connection once the client has received exactly k events (or k whole responses)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .message import Message
from .trigger import How, Link, Trigger


@dataclass(frozen=True)
class CutAfterEvents:
    """Cut after the `k`-th event that went to a client, over all connections of the tap.

    `count="events"` counts the messages of streamed answers (SSE events with data, gRPC response messages, JSON lines from the
    server): the k-th is relayed in full and nothing behind it, then both sides are cut. `count="responses"` is for clients
    that poll: the k-th whole response is relayed, and the connection of the next exchange is cut when its answer comes, in
    its place: the server has done the work, the client does not learn of it. `how`: `reset` (RST) or `close` (FIN).
    `once=False` begins to count anew after each cut. `match` sees each counted message and says whether it counts
    (`message.text`, `message.path`, `message.status`); without it pings and comments do not count, everything else does.
    """

    k: int
    how: How = "reset"
    once: bool = True
    match: Callable[[Message], bool] | None = None
    count: Literal["events", "responses"] = "events"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k: {self.k} is not accepted; accepted: 1 or more")

    def arm(self) -> Trigger:
        return _Cut(self)


class _Cut:
    def __init__(self, config: CutAfterEvents) -> None:
        self._config = config
        self._seen = 0
        self._spent = False

    def notice(self, message: Message, link: Link) -> int | None:
        if message.direction != "down" or self._spent:
            return None
        if self._config.count == "responses":
            return self._notice_response(message)
        if message.ordinal and self._counts(message):
            self._seen += 1
            if self._seen == self._config.k:
                return self._fire(message.end)
        return None

    def _notice_response(self, message: Message) -> int | None:
        # On pipes a response has no head: it is one line, an event and the end of its exchange.
        if self._seen >= self._config.k and (message.kind == "response" or (message.kind == "end" and message.ordinal)):
            return self._fire(message.begin)
        if message.kind == "end" and self._counts(message):
            self._seen += 1
        return None

    def _counts(self, message: Message) -> bool:
        return self._config.match is None or self._config.match(message)

    def _fire(self, at: int) -> int:
        self._seen = 0
        self._spent = self._config.once
        return at

    async def strike(self, link: Link) -> None:
        link.cut(self._config.how)
