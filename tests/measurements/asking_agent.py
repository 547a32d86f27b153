"""A user's own agent with a case of every kind."""

from pydantic import BaseModel
from sametask.agents import Agent, Question, TaskContext

agent = Agent("asker", description="asks before it adds")
other = Agent("other", description="another one")


class Yes(BaseModel):
    sure: bool


@agent.skill
@other.skill
def add(a: int, b: int = 1) -> int:
    return a + b


@agent.skill
async def add_slowly(a: int, b: int, task: TaskContext, ask: bool = False) -> int:
    if ask and not (await task.ask(Question("Sure?", Yes))).sure:
        return 0
    await task.progress(1, 1)
    return a + b
