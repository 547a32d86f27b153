"""An agent that prints where it should not, waits until it is let go, and asks."""

import asyncio
from pathlib import Path

from pydantic import BaseModel, Field
from sametask.agents import Agent, Artifact, Question, TaskContext, TextPart

print("noise while it is imported")

agent = Agent("waiter", description="Waits and asks.")


class Gate(BaseModel):
    path: str = Field(description="the file whose appearance lets the task go")
    steps: int = Field(default=3, ge=1, le=10_000)


class Gone(BaseModel):
    steps: int


class Order(BaseModel):
    dish: str = Field(min_length=2)
    count: int = 1
    hot: bool = False
    note: str | None = None


class Nothing(BaseModel):
    pass


@agent.skill
async def wait(request: Gate, task: TaskContext) -> Gone:
    """Tells its steps, then waits for the gate."""
    print("noise while it works")
    for done in range(request.steps):
        await task.step("count", lambda: 1)
        await task.progress(done + 1, request.steps, f"step {done + 1}\nof [bold]many[/bold]")
        await task.emit(Artifact(name="step", parts=(TextPart(text=str(done + 1)),)))
    while not Path(request.path).exists():  # noqa: ASYNC110, ASYNC240 - the test opens it from another process
        await asyncio.sleep(0.02)
    return Gone(steps=request.steps)


@agent.skill
async def order(request: Nothing, task: TaskContext) -> Order:
    """Asks for an order and repeats it."""
    return await task.ask(Question("What will it be?", Order))


@agent.skill
async def repeat(request: Order) -> Order:
    """Repeats an order."""
    print("noise while it answers")
    return request
