"""The suite's task fixtures, as agents are written: no protocol in sight."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field
from sametask.agents import Agent, Question, TaskContext
from sametask.agents.errors import SametaskError

agent = Agent("conformance", description="What the suite's task scenarios call.")


class Nothing(BaseModel):
    pass


class Person(BaseModel):
    name: str = "world"


class Computation(BaseModel):
    seconds: float = Field(default=1, ge=0, le=60)
    label: str = ""


class File(BaseModel):
    filename: str = "file.txt"


class Confirmed(BaseModel):
    confirm: bool = True


class Word(BaseModel):
    word: str = ""


class Text(BaseModel):
    text: str


@agent.skill
async def slow_compute(request: Computation, task: TaskContext) -> Text:
    """Takes its time."""
    await asyncio.sleep(request.seconds)
    return Text(text=f"{request.label} computed in {request.seconds:g} s")


@agent.skill
async def failing_job(request: Nothing, task: TaskContext) -> Text:
    """Fails as a tool does."""
    raise RuntimeError("this job fails")


@agent.skill
async def protocol_error_job(request: Nothing, task: TaskContext) -> Text:
    """Fails as a server does."""
    raise SametaskError("this job breaks the server")


@agent.skill
async def confirm_delete(request: File, task: TaskContext) -> Text:
    """Asks before it deletes."""
    answer = await task.ask(Question(f"Delete {request.filename}?", Confirmed))
    return Text(text=f"{request.filename} {'deleted' if answer.confirm else 'kept'}")


@agent.skill
async def multi_input(request: Nothing, task: TaskContext) -> Text:
    """Asks for two words at once."""
    one, two = await asyncio.gather(task.ask(Question("The first word?", Word)), task.ask(Question("The second word?", Word)))
    return Text(text=f"{one.word} {two.word}")


@agent.skill
async def welcome(request: Person, task: TaskContext) -> Text:
    """Greets, as a task."""
    return Text(text=f"Welcome, {request.name}!")
