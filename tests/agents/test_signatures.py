"""Skills that are plain functions: what becomes of their parameters, what they return, and which are refused."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from sametask.agents import Agent, Roster, TaskContext, TaskState
from sametask.agents.errors import InvalidInput, SkillFailed
from sametask.agents.runtime import open_engine
from sametask.protocols.inproc.client import InprocClient


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int = 0


class Stop(BaseModel):
    name: str


class Trip(BaseModel):
    stops: list[Stop]


agent = Agent("plain", description="plain functions")


@agent.skill
def add(a: int, b: Annotated[int, Field(ge=0, le=10, description="what is added, 0 to 10")] = 1) -> int:
    """The sum of two numbers."""
    return a + b


@agent.skill
async def shift(points: list[Point], colour: Colour = Colour.RED, *, by: float | None = None) -> list[Point]:
    return [Point(point.x + int(by or 1), point.y) for point in points]


@agent.skill
def thread() -> str:
    return threading.current_thread().name


@agent.skill
async def price(request: Trip) -> int:
    return len(request.stops)


@agent.skill
def visit(request: Trip) -> Stop:
    return request.stops[0]


@agent.skill
async def between(start: Stop, end: Stop) -> Trip:
    return Trip(stops=[start, end])


@agent.skill
async def walk(steps: int, task: TaskContext, name: Literal["a", "b"] = "a") -> dict[str, int]:
    for step in range(steps):
        await task.progress(step + 1, steps)
    return {name: await task.step("count", int, steps)}


@agent.skill(long=True)
def grind(n: int) -> int:
    return n * 2


@agent.skill
def nothing(note: str) -> None:
    pass


@agent.skill
def lies() -> int:
    return "many"  # type: ignore[return-value]


@agent.skill
def untold(x: int):  # type: ignore[no-untyped-def]
    return {"x": [x]}


def test_parameters_become_the_fields_of_the_input():
    skill = agent.skills["add"]
    assert (skill.long, skill.description) == (False, "The sum of two numbers.")
    schema = skill.input_schema
    assert schema["required"] == ["a"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["b"] == {
        "default": 1,
        "description": "what is added, 0 to 10",
        "maximum": 10,
        "minimum": 0,
        "title": "B",
        "type": "integer",
    }
    assert skill.output_schema["properties"] == {"result": {"title": "Result", "type": "integer"}}
    assert agent.skills["visit"].output is Stop
    assert agent.skills["visit"].input is agent.skills["price"].input is Trip


@pytest.mark.parametrize(
    ("name", "given", "gives"),
    [
        ("add", {"a": 1}, {"result": 2}),
        ("add", {"a": 1, "b": 10}, {"result": 11}),
        ("shift", {"points": [{"x": 1, "y": 3}], "by": 2, "colour": "blue"}, {"result": [{"x": 3, "y": 3}]}),
        ("price", {"stops": [{"name": "a"}]}, {"result": 1}),
        ("visit", {"stops": [{"name": "a"}]}, {"name": "a"}),
        ("between", {"start": {"name": "a"}, "end": {"name": "b"}}, {"stops": [{"name": "a"}, {"name": "b"}]}),
        ("nothing", {"note": "x"}, {"result": None}),
        ("untold", {"x": 1}, {"result": {"x": [1]}}),
    ],
)
async def test_a_plain_function_is_called_with_its_parameters(name, given, gives):
    skill = agent.skills[name]
    assert await skill(skill.parse(given)) == gives
    assert await skill(skill.parse_json(json.dumps(given))) == gives


async def test_a_function_that_is_not_async_does_not_hold_the_loop():
    skill = agent.skills["thread"]
    assert (await skill(skill.parse({})))["result"] != threading.current_thread().name


@pytest.mark.parametrize(("given", "field"), [({}, "a"), ({"a": "x"}, "a"), ({"a": 1, "b": 11}, "b"), ({"a": 1, "c": 2}, "c")])
def test_what_the_parameters_do_not_take_is_refused_by_name(given, field):
    with pytest.raises(InvalidInput) as refused:
        agent.skills["add"].parse(given)
    assert refused.value.details["field"] == field


async def test_what_is_not_as_annotated_is_the_skills_failure():
    skill = agent.skills["lies"]
    with pytest.raises(SkillFailed, match="result"):
        await skill(skill.parse({}))


@pytest.mark.parametrize(
    ("name", "given", "gives"), [("walk", {"steps": 3, "name": "b"}, {"result": {"b": 3}}), ("grind", {"n": 4}, {"result": 8})]
)
async def test_a_plain_function_runs_as_a_task(tmp_path, name, given, gives):
    assert agent.skills[name].long
    async with open_engine(f"sqlite:///{tmp_path}/tasks.db", Roster([agent])) as engine:
        client = InprocClient(engine)
        task = await client.wait((await client.submit("plain", name, given)).id)
        assert (task.state, task.result) == (TaskState.COMPLETED, gives)


def unannotated(x) -> int: ...  # type: ignore[no-untyped-def]
def starred(*x: int) -> int: ...
def keywords(**x: int) -> int: ...
def positional(x: int, /) -> int: ...
def hidden(_x: int) -> int: ...
def shadowing(copy: int) -> int: ...
def unheard_of(x: Missing) -> int: ...  # type: ignore[name-defined] # noqa: F821
def not_json(x: threading.Lock) -> int: ...  # type: ignore[valid-type]
def not_json_out(x: int) -> threading.Thread: ...
def thread_and_task(x: int, task: TaskContext) -> int: ...
async def two_tasks(task: TaskContext, other: TaskContext) -> int: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (unannotated, "parameter 'x' has no annotation; accepted: a type that JSON can carry"),
        (starred, "parameter 'x' is variadic positional; accepted: one that has a name"),
        (keywords, "parameter 'x' is variadic keyword"),
        (positional, "parameter 'x' is positional-only"),
        (hidden, "parameter '_x' is not accepted"),
        (shadowing, "parameter 'copy' is not accepted"),
        (unheard_of, "names 'Missing', which its module does not know"),
        (not_json, "accepted: types that JSON can carry"),
        (not_json_out, "accepted: types that JSON can carry"),
        (thread_and_task, "a skill that takes its task is an `async def`"),
        (two_tasks, "task and other are both the task"),
    ],
)
def test_a_signature_that_is_no_skill_is_refused_by_name(function: Any, message: str):
    fresh = Agent("fresh", description="")
    with pytest.raises(TypeError, match=message) as refused:
        fresh.skill(function)
    assert str(refused.value).startswith(f"fresh.{function.__name__}: ")
    assert "\n" not in str(refused.value)
    assert fresh.skills == {}
