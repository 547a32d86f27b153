"""Counts, and stops half way until somebody opens the gate; asks where it is told to."""

import anyio
from pydantic import BaseModel
from sametask.agents import Agent, Question, TaskContext

agent = Agent("counting", description="Counts.")


class Count(BaseModel):
    to: int
    stop_at: int
    gate: str
    ask: bool = False


class Counted(BaseModel):
    to: int
    word: str = ""


class Word(BaseModel):
    word: str


@agent.skill
async def count(request: Count, task: TaskContext) -> Counted:
    """Counts to a number."""
    word = ""
    for n in range(1, request.to + 1):
        await task.progress(n, request.to, f"number {n}")
        if n == request.stop_at:
            while not await anyio.Path(request.gate).exists():  # noqa: ASYNC110 - another process opens it
                await anyio.sleep(0.01)
            if request.ask:
                word = (await task.ask(Question("Which word?", Word))).word
    return Counted(to=request.to, word=word)
