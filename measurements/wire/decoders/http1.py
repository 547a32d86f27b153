"""HTTP/1.1 seen from beside it: h11 in both roles, a fresh parser for every message.

Keep-alive and pipelining pair requests with responses in order. After a 101 or a CONNECT's 2xx the rest is opaque body.
Source: RFC 9112.
"""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass

import h11

from ..message import TEXT_LIMIT_BYTES, Decoded, Direction, Message, Undecodable, interesting
from . import jsonrpc
from .sse import SseParser

_HEAD_LIMIT_BYTES = 1 << 20
_SLICE_BYTES = 1 << 14  # h11 tells what is left only by copying it


@dataclass(frozen=True)
class _Asked:
    """A request whose response has not ended."""

    stream: int
    request: h11.Request
    path: str


class _Side:
    """One direction: the parser of its current message, and how far its bytes have been named."""

    def __init__(self) -> None:
        self.parser: h11.Connection | None = None
        self.fed = 0
        self.named = 0
        self.begin = 0
        self.t = 0.0
        self.in_body = False
        self.stream = 0
        self.headers: dict[str, str] = {}
        self.status = 0
        self.body_bytes = 0
        self.kept = bytearray()
        self.sse: SseParser | None = None
        self.events = 0
        self.event_begin = 0

    def start_body(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.in_body = True
        self.body_bytes = self.events = 0
        self.event_begin = self.named
        self.kept.clear()
        content_type = headers.get("content-type", "")
        self.sse = SseParser() if content_type.startswith("text/event-stream") else None

    def keeps(self) -> bool:
        return "json" in self.headers.get("content-type", "") and self.body_bytes <= TEXT_LIMIT_BYTES


class Http1Decoder:
    protocol = "http1"

    def __init__(self) -> None:
        self._sides: dict[Direction, _Side] = {"up": _Side(), "down": _Side()}
        self._asked: deque[_Asked] = deque()
        self._streams = 0
        self._opaque = False

    def feed(self, direction: Direction, data: bytes, t: float, into: Decoded) -> None:
        for at in range(0, len(data), _SLICE_BYTES):
            self._feed(direction, data[at : at + _SLICE_BYTES], t, into)

    def _feed(self, direction: Direction, data: bytes, t: float, into: Decoded) -> None:
        side = self._sides[direction]
        if side.fed == side.begin:
            side.t = t
        side.fed += len(data)
        if self._opaque:
            into.run("body", len(data))
            side.named = side.fed
            return
        parser = side.parser or self._parser(direction, side)
        parser.receive_data(data)
        self._advance(direction, side, t, into)

    def finish(self, direction: Direction, t: float, into: Decoded) -> None:
        side = self._sides[direction]
        if side.parser is not None and side.in_body and not self._opaque:
            side.parser.receive_data(b"")
            # A body that is cut short is no riddle: the exchange has no end, and that is what the recording says.
            with contextlib.suppress(h11.RemoteProtocolError):
                self._advance(direction, side, t, into)

    def _parser(self, direction: Direction, side: _Side) -> h11.Connection:
        if direction == "up":
            side.parser = h11.Connection(h11.SERVER, _HEAD_LIMIT_BYTES)
            return side.parser
        if not self._asked:
            raise Undecodable("a response without a request")
        asked = self._asked[0]
        side.parser = h11.Connection(h11.CLIENT, _HEAD_LIMIT_BYTES)
        # h11 reads a response in the light of its request: HEAD has no body, only an offered upgrade may be taken.
        upgrade = [(name, value) for name, value in asked.request.headers if name == b"upgrade"]
        side.parser.send(h11.Request(method=asked.request.method, target=b"*", headers=[(b"host", b"peer"), *upgrade]))
        side.stream = asked.stream
        return side.parser

    def _advance(self, direction: Direction, side: _Side, t: float, into: Decoded) -> None:
        while side.parser is not None:
            event = side.parser.next_event()
            rest, _ = side.parser.trailing_data
            at = side.fed - len(rest)
            if isinstance(event, h11.Request):
                self._request(side, event, at, into)
            elif isinstance(event, h11.InformationalResponse | h11.Response):
                self._response(side, event, at, t, into)
                if self._opaque:
                    break
            elif isinstance(event, h11.Data):
                self._data(direction, side, bytes(event.data), at, t, into)
            elif isinstance(event, h11.EndOfMessage):
                into.run("framing", at - side.named)
                side.named = at
                into.messages.append(self._end(direction, side, t))
                side.parser, side.in_body, side.begin = None, False, at
                if rest:
                    side.t = t
                    self._parser(direction, side).receive_data(rest)
            else:
                break
        part = "body" if self._opaque else "framing" if side.in_body else "headers"
        into.run(part, side.fed - side.named)
        side.named = side.fed

    def _request(self, side: _Side, event: h11.Request, at: int, into: Decoded) -> None:
        into.run("headers", at - side.named)
        side.named = at
        self._streams += 1
        side.stream = self._streams
        path = event.target.decode("latin-1")
        self._asked.append(_Asked(side.stream, event, path))
        headers = _headers(event)
        side.start_body(headers)
        into.messages.append(
            Message(
                direction="up",
                kind="request",
                stream=side.stream,
                begin=side.begin,
                end=at,
                t=side.t,
                method=event.method.decode("latin-1"),
                path=path,
                headers=interesting(headers),
                header_bytes=at - side.begin,
            )
        )

    def _response(self, side: _Side, event: h11.InformationalResponse | h11.Response, at: int, t: float, into: Decoded) -> None:
        into.run("headers", at - side.named)
        side.named = at
        asked = self._asked[0]
        headers = _headers(event)
        interim = isinstance(event, h11.InformationalResponse)
        tunnel = asked.request.method == b"CONNECT" and 200 <= event.status_code < 300
        self._opaque = event.status_code == 101 or tunnel
        into.messages.append(
            Message(
                direction="down",
                kind="interim" if interim and not self._opaque else "response",
                stream=side.stream,
                begin=side.begin,
                end=at,
                t=t,
                path=asked.path,
                status=event.status_code,
                headers=interesting(headers),
                header_bytes=at - side.begin,
            )
        )
        if interim:
            side.begin = at
            return
        side.status = event.status_code
        side.start_body(headers)
        if side.sse and headers.get("content-encoding", "identity") != "identity":
            raise Undecodable(f"an event stream in content-encoding {headers['content-encoding']}")

    def _data(self, direction: Direction, side: _Side, data: bytes, at: int, t: float, into: Decoded) -> None:
        into.run("framing", at - len(data) - side.named)
        into.run("body", len(data))
        side.named = at
        before = side.body_bytes
        side.body_bytes += len(data)
        if side.keeps():
            side.kept += data
        if side.sse is None:
            return
        for item in side.sse.feed(data):
            side.events += not item.comment
            end = at - len(data) + (item.end - before)
            into.messages.append(
                Message(
                    direction=direction,
                    kind="comment" if item.comment else "event",
                    stream=side.stream,
                    begin=side.event_begin,
                    end=end,
                    t=t,
                    counted=not item.comment,
                    ordinal=0 if item.comment else side.events,
                    path=self._asked[0].path if direction == "down" and self._asked else "",
                    text=item.data[:TEXT_LIMIT_BYTES],
                    name=item.event,
                    event_id=item.id,
                    body_bytes=len(item.data),
                )
            )
            side.event_begin = end

    def _end(self, direction: Direction, side: _Side, t: float) -> Message:
        kept = bytes(side.kept) if side.keeps() else b""
        path = ""
        if direction == "down":
            path = self._asked.popleft().path
        return Message(
            direction=direction,
            kind="end",
            stream=side.stream,
            begin=side.begin,
            end=side.named,
            t=t,
            counted=not side.events,
            path=path,
            status=side.status,
            rpc_method=jsonrpc.rpc_method(kept) if kept and direction == "up" else "",
            text=kept.decode("utf-8", "replace"),
            body_bytes=side.body_bytes,
        )


def _headers(event: h11.Request | h11.InformationalResponse | h11.Response) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
