"""The error tree and the table of codes name the same classes, and every code exists in its protocol."""

from __future__ import annotations

from http import HTTPStatus

import grpc
import pytest
from sametask.agents.errors import BY_CODE, InvalidInput, SametaskError, UnknownTask
from sametask.protocols.errors import TABLE, Codes, codes, from_peer


def test_every_class_has_a_row_and_every_row_a_class():
    assert set(TABLE) == set(BY_CODE)


def test_every_class_has_a_code_of_its_own():
    assert all(BY_CODE[cls.code] is cls for cls in _every(SametaskError))


def _every(cls: type[SametaskError]) -> list[type[SametaskError]]:
    ours = [sub for sub in cls.__subclasses__() if sub.__module__ == SametaskError.__module__]
    return [cls, *(found for sub in ours for found in _every(sub))]


@pytest.mark.parametrize("code", TABLE)
def test_codes_are_valid_in_their_protocol(code: str):
    row = TABLE[code]
    assert HTTPStatus(row.http) >= 400
    assert grpc.StatusCode[row.grpc] is not grpc.StatusCode.OK
    # JSON-RPC 2.0 section 5.1: the four predefined errors that fit, or the range left to servers.
    assert row.jsonrpc in (-32600, -32601, -32602, -32603) or -32099 <= row.jsonrpc <= -32000


@pytest.mark.parametrize("code", BY_CODE)
def test_a_peer_of_ours_gives_back_the_very_class(code: str):
    error = from_peer("what\nwent wrong", code=code, details={"field": "x", "value": None})
    assert type(error) is BY_CODE[code]
    assert (error.message, error.details) == ("what went wrong", {"field": "x"})


def test_codes_go_by_class():
    assert codes(UnknownTask("t")) == TABLE["unknown_task"]
    assert codes(InvalidInput("f", 1, "2")) == Codes(-32602, 422, "INVALID_ARGUMENT")


@pytest.mark.parametrize(
    ("native", "code"),
    [
        ({"http": 404}, "not_found"),
        ({"http": 422}, "invalid_input"),
        ({"http": 418}, "error"),
        ({"grpc": "FAILED_PRECONDITION"}, "conflict"),
        ({"grpc": "DATA_LOSS"}, "error"),
        ({"jsonrpc": -32602}, "invalid_input"),
        ({}, "error"),
    ],
)
def test_a_peer_that_is_not_ours_gives_the_nearest_class(native: dict[str, int | str], code: str):
    assert type(from_peer("no", **native)) is BY_CODE[code]


def test_an_unknown_code_of_a_newer_peer_is_a_plain_error():
    assert type(from_peer("no", code="from_the_future")) is SametaskError
