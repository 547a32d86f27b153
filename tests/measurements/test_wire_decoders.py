"""Decoders: however the same bytes are cut up they make the same messages and the same counts, and every byte is named once."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sametask.measurements.wire.decoders.http2 import PREFACE, Http2Decoder
from sametask.measurements.wire.decoders.passive import PassiveDecoder, Wire
from sametask.measurements.wire.decoders.sse import SseItem, SseParser
from sametask.measurements.wire.message import Decoded, Direction, Message, Split

Talk = Sequence[tuple[Direction, bytes]]

BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call"}).encode()
EVENTS = (
    b"\xef\xbb\xbf: hi\nid: 1\ndata: one\ndata: more\n\nretry: 5\n\n:ping\r\n\r\nevent: x\r\ndata: two\r\n\r\ndata:three\r\r"
)

HTTP1: Talk = [
    (
        "up",
        b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\n"
        b"Content-Length: %d\r\n\r\n%sHEAD /h HTTP/1.1\r\nHost: x\r\n\r\n" % (len(BODY), BODY),  # pipelined
    ),
    (
        "down",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in (EVENTS[:9], EVENTS[9:50], EVENTS[50:]))
        + b"0\r\nTrailer: yes\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
    ),
    ("up", b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n"
           b"DELETE /t/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    ("down", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    ("up", b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ("down", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x02hi"),
    ("up", b"\x81\x82\0\0\0\0hi"),
]  # fmt: skip


def _http2() -> Talk:
    up, down = Encoder(), Encoder()

    def block(coder: Encoder, *fields: tuple[str, str]) -> bytes:
        return coder.encode(list(fields))

    def wire(*frames: Frame) -> bytes:
        return b"".join(frame.serialize() for frame in frames)

    def head(path: str, content_type: str) -> bytes:
        return block(up, (":method", "POST"), (":path", path), ("content-type", content_type), ("a2a-version", "1.0"))

    message = struct.pack(">BI", 0, 10) + b"0123456789"
    first = head("/lf.a2a.v1.A2AService/SendMessage", "application/grpc")
    asked = [
        SettingsFrame(settings={SettingsFrame.HEADER_TABLE_SIZE: 8192}),
        HeadersFrame(1, first[:5], flags=["PRIORITY", "PADDED"], pad_length=7, depends_on=0, stream_weight=15),
        ContinuationFrame(1, first[5:9]),
        ContinuationFrame(1, first[9:], flags=["END_HEADERS"]),
        DataFrame(1, message[:3], flags=["PADDED"], pad_length=4),
        DataFrame(1, message[3:] + message[:8]),
        PingFrame(opaque_data=b"12345678"),
        DataFrame(1, message[8:], flags=["END_STREAM"]),
        HeadersFrame(3, head("/mcp", "application/json"), flags=["END_HEADERS"]),
        DataFrame(3, BODY, flags=["END_STREAM"]),
        HeadersFrame(5, head("/x.Y/Z", "application/grpc+proto"), flags=["END_HEADERS", "END_STREAM"]),
    ]
    answered = [
        SettingsFrame(),
        SettingsFrame(flags=["ACK"]),
        HeadersFrame(1, block(down, (":status", "200"), ("content-type", "application/grpc")), flags=["END_HEADERS"]),
        DataFrame(1, message + struct.pack(">BI", 0, 0) + message[:9]),
        HeadersFrame(3, block(down, (":status", "200"), ("content-type", "text/event-stream")), flags=["END_HEADERS"]),
        DataFrame(3, EVENTS[:30], flags=["PADDED"], pad_length=0),
        DataFrame(1, message[9:]),
        DataFrame(3, EVENTS[30:]),
        DataFrame(3, b"", flags=["END_STREAM"]),
        HeadersFrame(1, block(down, ("grpc-status", "0")), flags=["END_HEADERS", "END_STREAM"]),
        RstStreamFrame(5, error_code=8),
        GoAwayFrame(last_stream_id=5, error_code=0, additional_data=b"bye"),
    ]
    return [
        ("up", PREFACE + wire(*asked)),
        ("down", wire(*answered) + bytes.fromhex("000003ef0000000000") + b"new"),  # an extension frame
        ("up", wire(SettingsFrame(flags=["ACK"]))),
    ]  # fmt: skip


def _line(**fields: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode() + b"\n"


STDIO: Talk = [
    ("up", _line(id=0, method="initialize", params={"protocolVersion": "2025-11-25"}) + b"\n"),
    ("down", _line(id=0, result={"protocolVersion": "2025-11-25"})),
    ("up", _line(method="notifications/initialized") + _line(id="a", method="tools/call", params={})),
    ("down", _line(method="notifications/progress") + _line(id=7, method="elicitation/create")),
    ("up", _line(id=7, result={})),
    ("down", b'{"jsonrpc": "2.0", \r "id": "a", "result": {"text": "\xc3\xa9"}}\r\n' + b'{"cut'),
]

TALKS: dict[str, tuple[Wire, Talk]] = {"http1": ("tcp", HTTP1), "http2": ("tcp", _http2()), "stdio": ("stdio", STDIO)}


def decode(wire: Wire, talk: Talk, cuts: Sequence[int] = ()) -> tuple[dict[Direction, Split], list[Message], PassiveDecoder]:
    """What is seen when each turn of the talk comes in pieces of these sizes, over and over."""
    decoder = PassiveDecoder(wire)
    splits: dict[Direction, Split] = {"up": Split(), "down": Split()}
    messages: list[Message] = []
    turn = 0
    for direction, data in talk:
        at = 0
        while at < len(data):
            size = cuts[turn % len(cuts)] if cuts else len(data)
            turn += 1
            decoded = decoder.feed(direction, data[at : at + size], 0.0)
            splits[direction] = splits[direction].plus(decoded.split())
            messages += decoded.messages
            at += size
    for direction in splits:
        splits[direction] = splits[direction].plus(decoder.finish(direction, 0.0).split())
    return splits, messages, decoder


@pytest.mark.parametrize("name", TALKS)
def test_a_talk_is_understood_and_every_byte_has_a_name(name: str):
    wire, talk = TALKS[name]
    splits, messages, decoder = decode(wire, talk)
    assert (decoder.protocol, decoder.undecodable) == (name, None)
    for direction, split in splits.items():
        assert split.total == sum(len(data) for way, data in talk if way == direction)
        assert min(split) >= 0
    assert messages


@pytest.mark.parametrize("name", TALKS)
@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.one_of(st.integers(1, 4), st.integers(1, 400)), min_size=1, max_size=30))
def test_how_the_bytes_are_cut_up_changes_nothing(name: str, cuts: list[int]):
    wire, talk = TALKS[name]
    whole, pieces = decode(wire, talk), decode(wire, talk, cuts)
    assert pieces[0] == whole[0]
    assert pieces[1] == whole[1]


def test_http1_messages_are_what_was_said():
    splits, messages, _ = decode("tcp", HTTP1)
    requests = [(each.method, each.path) for each in messages if each.kind == "request"]
    assert requests == [("POST", "/mcp"), ("HEAD", "/h"), ("GET", "/gone"), ("DELETE", "/t/1"), ("GET", "/ws")]
    assert [each.status for each in messages if each.kind == "response"] == [200, 200, 304, 204, 101]
    assert [each.status for each in messages if each.kind == "interim"] == [100]
    ends = [each for each in messages if each.kind == "end"]
    assert [each.rpc_method for each in ends if each.direction == "up"] == ["tools/call", "", "", "", ""]
    assert [each.body_bytes for each in ends if each.direction == "down"] == [len(EVENTS), 0, 0, 0]
    assert [each.text for each in messages if each.kind == "event"] == ["one\nmore", "two", "three"]
    assert splits["up"].body == len(BODY) + 3 + len(b"\x81\x82\0\0\0\0hi")
    assert splits["up"].framing == len(b"3\r\n" + b"\r\n0\r\n\r\n")


def test_http2_messages_are_what_was_said():
    splits, messages, _ = decode("tcp", _http2())
    requests = [(each.stream, each.path) for each in messages if each.kind == "request"]
    assert requests == [(1, "/lf.a2a.v1.A2AService/SendMessage"), (3, "/mcp"), (5, "/x.Y/Z")]
    assert [each.stream for each in messages if each.kind == "message"] == [1, 1]
    events = [(each.stream, each.ordinal, each.text) for each in messages if each.kind == "event"]
    assert [each for each in events if each[0] == 1] == [(1, 1, "0123456789"), (1, 2, ""), (1, 3, "0123456789")]
    assert [each[2] for each in events if each[0] == 3] == ["one\nmore", "two", "three"]
    ends = [(each.direction, each.stream, each.rpc_method) for each in messages if each.kind == "end"]
    assert set(ends) == {
        ("up", 1, ""), ("up", 3, "tools/call"), ("up", 5, ""), ("down", 1, ""), ("down", 3, ""), ("down", 5, ""),
    }  # fmt: skip
    frames = [each.name for each in messages if each.kind == "frame"]
    assert frames == ["SETTINGS", "PING", "SETTINGS", "SETTINGS+ACK", "RST_STREAM 8", "GOAWAY 0", "EXTENSION", "SETTINGS+ACK"]
    assert splits["up"].body == 20 + len(BODY)
    assert splits["down"].body == 20 + len(EVENTS)


def test_stdio_messages_are_what_was_said():
    _, messages, _ = decode("stdio", STDIO)
    said = [(each.direction, each.kind, each.stream, each.rpc_method) for each in messages]
    assert said == [
        ("up", "request", 1, "initialize"),
        ("down", "end", 1, ""),
        ("up", "message", 0, "notifications/initialized"),
        ("up", "request", 2, "tools/call"),
        ("down", "event", 0, "notifications/progress"),
        ("down", "ask", 0, "elicitation/create"),
        ("up", "reply", 0, ""),
        ("down", "end", 2, ""),
    ]
    assert [each.ordinal for each in messages if each.direction == "down"] == [1, 2, 3, 4]
    assert {each.version for each in messages} == {"2025-11-25"}


LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@settings(max_examples=100, deadline=None)
@given(
    end=LINE_ENDS,
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=20), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=20),
)
def test_sse_events_and_their_last_bytes_do_not_depend_on_the_cuts(end: bytes, texts: list[str], cuts: list[int]):
    parts = [b": c" + end + b"id: %d" % n + end + b"data: " + text.encode() + end + end for n, text in enumerate(texts)]
    body = b"".join(parts)
    parser, items, at, turn = SseParser(), list[SseItem](), 0, 0
    while at < len(body):
        size = cuts[turn % len(cuts)]
        items += parser.feed(body[at : at + size])
        at, turn = at + size, turn + 1
    events = [item for item in items if not item.comment]
    assert [(item.data, item.id) for item in events] == [(text, str(n)) for n, text in enumerate(texts)]
    assert [item.end for item in events] == [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    assert len(items) == 2 * len(texts)


def test_a_swapped_label_is_flagged_and_its_bytes_are_still_counted():
    decoder = PassiveDecoder("tcp", Http2Decoder())
    data = HTTP1[0][1]
    decoded = decoder.feed("up", data, 0.0)
    assert decoder.undecodable is not None
    assert "preface" in decoder.undecodable
    assert (decoded.split(), decoded.messages) == (Split(body=len(data)), [])
    assert decoder.feed("down", b"more", 0.0).split() == Split(body=4)


@pytest.mark.parametrize(
    ("wire", "talk", "reason"),
    [
        ("tcp", [("up", b"\x16\x03\x01\x02\x00 hello over TLS\r\n\r\n")], "illegal"),
        ("tcp", [("down", b"220 mail ready, says the server first\r\n")], "SETTINGS"),
        ("tcp", [("up", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("down", b"nonsense\r\n\r\n")], "illegal"),
        ("tcp", [("up", PREFACE + HeadersFrame(1, b"", flags=["END_HEADERS"]).serialize())], "SETTINGS"),
        ("stdio", [("down", b"Starting server ...\n")], "not a JSON object"),
        ("stdio", [("up", b"[1]\n")], "not a JSON object"),
    ],
)
def test_bytes_that_are_no_protocol_are_flagged_with_the_reason(wire: Wire, talk: Talk, reason: str):
    splits, _, decoder = decode(wire, talk)
    assert decoder.undecodable is not None
    assert reason in decoder.undecodable
    assert sum(split.total for split in splits.values()) == sum(len(data) for _, data in talk)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["up", "down"]), st.binary(max_size=60)), max_size=12), st.sampled_from(["tcp", "stdio"])
)
def test_no_bytes_whatever_can_escape_the_count(talk: list[tuple[Direction, bytes]], wire: Wire):
    splits, _, _ = decode(wire, talk)
    for direction, split in splits.items():
        assert split.total == sum(len(data) for way, data in talk if way == direction)


@given(st.integers(-5, 40))
def test_dividing_what_was_decoded_keeps_every_byte_and_message(at: int):
    decoded = Decoded(10, [("framing", 5), ("headers", 1), ("body", 14)], [Message("down", "event", 1, 10, 17, 0.0)])
    before, after = decoded.divide(at)
    assert before.split().plus(after.split()) == decoded.split()
    assert before.split().total == min(20, max(0, at - 10))
    assert [*before.messages, *after.messages] == decoded.messages
    assert bool(before.messages) == (at >= 17)
