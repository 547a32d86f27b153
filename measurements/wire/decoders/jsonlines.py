"""JSON-RPC, one message a line: on pipes (MCP's stdio transport), or on a connection.

Every line from the server is an event. An exchange is a client's request and the response with its id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from ..message import TEXT_LIMIT_BYTES, Decoded, Direction, Kind, Message, Undecodable
from . import jsonrpc


class _Side:
    def __init__(self) -> None:
        self.line = bytearray()
        self.begin = 0
        self.offset = 0
        self.t = 0.0


class JsonLinesDecoder:
    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self._sides: dict[Direction, _Side] = {"up": _Side(), "down": _Side()}
        self._open: dict[str, int] = {}  # the exchange of each request id that waits for its response
        self._exchanges = 0
        self._events = 0
        self._revision = ""

    def feed(self, direction: Direction, data: bytes, t: float, into: Decoded) -> None:
        side = self._sides[direction]
        for piece in _lines(data):
            if not side.line:
                side.begin, side.t = side.offset, t
            ended = piece.endswith(b"\n")
            side.line += piece[:-1] if ended else piece
            side.offset += len(piece)
            into.run("body", len(piece) - ended)
            into.run("framing", int(ended))
            if ended:
                line = bytes(side.line)
                side.line.clear()
                if line.strip():
                    into.messages.append(self._message(direction, line, side))

    def finish(self, direction: Direction, t: float, into: Decoded) -> None:
        """A line without its newline at the end of the stream is no message."""

    def _message(self, direction: Direction, line: bytes, side: _Side) -> Message:
        value = jsonrpc.parse(line)
        if not isinstance(value, dict):
            raise Undecodable(f"a line that is not a JSON object: {line[:60]!r}")
        fields = cast(Mapping[str, Any], value)
        method = fields.get("method")
        named = jsonrpc.revision(fields)
        self._revision = named or self._revision
        kind, stream = self._place(direction, method is not None, fields.get("id"))
        ordinal = 0
        if direction == "down":
            self._events += 1
            ordinal = self._events
        return Message(
            direction=direction,
            kind=kind,
            stream=stream,
            begin=side.begin,
            end=side.offset,
            t=side.t,
            counted=True,
            ordinal=ordinal,
            method=method if isinstance(method, str) else "",
            rpc_method=method if isinstance(method, str) else "",
            version=named or self._revision,
            text=line[:TEXT_LIMIT_BYTES].decode("utf-8", "replace"),
            body_bytes=len(line),
        )

    def _place(self, direction: Direction, is_call: bool, id_: Any) -> tuple[Kind, int]:
        if direction == "up":
            if not is_call:
                return "reply", 0
            if id_ is None:
                return "message", 0
            self._exchanges += 1
            self._open[json.dumps(id_)] = self._exchanges
            return "request", self._exchanges
        if is_call:
            return ("event" if id_ is None else "ask"), 0
        stream = self._open.pop(json.dumps(id_), 0)
        return ("end" if stream else "event"), stream


def _lines(data: bytes) -> list[bytes]:
    # Not bytes.splitlines, which would also end a line at a CR, which JSON allows as white space.
    *ended, rest = data.split(b"\n")
    return [*(line + b"\n" for line in ended), *([rest] if rest else [])]
