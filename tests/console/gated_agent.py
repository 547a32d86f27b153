"""The probe's own messages, so that a protocol with compiled ones serves it too, and work that waits to be let go: at each gate
no step is running, so that whoever kills the server there knows what has been done, and how often.
"""

import asyncio
import os
from pathlib import Path

from sametask.agents import Agent, Question, TaskContext
from sametask.measurements.probe import Decision, WorkReport, WorkRequest

agent = Agent("probe", description="Waits at a gate before each step.", version="1")


@agent.skill
async def work(request: WorkRequest, task: TaskContext) -> WorkReport:
    """Do the steps one by one, each once the file LEDGER.N is there, and ask before the last."""
    ledger, answer = Path(request.ledger), ""
    for number in range(1, request.steps + 1):
        if request.ask and number == request.steps:
            answer = (await task.ask(Question("Do the last one, too?", Decision))).choice
        _append(ledger.with_suffix(".waiting"), f"{number} {os.getpid()}")
        while not Path(f"{ledger}.{number}").exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.01)
        await task.step(f"deed-{number}", _append, ledger, str(number))
        await task.progress(number, request.steps)
    return WorkReport(steps=request.steps, executed=len(ledger.read_text().splitlines()), answer=answer)  # noqa: ASYNC240


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")
