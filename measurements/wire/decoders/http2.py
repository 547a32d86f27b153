"""HTTP/2 with prior knowledge (h2c) seen from beside it, and gRPC or server-sent events inside it.

Frame headers and control frames are read with hyperframe, header blocks with hpack. Payloads are followed byte by byte, not
frame by frame, so that a message is seen complete the moment its last byte is there.
Source: RFC 9113; RFC 7541; grpc/doc/PROTOCOL-HTTP2.md (5-byte message prefix).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hpack import Decoder as Hpack
from hyperframe.frame import ExtensionFrame, Frame, GoAwayFrame, PushPromiseFrame, RstStreamFrame, SettingsFrame

from ..message import TEXT_LIMIT_BYTES, Decoded, Direction, Kind, Message, Part, Undecodable, interesting
from . import jsonrpc
from .sse import SseParser

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEADER_BYTES = 9
_GRPC_PREFIX_BYTES = 5
_HEADER_LIST_LIMIT_BYTES = 1 << 20


class _GrpcFramer:
    """Cuts a direction of a gRPC stream into its messages."""

    def __init__(self) -> None:
        self._prefix = b""
        self._left = 0
        self._text = bytearray()
        self.message_bytes = 0

    def feed(self, data: bytes) -> Iterator[tuple[Part, int, bytes | None]]:
        """What each piece is, and the message where the piece ends one; `message_bytes` is then its size."""
        at = 0
        while at < len(data):
            if len(self._prefix) < _GRPC_PREFIX_BYTES:
                taken = data[at : at + _GRPC_PREFIX_BYTES - len(self._prefix)]
                self._prefix += taken
                if len(self._prefix) == _GRPC_PREFIX_BYTES:
                    self._left = self.message_bytes = int.from_bytes(self._prefix[1:], "big")
                yield "framing", len(taken), self._ended()
            else:
                taken = data[at : at + self._left]
                self._left -= len(taken)
                if len(self._text) < TEXT_LIMIT_BYTES:
                    self._text += taken
                yield "body", len(taken), self._ended()
            at += len(taken)

    def _ended(self) -> bytes | None:
        if self._left or len(self._prefix) < _GRPC_PREFIX_BYTES:
            return None
        text = bytes(self._text)
        self._prefix = b""
        self._text.clear()
        return text


@dataclass
class _Half:
    """One direction of one stream."""

    headers: dict[str, str] = field(default_factory=dict[str, str])
    begun: bool = False
    ended: bool = False
    begin: int = 0
    grpc: _GrpcFramer | None = None
    sse: SseParser | None = None
    kept: bytearray = field(default_factory=bytearray)
    body_bytes: int = 0
    messages: int = 0

    def head(self, headers: dict[str, str], at: int) -> None:
        self.headers, self.begun, self.begin = headers, True, at
        content_type = headers.get("content-type", "")
        self.grpc = _GrpcFramer() if content_type.startswith("application/grpc") else None
        self.sse = SseParser() if content_type.startswith("text/event-stream") else None

    def keeps(self) -> bool:
        return "json" in self.headers.get("content-type", "") and self.body_bytes <= TEXT_LIMIT_BYTES


@dataclass
class _Stream:
    path: str = ""
    status: int = 0
    halves: dict[Direction, _Half] = field(default_factory=lambda: {"up": _Half(), "down": _Half()})


class _Side:
    """One direction of the connection: where in which frame it is."""

    def __init__(self, preface: bytes) -> None:
        self.hpack = Hpack(max_header_list_size=_HEADER_LIST_LIMIT_BYTES)
        self.preface = preface
        self.offset = 0
        self.frames = 0
        self.header = b""
        self.begin = 0
        self.t = 0.0
        self.frame: Frame | None = None
        self.left = 0  # of the payload
        self.padding: int | None = 0  # None: its length is the next byte
        self.prefix = 0  # bytes of the payload before the part that matters
        self.control = bytearray()
        self.block = bytearray()
        self.block_begin = 0
        self.block_t = 0.0
        self.block_ends_stream = False
        self.block_is_promise = False


class Http2Decoder:
    protocol = "http2"

    def __init__(self) -> None:
        self._sides: dict[Direction, _Side] = {"up": _Side(PREFACE), "down": _Side(b"")}
        self._streams: dict[int, _Stream] = {}

    def feed(self, direction: Direction, data: bytes, t: float, into: Decoded) -> None:
        side = self._sides[direction]
        at = 0
        while at < len(data):
            at += self._step(direction, side, data[at:] if at else data, t, into)

    def finish(self, direction: Direction, t: float, into: Decoded) -> None:
        """Every stream says itself where it ends."""

    def _step(self, direction: Direction, side: _Side, data: bytes, t: float, into: Decoded) -> int:
        """Follow one stretch of the same meaning; returns its length."""
        if side.preface:
            taken = min(len(side.preface), len(data))
            if data[:taken] != side.preface[:taken]:
                raise Undecodable(f"no HTTP/2 preface: {data[:24]!r}")
            side.preface = side.preface[taken:]
            self._pass(side, "framing", taken, into)
            return taken
        if side.frame is None:
            return self._frame_header(direction, side, data, t, into)
        if side.padding is None:
            side.padding = data[0]
            side.left -= 1
            if side.padding + side.prefix > side.left:
                raise Undecodable("a frame with more padding than payload")
            self._pass(side, "framing", 1, into)
            taken = 1
        elif side.prefix:
            taken = min(side.prefix, len(data))
            side.prefix -= taken
            side.left -= taken
            self._pass(side, "framing", taken, into)
        elif side.left > side.padding:
            taken = min(side.left - side.padding, len(data))
            side.left -= taken
            self._payload(direction, side, side.frame, data[:taken], t, into)
        else:
            taken = min(side.left, len(data))
            side.left -= taken
            self._pass(side, "framing", taken, into)
        if not side.left:
            self._frame_end(direction, side, side.frame, t, into)
        return taken

    @staticmethod
    def _pass(side: _Side, part: Part, length: int, into: Decoded) -> None:
        into.run(part, length)
        side.offset += length

    def _frame_header(self, direction: Direction, side: _Side, data: bytes, t: float, into: Decoded) -> int:
        if not side.header:
            side.begin, side.t = side.offset, t
        taken = data[: _FRAME_HEADER_BYTES - len(side.header)]
        side.header += taken
        self._pass(side, "framing", len(taken), into)
        if len(side.header) < _FRAME_HEADER_BYTES:
            return len(taken)
        frame, side.left = Frame.parse_frame_header(memoryview(side.header))
        side.header = b""
        side.frames += 1
        if side.frames == 1 and not isinstance(frame, SettingsFrame):
            raise Undecodable(f"the first frame is {_name(frame)}, not SETTINGS")
        side.frame = frame
        side.padding = None if "PADDED" in frame.flags else 0
        side.prefix = 5 if frame.type == 1 and "PRIORITY" in frame.flags else 4 if isinstance(frame, PushPromiseFrame) else 0
        if side.padding is None and not side.left:
            raise Undecodable("a padded frame without a payload")
        if side.prefix > side.left:
            raise Undecodable(f"a {_name(frame)} frame that is too short")
        if frame.type in (1, 5):
            side.block.clear()
            side.block_begin, side.block_t = side.begin, side.t
            side.block_ends_stream = "END_STREAM" in frame.flags
            side.block_is_promise = frame.type == 5
        if not side.left:
            self._frame_end(direction, side, frame, t, into)
        return len(taken)

    def _payload(self, direction: Direction, side: _Side, frame: Frame, data: bytes, t: float, into: Decoded) -> None:
        if frame.type == 0:
            self._data(direction, side, frame.stream_id, data, t, into)
        elif frame.type in (1, 5, 9):
            side.block += data
            self._pass(side, "headers", len(data), into)
        else:
            if not isinstance(frame, ExtensionFrame):
                side.control += data
            self._pass(side, "framing", len(data), into)

    def _frame_end(self, direction: Direction, side: _Side, frame: Frame, t: float, into: Decoded) -> None:
        side.frame = None
        if frame.type in (1, 5, 9):
            if "END_HEADERS" in frame.flags:
                self._block_end(direction, side, frame.stream_id, t, into)
            return
        if frame.type == 0:
            if "END_STREAM" in frame.flags:
                self._half_end(direction, side, frame.stream_id, t, into)
            return
        if not isinstance(frame, ExtensionFrame):
            frame.parse_body(memoryview(bytes(side.control)))
            side.control.clear()
        self._control(direction, side, frame, t, into)

    def _control(self, direction: Direction, side: _Side, frame: Frame, t: float, into: Decoded) -> None:
        name = _name(frame)
        if isinstance(frame, SettingsFrame) and (size := frame.settings.get(SettingsFrame.HEADER_TABLE_SIZE)):
            # It bounds what the OTHER side may encode with. A smaller one is the encoder's to respect, not ours to police.
            other = self._sides["down" if direction == "up" else "up"].hpack
            other.max_allowed_table_size = max(other.max_allowed_table_size, size)
        if isinstance(frame, RstStreamFrame | GoAwayFrame):
            name = f"{name} {frame.error_code}"
        into.messages.append(Message(direction, "frame", frame.stream_id, side.begin, side.offset, side.t, name=name))
        if isinstance(frame, RstStreamFrame) and direction == "down":
            self._half_end(direction, side, frame.stream_id, t, into)

    def _block_end(self, direction: Direction, side: _Side, stream_id: int, t: float, into: Decoded) -> None:
        # Raw: gRPC peers send the values of `-bin` headers as true bytes, which are no text.
        fields = side.hpack.decode(bytes(side.block), raw=True)
        headers = {_text(item[0]): _text(item[1]) for item in fields}
        if side.block_is_promise:
            return
        stream = self._streams.setdefault(stream_id, _Stream())
        half = stream.halves[direction]
        if not half.begun:
            kind: Kind = "request" if direction == "up" else "response"
            if direction == "up":
                stream.path = headers.get(":path", "")
            else:
                stream.status = int(headers.get(":status", "0"))
                if 100 <= stream.status < 200:
                    kind = "interim"
            if kind != "interim":
                half.head(headers, side.offset)
                if half.sse and headers.get("content-encoding", "identity") != "identity":
                    raise Undecodable(f"an event stream in content-encoding {headers['content-encoding']}")
            into.messages.append(
                Message(
                    direction=direction,
                    kind=kind,
                    stream=stream_id,
                    begin=side.block_begin,
                    end=side.offset,
                    t=side.block_t if direction == "up" else t,
                    method=headers.get(":method", ""),
                    path=stream.path,
                    status=stream.status,
                    headers=interesting(headers),
                    header_bytes=len(side.block),
                )
            )
        else:
            half.headers |= headers  # trailers
        if side.block_ends_stream:
            self._half_end(direction, side, stream_id, t, into)

    def _data(self, direction: Direction, side: _Side, stream_id: int, data: bytes, t: float, into: Decoded) -> None:
        stream = self._streams.setdefault(stream_id, _Stream())
        half = stream.halves[direction]
        before = half.body_bytes
        if half.grpc:
            for part, length, message in half.grpc.feed(data):
                self._pass(side, part, length, into)
                half.body_bytes += length if part == "body" else 0
                if message is not None:
                    size = half.grpc.message_bytes
                    text = message.decode("utf-8", "replace")
                    into.messages.append(self._event(direction, stream_id, stream, side.offset, t, text, size))
            return
        half.body_bytes += len(data)
        if half.keeps():
            half.kept += data
        begin = side.offset
        self._pass(side, "body", len(data), into)
        for item in half.sse.feed(data) if half.sse else ():
            end = begin + item.end - before
            if item.comment:
                into.messages.append(
                    Message(direction, "comment", stream_id, half.begin, end, t, path=stream.path, text=item.data)
                )
                half.begin = end
            else:
                text = item.data[:TEXT_LIMIT_BYTES]
                size = len(item.data)
                into.messages.append(self._event(direction, stream_id, stream, end, t, text, size, item.event, item.id))

    @staticmethod
    def _event(
        direction: Direction,
        stream_id: int,
        stream: _Stream,
        end: int,
        t: float,
        text: str,
        size: int,
        name: str = "",
        event_id: str = "",
    ) -> Message:
        half = stream.halves[direction]
        half.messages += 1
        begin, half.begin = half.begin, end
        return Message(
            direction=direction,
            kind="message" if direction == "up" else "event",
            stream=stream_id,
            begin=begin,
            end=end,
            t=t,
            counted=True,
            ordinal=half.messages if direction == "down" else 0,
            path=stream.path,
            text=text,
            name=name,
            event_id=event_id,
            body_bytes=size,
        )

    def _half_end(self, direction: Direction, side: _Side, stream_id: int, t: float, into: Decoded) -> None:
        stream = self._streams.get(stream_id)
        if stream is None or stream.halves[direction].ended:
            return
        half = stream.halves[direction]
        half.ended = True
        kept = bytes(half.kept) if half.keeps() else b""
        into.messages.append(
            Message(
                direction=direction,
                kind="end",
                stream=stream_id,
                begin=half.begin,
                end=side.offset,
                t=t,
                counted=not half.messages,
                path=stream.path,
                status=stream.status,
                headers=interesting(half.headers),
                rpc_method=jsonrpc.rpc_method(kept) if kept and direction == "up" else "",
                text=kept.decode("utf-8", "replace"),
                body_bytes=half.body_bytes,
            )
        )
        half.kept.clear()
        if all(each.ended for each in stream.halves.values()):
            del self._streams[stream_id]


def _name(frame: Frame) -> str:
    name = type(frame).__name__.removesuffix("Frame")
    ack = "+ACK" if "ACK" in frame.flags else ""
    return {"RstStream": "RST_STREAM", "WindowUpdate": "WINDOW_UPDATE"}.get(name, name.upper()) + ack


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
