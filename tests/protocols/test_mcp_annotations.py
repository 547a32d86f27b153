"""The hints of MCP's ToolAnnotations say what the skill's author promised, and nothing that nobody promised."""

from pydantic import BaseModel
from sametask.agents import Agent, Roster
from sametask.agents.team import team
from sametask.protocols.mcp.tools import tool_table


class Word(BaseModel):
    text: str


def annotations(roster):
    return {tool.name: tool.annotations for tool in tool_table(roster).listing.tools}


def test_the_bundled_skills_are_read_only():
    assert {name for name, hints in annotations(team()).items() if not hints.read_only_hint} == set()


def test_a_skill_without_the_promise_is_left_to_the_careful_defaults():
    agent = Agent("writer", description="")

    @agent.skill
    async def write(request: Word) -> Word:
        return request

    (hints,) = annotations(Roster([agent])).values()
    assert hints.model_dump(by_alias=True, exclude_none=True) == {"readOnlyHint": False}
