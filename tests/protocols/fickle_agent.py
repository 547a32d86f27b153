"""An agent that refuses what its own schema allows: schemathesis must notice."""

from __future__ import annotations

from pydantic import BaseModel, Field
from sametask.agents import Agent
from sametask.agents.errors import InvalidInput

agent = Agent("fickle", description="refuses what its schema allows")


class Number(BaseModel):
    number: int = Field(ge=0, le=1000)


@agent.skill
async def like(request: Number) -> Number:
    if request.number > 1:
        raise InvalidInput("number", request.number, "0 or 1, which the schema does not say")
    return request
