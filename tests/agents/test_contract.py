"""The agent contract and the error tree: what is accepted, and the one line that says what is not."""

from __future__ import annotations

import enum
import functools
from collections.abc import Awaitable
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from sametask.agents import Agent, Question, Rejected, Roster, SametaskError, TaskContext
from sametask.agents.contract import return_type
from sametask.agents.errors import (
    BY_CODE,
    ConnectionLost,
    DeadlineExceeded,
    InvalidInput,
    KeyReused,
    NotFound,
    NotWaiting,
    SkillFailed,
    TaskFinished,
    TooLarge,
    Unavailable,
    UnknownAgent,
    UnknownSkill,
    UnknownTask,
    UnknownWebhook,
)


class Stop(BaseModel):
    name: str
    minutes: int = Field(ge=1)


class Trip(BaseModel):
    stops: list[Stop]
    mode: Literal["walk", "ride"] = "walk"


class Receipt(BaseModel):
    total: int


agent = Agent("trips", description="plans trips", version="2")


@agent.skill
async def price(request: Trip) -> Receipt:
    """What a trip costs.

    In whole coins.
    """
    if not request.stops:
        raise Rejected("a trip needs a stop")
    return Receipt(total=1 // (len(request.stops) - 1))


@agent.skill
async def travel(request: Trip, task: TaskContext) -> Receipt:
    return Receipt(total=0)


def test_a_skill_is_read_from_its_signature():
    quick, long = agent.skills["price"], agent.skills["travel"]
    assert (quick.agent, quick.name, quick.long, quick.input, quick.output) == ("trips", "price", False, Trip, Receipt)
    assert quick.description == "What a trip costs.\n\nIn whole coins."
    assert (long.long, long.description) == (True, "travel")
    assert set(quick.input_schema["properties"]) == {"stops", "mode"}
    assert quick.output_schema["required"] == ["total"]


@pytest.mark.parametrize("name", ["", "two words", "a-b", "1st", "a/b"])
def test_an_agent_name_is_an_identifier(name):
    with pytest.raises(ValueError, match=f"agent name: {name!r} is not accepted"):
        Agent(name, description="")


GOOD = {"name": "a", "minutes": 1}


@pytest.mark.parametrize(
    ("data", "field", "value", "accepted"),
    [
        ({"stops": [GOOD, {"name": "b", "minutes": 0}]}, "stops[1].minutes", "0", "greater than or equal to 1"),
        ({"stops": [{"name": "a", "minutes": "soon"}]}, "stops[0].minutes", "'soon'", "valid integer"),
        ({"stops": [], "mode": "fly"}, "mode", "'fly'", "'walk' or 'ride'"),
        ({}, "stops", None, "field required"),
        ({"stops": [{}]}, "stops[0].name", None, "field required (and 1 more)"),
        ([], "input", "[]", "input should be a"),
    ],
)
def test_bad_input_names_the_field_the_value_and_what_is_accepted(data, field, value, accepted):
    import json

    for parse, given in ((agent.skills["price"].parse, data), (agent.skills["price"].parse_json, json.dumps(data))):
        with pytest.raises(InvalidInput) as refused:
            parse(given)
        error = refused.value
        assert (error.details["field"], error.details.get("value")) == (field, value)
        assert accepted in error.details["accepted"]
        said = "missing" if value is None else f"{value} is not accepted"
        assert error.message == f"{field}: {said}; {error.details['accepted']}"
        assert "\n" not in error.message


def test_text_that_is_not_json_is_bad_input_too():
    with pytest.raises(InvalidInput, match=r"input: '\{oops' is not accepted; invalid JSON"):
        agent.skills["price"].parse_json("{oops")


def test_a_long_value_is_shortened_in_the_message():
    error = InvalidInput("text", "x" * 10_000, "shorter")
    assert len(error.message) < 120
    assert error.details["value"].endswith("...")


def test_a_parsed_input_passes_as_it_is():
    request = Trip(stops=[])
    assert agent.skills["price"].parse(request) is request


async def test_a_quick_skill_gives_json_or_one_class_of_error():
    skill = agent.skills["price"]
    stop = Stop(name="a", minutes=1)
    assert await skill(Trip(stops=[stop, stop])) == {"total": 1}
    with pytest.raises(Rejected, match="a trip needs a stop"):
        await skill(Trip(stops=[]))
    with pytest.raises(SkillFailed, match="ZeroDivisionError: ") as failed:
        await skill(Trip(stops=[stop]))
    assert failed.value.details == {"exception": "ZeroDivisionError"}


async def test_a_quick_skill_that_returns_something_else_has_failed():
    fresh = Agent("fresh", description="")

    @fresh.skill
    async def wrong(request: Trip) -> Receipt:
        return {"total": "many"}  # type: ignore[return-value]

    with pytest.raises(SkillFailed, match="ValidationError"):
        await fresh.skills["wrong"](Trip(stops=[]))


def test_a_roster_finds_skills_and_says_what_there_is():
    roster = Roster([agent, Agent("idle", description="")])
    assert list(roster) == ["trips", "idle"]
    assert len(roster) == 2
    assert roster.skill("trips", "price") is agent.skills["price"]
    assert [skill.name for skill in roster.skills()] == ["price", "travel"]
    with pytest.raises(UnknownAgent, match="agent: 'nobody' is not known; accepted: one of: idle, trips"):
        roster.skill("nobody", "price")
    with pytest.raises(UnknownSkill, match="agent 'trips' has no skill 'fly'; accepted: one of: price, travel"):
        roster.skill("trips", "fly")


def test_a_roster_refuses_two_agents_of_one_name():
    with pytest.raises(ValueError, match="agent name: 'trips' is used twice"):
        Roster([agent, Agent("trips", description="another")])


class Colour(enum.Enum):
    RED = "red"


class Flat(BaseModel):
    ok: bool
    text: str = ""
    count: int | None = None
    pick: Literal["a", "b"] = "a"


class WithObject(BaseModel):
    stop: Stop


class WithList(BaseModel):
    names: list[str]


class WithDict(BaseModel):
    names: dict[str, str]


class WithMaybeObject(BaseModel):
    stop: Stop | None = None


class WithMaybeList(BaseModel):
    names: list[str] | None = None


def test_a_question_has_the_schema_of_its_answer():
    assert set(Question("go on?", Flat).answer_schema["properties"]) == {"ok", "text", "count", "pick"}


@pytest.mark.parametrize("model", [WithObject, WithList, WithDict])
def test_an_answer_that_is_not_flat_is_refused_by_field(model):
    (field,) = model.model_fields
    with pytest.raises(TypeError, match=f"{model.__name__}.{field}: an answer is a flat model"):
        Question("go on?", model)


async def coroutine() -> Receipt: ...
def awaitable() -> Awaitable[Receipt]: ...
def plain() -> Receipt: ...
def anything() -> Any: ...
def unannotated(): ...
def unresolved() -> NoSuchName: ...  # noqa: F821


@pytest.mark.parametrize("function", [coroutine, awaitable, plain])
def test_what_a_step_returns_is_restored_as_its_model(function):
    adapter = return_type(function)
    assert adapter is not None
    assert adapter.validate_json('{"total": 3}') == Receipt(total=3)


@pytest.mark.parametrize("function", [anything, unannotated, unresolved, functools.partial(plain), len])
def test_what_is_not_annotated_is_restored_as_json(function):
    assert return_type(function) is None


ERRORS = [
    SametaskError("plain", field="x"),
    InvalidInput("count", 3, "an even number is accepted"),
    NotFound("no such thing"),
    UnknownAgent("a", ["b"]),
    UnknownSkill("a", "s", ["t"]),
    UnknownTask("t1"),
    UnknownWebhook("t1", "w1"),
    BY_CODE["conflict"]("not now"),
    TaskFinished("t1", "completed"),
    NotWaiting("t1", "q1", None),
    KeyReused("k"),
    Rejected("why"),
    TooLarge("over 3 bytes"),
    SkillFailed(ValueError("two\nlines")),
    DeadlineExceeded("a.s", 1.5),
    Unavailable("later"),
    ConnectionLost("gone"),
]


def test_every_class_of_the_tree_is_tried_below():
    assert {type(error).code for error in ERRORS} == set(BY_CODE)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_journey_as_its_own_class(error):
    back = SametaskError.from_json(error.to_json())
    assert type(back) is type(error)
    assert (back.message, back.details, str(back)) == (error.message, error.details, error.message)
    assert "\n" not in back.message
    assert back.to_json() == error.to_json()


def test_an_error_of_a_newer_peer_is_plain():
    back = SametaskError.from_json({"code": "from_the_future", "message": "m", "details": None})
    assert (type(back), back.message, back.details) == (SametaskError, "m", {})


def test_a_skill_may_promise_to_change_nothing():
    fresh = Agent("fresh", description="")

    @fresh.skill
    async def change(request: Stop) -> Stop:
        return request

    @fresh.skill(read_only=True)
    async def look(request: Stop) -> Stop:
        return request

    assert {name: skill.read_only for name, skill in fresh.skills.items()} == {"change": False, "look": True}
