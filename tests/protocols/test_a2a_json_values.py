"""A data part carries JSON: what goes in comes out, or is refused in one line."""

import functools
import math
from datetime import date

import pytest
from a2a.types import (
    Artifact,
    Message,
    Part,
    SendMessageRequest,
    SendMessageResponse,
    StreamResponse,
    Task,
    TaskArtifactUpdateEvent,
)
from google.protobuf.struct_pb2 import Value
from hypothesis import given
from hypothesis import strategies as st
from sametask.agents.errors import InvalidInput
from sametask.protocols.a2a.json_values import from_value, to_value

exact = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | exact | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


def crossed(data):
    return from_value(Value.FromString(to_value(data).SerializeToString()))


@given(json_values)
def test_a_json_value_crosses_unchanged(data):
    assert crossed(data) == data


@given(st.lists(exact, min_size=30, max_size=80))
def test_a_list_of_numbers_crosses_unchanged_whichever_way_it_is_packed(numbers):
    assert crossed(numbers) == numbers
    one_by_one = Value()
    one_by_one.list_value.extend(numbers)
    assert to_value(numbers) == one_by_one
    assert crossed([*numbers, "end"]) == [*numbers, "end"]
    assert crossed([*numbers, None, *numbers]) == [*numbers, None, *numbers]


def test_whole_numbers_are_ints_again():
    assert crossed({"n": 3, "half": 3.5}) == {"n": 3, "half": 3.5}
    assert type(crossed({"n": 3})["n"]) is int
    assert [type(n) for n in crossed(list(range(100)))] == [int] * 100
    assert [type(n) for n in crossed([0.5, *range(40)])] == [float] + [int] * 40


def test_a_large_list_crosses_whole():
    numbers = list(range(0, 288_000 * 1000, 1000))
    assert crossed({"hash_ids": [numbers]}) == {"hash_ids": [numbers]}


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, 10**400, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("count", [1, 100])
def test_a_number_that_would_arrive_changed_is_refused_by_name(number, count):
    with pytest.raises(InvalidInput, match=r"^input\.n\[0\]: ") as caught:
        to_value({"n": [number] * count})
    assert "\n" not in caught.value.message


def test_a_result_is_rounded_rather_than_lost():
    assert from_value(to_value(2**53 + 1, exact=False)) == 2**53
    assert from_value(to_value([2**53 + 1] * 50, exact=False)) == [2**53] * 50


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("count", [1, 100])
def test_a_number_that_json_does_not_have_is_refused_on_arrival(number, count):
    value = Value()
    value.list_value.extend([number] * count)
    with pytest.raises(InvalidInput, match="finite"):
        from_value(value)


@pytest.mark.parametrize(("wrap", "levels"), [(lambda inner: {"a": inner}, 30), (lambda inner: [inner], 45)])
def test_what_is_not_refused_for_its_depth_can_be_parsed_at_the_other_end(wrap, levels):
    def nested(count):
        return functools.reduce(lambda inner, _: wrap(inner), range(count), 1)

    part = Part(data=to_value(nested(levels)))
    for carrier in (
        SendMessageRequest(message=Message(parts=[part])),
        SendMessageResponse(task=Task(artifacts=[Artifact(parts=[part])])),
        StreamResponse(artifact_update=TaskArtifactUpdateEvent(artifact=Artifact(parts=[part]))),
    ):
        assert type(carrier).FromString(carrier.SerializeToString()) == carrier
    with pytest.raises(InvalidInput, match=r"^input: .*nested") as caught:
        to_value(nested(levels + 2))
    assert len(caught.value.message) < 200


def test_what_is_no_json_value_is_refused_by_name():
    with pytest.raises(InvalidInput, match=r"^input\.worker: .*JSON"):
        to_value({"worker": object()})


def test_python_values_that_pydantic_knows_are_sent_as_json():
    assert crossed({"day": date(2026, 11, 23), "pair": (1, 2)}) == {"day": "2026-11-23", "pair": [1, 2]}
