"""The tools of a server: one per skill, named `{agent}_{skill}`, and the extra ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mcp.types as t
from pydantic import BaseModel, ValidationError

from ...agents.contract import Roster, Skill, invalid_input
from ...agents.errors import NotFound, UnknownAgent, UnknownSkill
from .extras import ExtraTool
from .listing import INPUT, claim, is_object, listing, tool_name

if TYPE_CHECKING:
    from .natives import NativeTool


@dataclass(frozen=True)
class ToolTable:
    """Every tool by name, and the one answer to tools/list."""

    roster: Roster
    skills: Mapping[str, Skill]
    extras: Mapping[str, ExtraTool]
    listing: t.ListToolsResult
    schemas: Mapping[str, dict[str, Any]]
    wrapped: frozenset[str]
    """The tools whose input is not an object, so that it travels in the field `input`."""
    natives: Mapping[str, NativeTool]
    needs_tasks: frozenset[str]
    """The tools that are refused to a client which does not declare the tasks extension."""

    def parse(self, name: str, arguments: Mapping[str, Any] | None) -> BaseModel:
        """The validated input of a tool. Raises: InvalidInput."""
        data: Any = arguments or {}
        if name in self.wrapped:
            data = data.get(INPUT)
        if (skill := self.skills.get(name)) is not None:
            return skill.parse(data)
        try:
            return self.extras[name].input.model_validate(data)
        except ValidationError as error:
            raise invalid_input(error) from None

    def skill(self, name: str) -> Skill:
        """The skill of that tool.

        Raises: UnknownAgent, or UnknownSkill where the name begins with an agent's.
        """
        if (found := self.skills.get(name)) is not None:
            return found
        for agent in sorted(self.roster, key=len, reverse=True):
            if name.startswith(f"{agent}_"):
                raise UnknownSkill(agent, name[len(agent) + 1 :], sorted(self.roster[agent].skills))
        if not self.roster:
            known = ", ".join([*self.extras, *self.natives])
            raise NotFound(f"tool: {name!r} is not known; accepted: one of: {known}", field="tool", value=name)
        raise UnknownAgent(name, sorted(self.roster))


def tool_table(
    roster: Roster,
    extras: Sequence[ExtraTool] = (),
    natives: Sequence[NativeTool] = (),
    *,
    long_skills: bool = True,
    named: Callable[[Skill], str] = tool_name,
    needs_tasks: Collection[str] = (),
) -> ToolTable:
    """The tools of these skills, extras and natives; `long_skills=False` leaves the long ones out. `named` gives a skill's tool
    its name, and `needs_tasks` names those long ones that are tasks or nothing.

    Raises: ValueError when two tools would have one name.
    """
    chosen = {named(skill): skill for skill in roster.skills() if long_skills or not skill.long}
    told = listing(roster, extras, long_skills=long_skills, named=named)
    owners = {tool["name"]: f"the tool {tool['name']}" for tool in told["tools"]}
    for native in natives:
        claim(owners, native.tool.name, f"the tool {native.tool.name} that answers by itself")
    listed = t.ListToolsResult.model_validate(told, by_name=False)
    listed.tools.extend(native.tool for native in natives)
    inputs = {name: skill.input for name, skill in chosen.items()} | {extra.name: extra.input for extra in extras}
    return ToolTable(
        roster=roster,
        skills=chosen,
        extras={extra.name: extra for extra in extras},
        listing=listed,
        schemas={tool.name: tool.input_schema for tool in listed.tools},
        natives={native.tool.name: native for native in natives},
        needs_tasks=frozenset([*needs_tasks, *(native.tool.name for native in natives if native.needs_tasks)]),
        wrapped=frozenset(name for name, model in inputs.items() if not is_object(model.model_json_schema())),
    )
