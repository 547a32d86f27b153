"""The agent that the faults are tried on: it does nothing but leave a mark for every step, in its answer and on disk."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from ...agents.contract import Agent, Question, TaskContext
from ...agents.events import Artifact, Frozen, TextPart


class EchoRequest(Frozen):
    text: str = Field(default="", max_length=1_000_000, description="any text, at most 1,000,000 characters")


class EchoReply(Frozen):
    text: str = Field(description="the same text")


class WorkRequest(Frozen):
    steps: int = Field(default=20, ge=1, le=100_000, description="steps to do, 1 to 100,000")
    step_ms: int = Field(default=20, ge=0, le=60_000, description="how long a step works, 0 to 60,000 ms")
    ask: bool = Field(default=False, description="true: ask the caller once, half-way")
    ledger: str = Field(default="", max_length=4096, description="file that each executed step appends a line to; empty: none")
    payload_bytes: int = Field(default=0, ge=0, le=1_000_000, description="size of each step's mark, 0 to 1,000,000 bytes")
    marks: int = Field(default=1, ge=1, le=10_000, description="marks that each step tells of in one go, 1 to 10,000")
    silent_ms: int = Field(default=0, ge=0, le=3_600_000, description="how much longer step 2 works, 0 to 3,600,000 ms")


class WorkReport(Frozen):
    steps: int = Field(description="steps done")
    executed: int = Field(description="lines in the ledger of this task's steps; 0 without a ledger")
    answer: str = Field(description="the caller's answer; empty where nothing was asked")


class Decision(Frozen):
    choice: Literal["continue", "stop"] = Field(description="continue, or stop here")


agent = Agent(
    "probe", description="Leaves a mark for every step, so that what is lost or done twice can be counted", version="1"
)


@agent.skill
async def echo(request: EchoRequest) -> EchoReply:
    """Give back the text."""
    return EchoReply(text=request.text)


@agent.skill
async def work(request: WorkRequest, task: TaskContext) -> WorkReport:
    """Do the steps one by one; each leaves its marks, an artifact and progress for each, and a line in the ledger: task, step,
    monotonic seconds, and `again` where it had been done.
    """
    answer, done = "", 0
    for number in range(1, request.steps + 1):
        if request.ask and number == request.steps // 2 + 1:
            answer = (await task.ask(Question("Continue with the second half?", Decision))).choice
            if answer == "stop":
                break
        works_ms = request.step_ms + (request.silent_ms if number == 2 else 0)
        await task.step(f"mark-{number}", _mark, request.ledger, task.id, number, works_ms)
        for mark in range((number - 1) * request.marks + 1, number * request.marks + 1):
            text = f"mark {mark}".ljust(request.payload_bytes, ".")
            await task.emit(Artifact(name=f"mark-{mark}", parts=(TextPart(text=text),)))
            await task.progress(mark, request.steps * request.marks)
        done = number
    executed = await task.step("count", _count, request.ledger, task.id)
    return WorkReport(steps=done, executed=executed, answer=answer)


async def _mark(ledger: str, task_id: str, number: int, works_ms: int) -> int:
    """The side effect, under a key, as a payment with an idempotency key is made: executed again it changes nothing, and the
    line says so. Two tasks have two keys.
    """
    await asyncio.sleep(works_ms / 1000)
    if ledger:
        key = f"{task_id} {number} "
        again = " again" if Path(ledger).exists() and key in Path(ledger).read_text(encoding="utf-8") else ""  # noqa: ASYNC240
        # One write of one short line with O_APPEND is whole or absent, whoever else writes to the file.
        descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, f"{key}{time.monotonic():.6f}{again}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return number


def _count(ledger: str, task_id: str) -> int:
    if not ledger:
        return 0
    # The ledger may be that of a thousand tasks.
    return f"\n{Path(ledger).read_text(encoding='utf-8')}".count(f"\n{task_id} ")
