"""Turns and fingerprints, on conversations written down by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sametask.measurements.wire.exchanges import Exchange, exchanges_of, turns
from sametask.measurements.wire.fingerprint import normal_path
from sametask.measurements.wire.message import Direction, Kind, Message


def seen(*steps: tuple[float, Direction, Kind, int], status: int = 200) -> list[Exchange]:
    return exchanges_of(0, [Message(way, kind, stream, 0, 0, t, status=status) for t, way, kind, stream in steps])


def unary(connection: int, start: float, answered: float | None) -> Exchange:
    return Exchange(connection, 1, start, Message("up", "request", 1, 0, 0, start), answered=answered)


def test_a_chain_is_weighed_with_the_handshakes_the_flow_made():
    chain = [unary(0, 1, 2), unary(0, 3, 4), unary(1, 6, 7)]
    assert turns(chain, {}) == 3
    assert turns(chain, {0: 0.5}) == 4
    assert turns(chain, {0: 0.5, 1: 5}) == 5
    assert turns(chain, {0: 0.5, 1: 0.6}) == 4, "a connection opened beforehand holds nothing up"


def test_what_runs_side_by_side_is_one_turn_and_what_nobody_waited_for_is_none():
    assert turns([unary(0, 1, 5), unary(1, 2, 6), unary(2, 3, 4)], {0: 0.5, 1: 0.6, 2: 0.7}) == 2
    assert turns([unary(0, 1, 2), unary(1, 3, None)], {}) == 1
    assert turns([unary(0, 1, None)], {0: 0.5}) == 0
    assert turns([], {0: 0.5}) == 0


def test_a_client_may_continue_on_the_first_event_of_an_open_stream():
    stream = seen(
        (1, "up", "request", 1), (1, "up", "end", 1), (2, "down", "response", 1), (3, "down", "event", 1), (9, "down", "end", 1)
    )
    assert (stream[0].answered, stream[0].ended) == (3, 9)
    assert turns([*stream, unary(1, 4, 5)], {}) == 2
    assert turns([*stream, unary(1, 2.5, 5)], {}) == 1, "it was on its way before the first event"


def test_a_body_held_back_for_100_continue_is_one_more_turn():
    exchange = seen((1, "up", "request", 1), (2, "down", "interim", 1), (3, "up", "end", 1), (4, "down", "end", 1), status=100)
    assert turns(exchange, {}) == 2


def test_each_answered_message_of_a_bidirectional_stream_is_a_turn():
    talk = seen(
        (1, "up", "request", 1), (1, "up", "message", 1), (2, "down", "event", 1),
        (3, "up", "message", 1), (4, "down", "event", 1), (5, "up", "end", 1), (6, "down", "end", 1),
    )  # fmt: skip
    assert [each.continues for each in talk] == [False, True]
    assert turns(talk, {}) == 2


def test_notifications_and_frames_are_no_exchanges():
    assert seen((1, "up", "message", 0), (2, "down", "event", 0), (3, "up", "frame", 0), (4, "down", "frame", 0)) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=12))
def test_turns_are_the_longest_chain_by_brute_force(spans: list[tuple[int, int]]):
    exchanges = [unary(0, start, start + length) for start, length in spans]

    def longest(after: int) -> int:
        return max((1 + longest(start + length) for start, length in spans if start >= after), default=0)

    assert turns(exchanges, {}) == longest(-1)


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("/agents/kv_cache/skills/plan", "/agents/kv_cache/skills/plan"),
        ("/.well-known/agent-card.json", "/.well-known/agent-card.json"),
        ("/rest/message:send", "/rest/message:send"),
        ("/tasks/5f0c9a52-3f0e-4c56-9a7e-2b1d6f4f8d10:cancel", "/tasks/{id}:cancel"),
        ("/tasks/0190163d8694739b/events?after=3&wait=1", "/tasks/{id}/events?after&wait"),
        ("/tasks/42", "/tasks/{id}"),
        ("/s/kJ8-aZ_q0PbXw3RtYv9LmA", "/s/{id}"),
        ("/proxy/127.0.0.1:43121/x", "/proxy/127.0.0.1:{id}/x"),
    ],
)
def test_a_fingerprint_has_no_ids_and_no_ports(path: str, normal: str):
    assert normal_path(path) == normal
