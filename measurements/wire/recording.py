"""Everything that passed one or several taps, and the counts of the part of it that one flow made."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

from .decoders.passive import PassiveDecoder, Wire
from .exchanges import Exchange, exchanges_of, turns
from .fingerprint import fingerprint
from .message import Decoded, Direction, Message, Split


class ConnectionRecord:
    """One connection: its messages in order, its bytes each way, and why it could not be read where it could not.

    Shape: `refused` says why there was no server behind it (then it carried nothing).

    Units: `opened_at` and `closed_at` are monotonic seconds.
    """

    def __init__(self, index: int, wire: Wire, listener: str) -> None:
        self.index = index
        self.wire: Wire = wire
        self.listener = listener
        self.opened_at = time.monotonic()
        self.closed_at: float | None = None
        self.refused: str | None = None
        self.messages: list[Message] = []
        self.up = Split()
        self.down = Split()
        self.decoder = PassiveDecoder(wire)

    @property
    def protocol(self) -> str:
        return self.decoder.protocol

    @property
    def undecodable(self) -> str | None:
        return self.decoder.undecodable

    def add(self, direction: Direction, decoded: Decoded) -> None:
        """Keep what was relayed; what comes down is dated by its release to the client."""
        if direction == "up":
            self.up = self.up.plus(decoded.split())
            self.messages += decoded.messages
        else:
            t = time.monotonic()
            self.down = self.down.plus(decoded.split())
            self.messages += [replace(message, t=t) for message in decoded.messages]


@dataclass(frozen=True)
class Mark:
    """A point in a recording: per connection the messages and the bytes so far."""

    at: tuple[tuple[int, Split, Split], ...]


@dataclass(frozen=True)
class Counts:
    """What one flow cost on the wire, over all the listeners of its recording.

    Shape: `requests` are HTTP requests, RPCs or JSON-RPC requests; `messages_up` and `messages_down` are protocol messages
    (each event of a streamed answer is one); `turns` is defined in `exchanges.py`; `up` and `down` name every relayed byte
    once; `fingerprint` has one line for each exchange, in order; `undecodable` has the reasons of the connections that could
    not be read, for which everything but bytes and connections is missing: with such a reason the counts are no evidence.
    """

    connections: int
    requests: int
    messages_up: int
    messages_down: int
    turns: int
    up: Split
    down: Split
    fingerprint: tuple[str, ...]
    undecodable: tuple[str, ...] = ()

    @property
    def bytes_up(self) -> int:
        return self.up.total

    @property
    def bytes_down(self) -> int:
        return self.down.total

    def values(self) -> dict[str, Any]:
        """Flat, with units in the names, as a `Sample` keeps them."""
        split = {
            f"{direction}_{part}_bytes": size
            for direction, parts in (("up", self.up), ("down", self.down))
            for part, size in parts._asdict().items()
        }
        return {
            "connections_count": self.connections,
            "requests_count": self.requests,
            "messages_up_count": self.messages_up,
            "messages_down_count": self.messages_down,
            "turns_count": self.turns,
            "up_bytes": self.bytes_up,
            "down_bytes": self.bytes_down,
            **split,
            "fingerprint": list(self.fingerprint),
            "undecodable": list(self.undecodable),
        }


@dataclass
class Flow:
    """The flow being cut out; `counts` are there once its block was left, `counts_so_far()` before."""

    recording: Recording
    mark: Mark
    counts: Counts | None = field(default=None)

    def counts_so_far(self) -> Counts:
        return self.recording.since(self.mark)

    @property
    def total(self) -> Counts:
        """The counts of the finished flow."""
        assert self.counts is not None, "the flow has not ended"
        return self.counts


class Recording:
    """Shared by the taps of one server, so that a flow is counted over all its listeners."""

    def __init__(self) -> None:
        self.connections: list[ConnectionRecord] = []
        self.in_flight = 0  # chunks that a tap has read and not passed on yet
        self.active_at = time.monotonic()
        self._aside = False

    def open(self, wire: Wire, listener: str) -> ConnectionRecord:
        record = ConnectionRecord(len(self.connections), wire, listener)
        if not self._aside:
            self.connections.append(record)
        self.active_at = time.monotonic()
        return record

    def mark(self) -> Mark:
        return Mark(tuple((len(each.messages), each.up, each.down) for each in self.connections))

    def messages_since(self, mark: Mark) -> list[tuple[ConnectionRecord, list[Message]]]:
        """What each connection carried since then."""
        known = len(mark.at)
        return [
            (each, each.messages[mark.at[each.index][0] :] if each.index < known else list(each.messages))
            for each in self.connections
        ]

    def exchanges_since(self, mark: Mark) -> list[Exchange]:
        """The exchanges begun since then, over all connections, in the order in which they started."""
        found = [each for record, messages in self.messages_since(mark) for each in exchanges_of(record.index, messages)]
        return sorted(found, key=lambda each: each.start)

    def since(self, mark: Mark) -> Counts:
        """The counts of everything relayed since then."""
        new = self.connections[len(mark.at) :]
        parts = self.messages_since(mark)
        messages = [message for _, some in parts for message in some]
        exchanges = self.exchanges_since(mark)
        up = down = Split()
        unread: list[str] = []
        for record in self.connections:
            _, up_then, down_then = mark.at[record.index] if record.index < len(mark.at) else (0, Split(), Split())
            moved = record.up.minus(up_then), record.down.minus(down_then)
            up, down = up.plus(moved[0]), down.plus(moved[1])
            if record.undecodable is not None and moved[0].total + moved[1].total:
                unread.append(record.undecodable)
        return Counts(
            connections=len(new),
            requests=sum(message.kind == "request" for message in messages),
            messages_up=sum(message.counted for message in messages if message.direction == "up"),
            messages_down=sum(message.counted for message in messages if message.direction == "down"),
            turns=turns(exchanges, {each.index: each.opened_at for each in new if each.wire == "tcp"}),
            up=up,
            down=down,
            fingerprint=tuple(
                fingerprint(each, self.connections[each.connection].decoder.protocol)
                for each in exchanges
                if not each.continues
            ),
            undecodable=tuple(unread),
        )

    @contextlib.contextmanager
    def flow(self) -> Generator[Flow]:
        """`with recording.flow() as flow: ...` and then `flow.total`."""
        flow = Flow(self, self.mark())
        try:
            yield flow
        finally:
            flow.counts = self.since(flow.mark)

    @contextlib.contextmanager
    def aside(self) -> Generator[None]:
        """Connections that are opened within the block are relayed and never recorded: the harness looks, nobody pays."""
        self._aside = True
        try:
            yield
        finally:
            self._aside = False

    async def quiet(self, idle_ms: float = 20.0, timeout_s: float = 2.0) -> bool:
        """Wait until nothing has passed for `idle_ms`, so that a client's late WINDOW_UPDATE or a server's late PING falls into
        the flow that caused it. False when it did not get quiet within `timeout_s` (a stream is open).
        """
        deadline = time.monotonic() + timeout_s
        while (now := time.monotonic()) < deadline:
            idle_s = now - self.active_at
            if not self.in_flight and idle_s * 1000 >= idle_ms:
                return True
            await asyncio.sleep(max(0.001, min(idle_ms / 1000 - idle_s, deadline - now)))
        return False
