"""Exchanges: a client's request and its answer, made from the messages of a connection; and the turns they took.

A **turn** is a round trip that the flow could not do without. Turns are the weight of the heaviest chain in which each link
starts only after the one before it was answered:

- an exchange weighs 1 (2 where the client held its body back for a `100 Continue`). It starts with the first byte of its
  request. It is answered by its first event where its answer is streamed (SSE, gRPC messages), because a client may continue
  on that while the stream stays open, and otherwise by the last byte of its response. An event and the end of a unary gRPC
  answer come together, so that the rule is the same for both;
- a client message inside an open exchange that follows an answer to it (a bidirectional stream, the reply to a question that
  the server asked over pipes) is a further exchange;
- the handshake of a TCP connection weighs 1 and stands before every exchange on that connection, if the flow opened it. It
  follows the exchanges that were answered before it; a handshake alone is followed by nothing but its own connection;
- an exchange that was not answered by the end of the flow weighs nothing: nobody waited for it;
- PING, SETTINGS, WINDOW_UPDATE and their acknowledgements are no exchanges. Spawning a process is no turn.

Times are those the client sees (`Message.t`). "After" stands for "because of": two things that the client did at the same time
are told apart only while an answer takes longer than the client's own work, so count turns with an injected delay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .message import Message


@dataclass
class Exchange:
    """Shape: `request` is its head; `response` the head of the answer; `rpc_method` from a JSON-RPC body; `continues` is true
    for a further turn inside an exchange. Units: times are monotonic seconds, None while it has not happened.
    """

    connection: int
    stream: int
    start: float
    request: Message
    continues: bool = False
    response: Message | None = None
    rpc_method: str = ""
    version: str = ""
    weight: int = 1
    answered: float | None = None
    ended: float | None = None
    status: dict[str, str] = field(default_factory=dict[str, str])


def exchanges_of(connection: int, messages: Iterable[Message]) -> list[Exchange]:
    """The exchanges that these messages of one connection begin, in order."""
    found: list[Exchange] = []
    current: dict[int, Exchange] = {}
    for message in messages:
        if message.direction == "up":
            _ask(connection, message, found, current)
        elif message.kind == "ask":
            # The server waits for the client now: for everything that is open on these pipes that is an answer.
            _answer(current.values(), message.t)
        elif exchange := current.get(message.stream):
            _tell(exchange, message)
            if message.kind == "end" and 0 in current:
                _answer([current.pop(0)], message.t)
    return found


def _ask(connection: int, message: Message, found: list[Exchange], current: dict[int, Exchange]) -> None:
    exchange = current.get(message.stream)
    if message.kind == "request":
        current[message.stream] = Exchange(connection, message.stream, message.t, message)
    elif message.kind == "reply" or (message.kind == "message" and _answered(exchange)):
        current[message.stream] = Exchange(connection, message.stream, message.t, message, continues=True)
    else:
        if exchange and message.kind == "end":
            exchange.rpc_method = message.rpc_method
        return
    found.append(current[message.stream])


def _answered(exchange: Exchange | None) -> bool:
    # A notification on pipes belongs to no exchange: its stream is 0.
    return exchange is not None and exchange.stream != 0 and exchange.answered is not None


def _tell(exchange: Exchange, message: Message) -> None:
    if message.kind == "interim" and message.status == 100:
        exchange.weight = 2
    elif message.kind == "response":
        exchange.response = message
    elif message.kind in ("event", "end"):
        _answer([exchange], message.t)
        if message.kind == "end":
            exchange.ended = message.t
            exchange.status = dict(message.headers)
            exchange.version = message.version


def _answer(exchanges: Iterable[Exchange], t: float) -> None:
    for exchange in exchanges:
        if exchange.answered is None:
            exchange.answered = t


def turns(exchanges: Sequence[Exchange], opened: dict[int, float]) -> int:
    """The weight of the heaviest chain; `opened` says when each TCP connection was opened that the flow itself opened."""
    steps: list[tuple[float, int, int]] = []  # (t, order at the same moment, index): answers, then openings, then starts
    answered = [(index, each.answered, each) for index, each in enumerate(exchanges) if each.answered is not None]
    steps += [(t, 0, index) for index, t, _ in answered]
    steps += [(t, 1, connection) for connection, t in opened.items()]
    steps += [(each.start, 2, index) for index, _, each in answered]
    heaviest = 0
    handshakes: dict[int, int] = {}
    depth: dict[int, int] = {}
    for _, order, index in sorted(steps):
        if order == 0:
            heaviest = max(heaviest, depth.get(index, 0))
        elif order == 1:
            handshakes[index] = heaviest + 1
        else:
            exchange = exchanges[index]
            depth[index] = exchange.weight + max(heaviest, handshakes.get(exchange.connection, 0))
    return heaviest
