"""Agents for processes that are killed: whatever they do goes to a ledger that outlives them."""

from __future__ import annotations

import asyncio
import os
import uuid

from pydantic import BaseModel
from sametask.agents import Agent, Artifact, Limits, Question, TaskContext, TextPart

agent = Agent("voyager", description="visits stops, and writes each visit to a ledger")


class Trip(BaseModel):
    name: str
    ledger: str
    stops: int = 0
    pause_s: float = 0.0


class Log(BaseModel):
    visits: list[str]


class Pass(BaseModel):
    ok: bool


def write_line(ledger: str, *words: object) -> None:
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, (" ".join(map(str, words)) + "\n").encode())
    os.fsync(fd)
    os.close(fd)


@agent.skill
async def travel(request: Trip, task: TaskContext) -> Log:
    async def visit(stop: int) -> str:
        await task.progress(stop + 0.25, text="arriving")
        token = uuid.uuid4().hex
        write_line(request.ledger, request.name, stop, token, os.getpid())
        await task.progress(stop + 0.5, text="leaving")
        return token

    visits: list[str] = []
    for stop in range(0, request.stops, 2):
        await task.progress(stop, request.stops)
        pair = (task.step(f"visit {each}", visit, each) for each in (stop, stop + 1))
        visits.extend(await asyncio.gather(*pair))
        await task.emit(Artifact(name="diary", parts=(TextPart(text=str(stop)),), append=True, last=False))
        await asyncio.sleep(request.pause_s)
    return Log(visits=visits)


@agent.skill
async def cross(request: Trip, task: TaskContext) -> Log:
    """Asks twice, and visits one stop in between."""
    first = await task.ask(Question("May I?", Pass))
    token = await task.step("visit", lambda: uuid.uuid4().hex)
    write_line(request.ledger, request.name, 0, token, os.getpid())
    second = await task.ask(Question("And back?", Pass))
    return Log(visits=[str(first.ok), token, str(second.ok)])


@agent.skill
async def circle(request: Trip, task: TaskContext) -> Log:
    """Goes on until it is stopped."""
    write_line(request.ledger, request.name, "circling", "-", os.getpid())
    try:
        while True:
            await task.progress(1)
            await asyncio.sleep(0.1)
    finally:
        write_line(request.ledger, request.name, "stopped", "-", os.getpid())


@agent.skill(limits=Limits(concurrency=2))
async def lane(request: Trip, task: TaskContext) -> Log:
    """Two of them at most, wherever they run."""
    write_line(request.ledger, request.name, "begin", "-", os.getpid())
    await asyncio.sleep(request.pause_s)
    write_line(request.ledger, request.name, "end", "-", os.getpid())
    return Log(visits=[])
