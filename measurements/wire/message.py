"""What a decoder says about the bytes it was shown: which part of the protocol each byte is, and which messages they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Direction = Literal["up", "down"]
"""`up` is client to server, `down` is server to client."""

Part = Literal["framing", "headers", "body"]

Kind = Literal["request", "interim", "response", "message", "event", "comment", "ask", "reply", "end", "frame"]
"""`request`, `response`: a head. `interim`: a 1xx response. `message`: one more client message inside a request (gRPC), or a
client's JSON-RPC notification. `event`: one message of a streamed answer. `comment`: an SSE comment. `ask`, `reply`: a request
of the server inside an exchange and the client's answer to it (JSON-RPC on pipes). `end`: the request (up) or the response
(down) is complete. `frame`: of the connection, not of an exchange (SETTINGS, PING, WINDOW_UPDATE, GOAWAY, RST_STREAM ...)."""

HEADERS_OF_INTEREST = frozenset(
    {
        "content-type",
        "content-encoding",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "a2a-version",
        "a2a-extensions",
        "last-event-id",
        "grpc-status",
        "grpc-message",
        "retry-after",
    }
)

TEXT_LIMIT_BYTES = 1 << 20
"""How much of an event or of a JSON body a message keeps; what is longer is counted but not kept."""


class Undecodable(Exception):
    """Bytes that are not what the decoder was told they are; the message says why."""


class Split(NamedTuple):
    """Bytes by what they are for.

    Shape: `headers` are request and status lines, fields and trailers; `body` is what the application gave; `framing` is
    all that the protocol adds around them (chunk sizes, frame headers, padding, gRPC prefixes, control frames, newlines).
    """

    framing: int = 0
    headers: int = 0
    body: int = 0

    @property
    def total(self) -> int:
        return self.framing + self.headers + self.body

    def minus(self, other: Split) -> Split:
        return Split(self.framing - other.framing, self.headers - other.headers, self.body - other.body)

    def plus(self, other: Split) -> Split:
        return Split(self.framing + other.framing, self.headers + other.headers, self.body + other.body)


@dataclass(frozen=True)
class Message:
    """One step of a conversation, seen on the wire.

    Shape: `stream` tells the exchanges of a connection apart (a running number; the stream id in HTTP/2; 0 is the connection
    itself). `begin` and `end` are offsets into the direction's bytes. `counted` is true where this is one whole protocol
    message (a `response` head is not: its `end` or its events are). `ordinal` numbers the events of one answer from 1; 0 is
    not an event. `text` is an event's data, or a JSON body at its `end`. `name` is the frame's type.
    Units: `t` is monotonic seconds, as the client sees it: arrival at the tap going up, release to the client coming down.
    """

    direction: Direction
    kind: Kind
    stream: int
    begin: int
    end: int
    t: float
    counted: bool = False
    ordinal: int = 0
    method: str = ""
    path: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    rpc_method: str = ""
    version: str = ""
    text: str = ""
    event_id: str = ""
    name: str = ""
    header_bytes: int = 0
    body_bytes: int = 0


@dataclass
class Decoded:
    """What one chunk brought: `runs` name every byte from offset `start` on, in order; `messages` are those it completed."""

    start: int
    runs: list[tuple[Part, int]] = field(default_factory=list[tuple[Part, int]])
    messages: list[Message] = field(default_factory=list[Message])

    def run(self, part: Part, length: int) -> None:
        if length > 0:
            self.runs.append((part, length))

    @property
    def covered(self) -> int:
        return sum(length for _, length in self.runs)

    def split(self) -> Split:
        sizes: dict[Part, int] = {"framing": 0, "headers": 0, "body": 0}
        for part, length in self.runs:
            sizes[part] += length
        return Split(**sizes)

    def divide(self, at: int) -> tuple[Decoded, Decoded]:
        """The same in two, at an offset of the direction; a message belongs to the side its last byte is on."""
        before, after = Decoded(self.start), Decoded(max(at, self.start))
        left = at - self.start
        for part, length in self.runs:
            taken = max(0, min(length, left))
            before.run(part, taken)
            after.run(part, length - taken)
            left -= length
        for message in self.messages:
            (before if message.end <= at else after).messages.append(message)
        return before, after


class Decoder(Protocol):
    """Follows both directions of one connection without taking part in it.

    :raises Undecodable: the bytes are not this protocol; nothing more will be understood on this connection
    """

    protocol: str

    def feed(self, direction: Direction, data: bytes, t: float, into: Decoded) -> None:
        """Name every byte of `data` in `into`, before it returns."""
        ...

    def finish(self, direction: Direction, t: float, into: Decoded) -> None:
        """The direction reached its end (a FIN): a body that ends with the connection is complete now."""
        ...


def interesting(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in HEADERS_OF_INTEREST}
