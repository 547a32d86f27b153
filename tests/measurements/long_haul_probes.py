"""Probes with something wrong about them, served instead of the real one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from sametask.agents import Agent, TaskContext
from sametask.agents.events import Artifact, TextPart
from sametask.measurements.probe import WorkReport, WorkRequest


def deed(ledger: str, task_id: str, number: int) -> int:
    with Path(ledger).open("a", encoding="utf-8") as file:
        file.write(f"{task_id} {number} {time.monotonic():.6f}\n")
    return number


async def tell(task: TaskContext, number: int, steps: int) -> None:
    await task.emit(Artifact(name=f"mark-{number}", parts=(TextPart(text=f"mark {number}"),)))
    await task.progress(number, steps)


def reworking() -> Agent:
    agent = Agent("probe", description="Does its deeds outside of steps: after a crash it does them again", version="1")

    @agent.skill
    async def work(request: WorkRequest, task: TaskContext) -> WorkReport:
        """Do the deeds, of which nothing is recorded."""
        for number in range(1, request.steps + 1):
            await asyncio.sleep(request.step_ms / 1000)
            deed(request.ledger, task.id, number)
            await tell(task, number, request.steps)
        return WorkReport(steps=request.steps, executed=request.steps, answer="")

    return agent


def boasting(told_steps: int) -> Agent:
    agent = Agent("probe", description="Says that all is done, and did nothing", version="1")

    @agent.skill
    async def work(request: WorkRequest, task: TaskContext) -> WorkReport:
        """Tell of steps, and do none."""
        for number in range(1, told_steps + 1):
            await tell(task, number, request.steps)
        return WorkReport(steps=request.steps, executed=request.steps, answer="")

    return agent


def failing(after: int) -> Agent:
    agent = Agent("probe", description="Fails at some step", version="1")

    @agent.skill
    async def work(request: WorkRequest, task: TaskContext) -> WorkReport:
        """Do some of the steps, or all of them, and fail."""
        for number in range(1, after + 1):
            await task.step(f"mark-{number}", deed, request.ledger, task.id, number)
            await tell(task, number, request.steps)
        raise ArithmeticError(f"after {after} steps")

    return agent


reworking_probe, boasting_probe, silent_boasting_probe = reworking(), boasting(20), boasting(0)
failing_probe, failing_after_all_probe = failing(10), failing(20)


def headless() -> Agent:
    agent = Agent("probe", description="Works on after it was canceled, where nobody sees it", version="1")
    at_work: set[asyncio.Task[None]] = set()

    @agent.skill
    async def work(request: WorkRequest, task: TaskContext) -> WorkReport:
        """Leave the deeds to somebody whom no cancel reaches."""

        async def all_of_it() -> None:
            for number in range(1, request.steps + 1):
                await asyncio.sleep(request.step_ms / 1000)
                deed(request.ledger, task.id, number)

        working = asyncio.create_task(all_of_it())
        at_work.add(working)
        await asyncio.shield(working)
        return WorkReport(steps=request.steps, executed=request.steps, answer="")

    return agent


headless_probe = headless()
