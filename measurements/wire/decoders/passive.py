"""The wall between the decoders and the relay: it picks the decoder, and nothing that a decoder meets can reach a byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ..message import Decoded, Decoder, Direction, Undecodable
from .http1 import Http1Decoder
from .http2 import PREFACE, Http2Decoder
from .jsonlines import JsonLinesDecoder

Wire = Literal["tcp", "stdio"]
_TELLING = len(b"PRI")  # no HTTP/1 method starts so


class PassiveDecoder:
    """Decodes a connection of which nothing is known but its kind.

    Pipes carry JSON lines. On TCP a client that starts with the HTTP/2 preface, or a server that speaks first, speaks HTTP/2;
    one that starts with a brace speaks JSON lines; anything else is HTTP/1. Bytes that cannot be understood set `undecodable`
    to the reason and are counted as body from there on, together with the rest of the chunk they came in.
    """

    def __init__(self, wire: Wire, decoder: Decoder | None = None) -> None:
        self.undecodable: str | None = None
        self._decoder: Decoder | None = JsonLinesDecoder("stdio") if wire == "stdio" and decoder is None else decoder
        self._offsets: dict[Direction, int] = {"up": 0, "down": 0}
        self._held = b""
        self._held_t = 0.0

    @property
    def protocol(self) -> str:
        return self._decoder.protocol if self._decoder else ""

    def feed(self, direction: Direction, data: bytes, t: float) -> Decoded:
        """Names every byte of `data`; the first two bytes of a connection may wait for the third."""
        into = Decoded(self._offsets[direction])
        if self._decoder is None:
            if direction == "down":
                self._decoder = Http2Decoder()
            else:
                self._held_t = t if not self._held else self._held_t
                data, self._held, t = self._held + data, b"", self._held_t
                if len(data) < _TELLING and PREFACE.startswith(data):
                    self._held = data
                    return into
                self._decoder = _spoken(data)
        elif direction == "up" and self._held:
            data, self._held = self._held + data, b""
        self._decode(self._decoder, direction, data, t, into)
        self._offsets[direction] += len(data)
        return into

    def finish(self, direction: Direction, t: float) -> Decoded:
        """The direction has ended: names what was still held, and completes a body that ends with its connection."""
        into = Decoded(self._offsets[direction])
        if direction == "up" and self._held:
            into.run("headers", len(self._held))
            self._offsets["up"] += len(self._held)
            self._held = b""
        elif self._decoder and self.undecodable is None:
            self._wall(lambda decoder: decoder.finish(direction, t, into), self._decoder)
        return into

    def _decode(self, decoder: Decoder, direction: Direction, data: bytes, t: float, into: Decoded) -> None:
        if self.undecodable is None:
            self._wall(lambda decoder: decoder.feed(direction, data, t, into), decoder)
        into.run("body", len(data) - into.covered)

    def _wall(self, step: Callable[[Decoder], None], decoder: Decoder) -> None:
        try:
            step(decoder)
        except Undecodable as error:
            self.undecodable = str(error)
        except Exception as error:
            # Whatever a parser trips over (h11, hpack and hyperframe each have their own errors), the relay must go on and
            # the report must know: that is this class's whole task.
            self.undecodable = f"{type(error).__name__}: {error}"


def _spoken(start: bytes) -> Decoder:
    if start[:_TELLING] == PREFACE[:_TELLING]:
        return Http2Decoder()
    return JsonLinesDecoder("json-lines") if start.startswith(b"{") else Http1Decoder()
