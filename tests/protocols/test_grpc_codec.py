"""JSON to messages and back: what each field holds, and in which words it refuses."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sametask.agents.contract import invalid_input
from sametask.agents.errors import BY_CODE, InvalidInput, SametaskError
from sametask.agents.events import (
    Artifact,
    ArtifactEmitted,
    DataPart,
    Event,
    FilePart,
    OpenQuestion,
    Progress,
    StateChanged,
    Task,
    TaskState,
    TextPart,
)
from sametask.agents.events import ErrorInfo as Told
from sametask.agents.team.prefix_cache.models import PlanRequest, SimulateRequest
from sametask.proto import model_router_pb2, prefix_cache_pb2, tasks_pb2
from sametask.protocols.grpc.codec import Codec, parse
from sametask.protocols.grpc.messages import TaskReader, TaskWriter
from sametask.protocols.grpc.services import agent_service
from sametask.protocols.grpc.status import MAX_MESSAGE_LENGTH, from_status, to_status

PLAN = {"layers": 32, "kv_heads": 8, "head_dim": 128, "dtype": "fp8", "memory_bytes": 2**50}


@pytest.fixture
def codec() -> Codec:
    return Codec()


def test_a_request_comes_back_as_it_was_given(codec):
    message = codec.encode(PLAN, prefix_cache_pb2.PlanRequest)
    assert message.dtype == prefix_cache_pb2.PlanRequest.DTYPE_FP8
    assert codec.decode(message, given_only=True) == PLAN
    assert type(codec.decode(message)["memory_bytes"]) is int


def test_zero_is_told_from_what_was_left_out(codec):
    given_zero = codec.encode({"layers": 0}, prefix_cache_pb2.PlanRequest)
    assert codec.decode(given_zero, given_only=True) == {"layers": 0}
    assert codec.decode(codec.encode({"layers": None}, prefix_cache_pb2.PlanRequest), given_only=True) == {}


def test_an_answer_tells_zero_null_and_empty(codec):
    told = codec.decode(codec.encode({"requests": 0, "capacity_blocks": None, "points": []}, prefix_cache_pb2.CacheReport))
    assert (told["requests"], told["block_hit_rate"], told["capacity_blocks"], told["points"]) == (0, 0.0, None, [])


def test_nested_messages_and_lists_come_back(codec):
    data = {
        "requests": [{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [2**53 - 1, 7]}],
        "synthetic": {},
        "partial_blocks": "never_cached",
        "confirm": False,
    }
    message = codec.encode(data, prefix_cache_pb2.SimulateRequest)
    assert message.requests[0].hash_ids == [2**53 - 1, 7]
    assert codec.decode(message, given_only=True) == data


@pytest.mark.parametrize(
    "wrong",
    [
        {"layers": "many"},
        {"layers": "5"},
        {"layers": True},
        {"layers": 1.5},
        {"layers": [1]},
        {"dtype": "float99"},
        {"dtype": 1},
        {"colour": "red"},
    ],
)
def test_a_refusal_is_in_the_words_of_the_model(codec, wrong):
    with pytest.raises(InvalidInput) as refused:
        codec.encode({**PLAN, **wrong}, prefix_cache_pb2.PlanRequest)
    with pytest.raises(ValidationError) as expected:
        PlanRequest.model_validate({**PLAN, **wrong})
    assert refused.value.message == invalid_input(expected.value).message


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests": "none"},
        {"requests": [{"timestamp": 0, "input_length": "x", "output_length": 1, "hash_ids": []}]},
        {"requests": [{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": [1, 2, "x"]}]},
        {"requests": [{"timestamp": 0, "input_length": 1, "output_length": 1, "hash_ids": "12"}]},
        {"requests": [1]},
        {"synthetic": 3},
        {"synthetic": {"mean_turns": "x"}},
        {"confirm": 7},
        {"confirm": "perhaps"},
    ],
)
def test_a_refusal_names_the_whole_path(codec, wrong):
    with pytest.raises(InvalidInput) as refused:
        codec.encode(wrong, prefix_cache_pb2.SimulateRequest)
    with pytest.raises(ValidationError) as expected:
        SimulateRequest.model_validate(wrong)
    assert refused.value.message == invalid_input(expected.value).message


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400])
def test_a_number_that_64_bits_do_not_hold_is_refused(codec, value):
    with pytest.raises(InvalidInput, match=r"^layers: .* accepted: -2\^63 to 2\^63-1"):
        codec.encode({"layers": value}, prefix_cache_pb2.PlanRequest)
    with pytest.raises(InvalidInput, match=r"hash_ids\[1\]"):
        codec.encode({"hash_ids": [0, value]}, prefix_cache_pb2.TraceRequest)


def test_a_whole_number_written_as_a_float_is_an_integer(codec):
    assert codec.encode({"layers": 12.0}, prefix_cache_pb2.PlanRequest).layers == 12
    assert PlanRequest.model_validate({**PLAN, "layers": 12.0}).layers == 12


def test_an_unknown_number_of_an_enum_is_refused(codec):
    message = prefix_cache_pb2.PlanRequest()
    parse(message, b"\x20\x63")  # field 4, varint 99
    with pytest.raises(InvalidInput, match=r"^dtype: 99 is not accepted; input should be 'float32', .* or 'int8'"):
        codec.decode(message, given_only=True)


def test_bytes_that_are_no_message_are_refused():
    with pytest.raises(InvalidInput, match="PlanRequest"):
        parse(prefix_cache_pb2.PlanRequest(), b"\xff\xff\xff")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_value_is_packed_and_comes_back(value):
    codec = Codec()
    packed = codec.pack(value, None)
    assert packed.TypeName() == "google.protobuf.Value"
    assert codec.unpack(packed) == value


def test_what_fits_its_message_is_packed_as_such_and_what_does_not_is_still_carried(codec):
    point = {"threshold": 0.5, "cost": 1.0, "quality": 0.5, "mean_latency_ms": 0.0, "strong_share": 1.0}
    descriptor = model_router_pb2.FrontierPoint.DESCRIPTOR
    packed = codec.pack(point, descriptor)
    assert (packed.TypeName(), codec.unpack(packed)) == ("sametask.model_router.v1.FrontierPoint", point)
    for other in ({"threshold": "high"}, [point], None):
        packed = codec.pack(other, descriptor)
        assert (packed.TypeName(), codec.unpack(packed)) == ("google.protobuf.Value", other)


def test_a_type_that_is_not_compiled_here_is_refused(codec):
    with pytest.raises(InvalidInput, match="type_url"):
        codec.unpack(any_pb2.Any(type_url="type.googleapis.com/nobody.v1.Nothing"))


TASK = Task(
    id="t",
    agent="prefix_cache",
    skill="simulate",
    state=TaskState.WORKING,
    progress=Progress(done=1, total=None, text="half"),
    question=OpenQuestion(request_id="q", text="?", answer_schema={"type": "object", "properties": {"n": {"minimum": 1}}}),
    artifacts=(
        Artifact(name="a", parts=(TextPart(text="é"), DataPart(data={"n": [1, None, 1.5]})), last=False),
        Artifact(name="a", parts=(FilePart(name="f", media_type="x/y", base64="AAEC/w=="),), append=True),
        Artifact(name="b", parts=(FilePart(name="g", url="https://example.org/g"),)),
    ),
    created_at=1795471234.1234567,
    updated_at=1795471235.9999999,
    last_seq=2**40,
)
BODIES = [
    StateChanged(state=TaskState.INPUT_REQUIRED, question=TASK.question),
    StateChanged(state=TaskState.FAILED, error=Told(code="rejected", message="no", details={"field": "f", "limit": 5})),
    StateChanged(state=TaskState.COMPLETED, result={"not": "a report"}),
    Progress(done=0.25, total=1, text=""),
    ArtifactEmitted(artifact=TASK.artifacts[0]),
]


def _through(codec: Codec) -> tuple[TaskWriter, TaskReader]:
    return TaskWriter(codec, lambda agent, skill: agent_service(agent).skills.get(skill)), TaskReader(codec)


@pytest.mark.parametrize("state", TaskState)
def test_a_task_comes_back_as_it_was(codec, state):
    writer, reader = _through(codec)
    task = TASK.model_copy(update={"state": state})
    message = tasks_pb2.Task.FromString(writer.task(task).SerializeToString())
    assert reader.task(message) == task


@pytest.mark.parametrize("body", BODIES)
def test_an_event_comes_back_as_it_was(codec, body):
    writer, reader = _through(codec)
    event = Event(seq=7, at=1795471234.1234567, body=body)
    message = tasks_pb2.TaskEvent.FromString(writer.event(event, None).SerializeToString())
    assert reader.event(message) == event


@given(st.floats(0, 4e9))
def test_a_moment_comes_back_to_the_nanosecond(at):
    writer, reader = _through(Codec())
    event = Event(seq=1, at=at, body=Progress(done=1))
    assert reader.event(writer.event(event, None)).at == pytest.approx(at, abs=1e-9)


@pytest.mark.parametrize("code", BY_CODE)
def test_every_error_comes_back_as_its_class(code):
    error = SametaskError.from_json({"code": code, "message": "über\tall", "details": {"field": "f", "n": 3}})
    back = from_status(to_status(error))
    assert (type(back), back.message, back.details) == (type(error), "über all", {"field": "f", "n": 3})


def test_a_message_too_long_for_trailers_is_cut():
    back = from_status(to_status(SametaskError("x" * 10**6)))
    assert len(back.message) == MAX_MESSAGE_LENGTH
    assert back.message.endswith("x...")
