"""The agent of the distributed benchmark: one task of one step, which does next to nothing."""

from __future__ import annotations

from ...agents.contract import Agent, TaskContext

agent = Agent("bench", description="One step, and an answer.")


@agent.skill
async def step(text: str, task: TaskContext) -> str:
    return await task.step("once", str.upper, text)
