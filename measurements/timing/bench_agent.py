"""What every contender serves: a quick skill of some 200 bytes in and 450 out that computes next to nothing, alone (`one`), or
with 49 more beside it (`fifty`); `storing` has it as a task, too.
"""

from __future__ import annotations

from pydantic import BaseModel, Field

from ...agents import Agent, TaskContext


class Search(BaseModel):
    query: str = Field(max_length=200, description="what to look for")
    limit: int = Field(ge=1, le=100, description="how many hits, at most")
    threshold: float = Field(ge=0, le=1, description="the least score of a hit")
    tags: list[str] = Field(description="each must be on a hit")


class Hits(BaseModel):
    query: str = Field(description="what was looked for")
    total: int = Field(description="how many hits there are")
    titles: list[str] = Field(description="of the documents, the best first")
    scores: list[float] = Field(description="of each, 0 to 1")
    took_ms: float = Field(description="how long it took")


REQUEST = {
    "query": "which protocol should my agents speak, and what will it cost me",
    "limit": 6,
    "threshold": 0.25,
    "tags": ["protocols", "agents", "measured"],
}


TITLES = [f"document number {n} of the shelf that was searched" for n in range(100)]
SCORES = [1 - n / 16 for n in range(6)]


async def search(request: Search) -> Hits:
    """Finds documents."""
    return Hits(query=request.query, total=request.limit, titles=TITLES[: request.limit], scores=SCORES, took_ms=0.5)


async def archive(request: Search, task: TaskContext) -> Hits:
    """Finds documents, as a task."""
    return await search(request)


def _agent(count: int, *, stores: bool = False) -> Agent:
    agent = Agent("library", description="Finds documents.")
    agent.skill(search)
    if stores:
        agent.skill(archive)
    for n in range(1, count):

        async def another(request: Search) -> Hits:
            return await search(request)

        another.__name__, another.__doc__ = f"search_{n}", f"Finds documents of shelf {n}."
        agent.skill(another)
    return agent


one, fifty, storing = _agent(1), _agent(50), _agent(1, stores=True)
ANSWER = {"query": REQUEST["query"], "total": 6, "titles": TITLES[:6], "scores": SCORES, "took_ms": 0.5}
