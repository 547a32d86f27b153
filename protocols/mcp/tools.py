"""The tools of a server: one per skill, named `{agent}_{skill}`, and the extra ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mcp.types as t
from pydantic import BaseModel, ValidationError

from ...agents.contract import Roster, Skill, invalid_input
from ...agents.errors import NotFound, UnknownAgent, UnknownSkill
from .extras import ExtraTool
from .listing import INPUT, is_object, listing


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
            raise NotFound(
                f"tool: {name!r} is not known; accepted: one of: " + ", ".join(self.extras), field="tool", value=name
            )
        raise UnknownAgent(name, sorted(self.roster))


def tool_table(roster: Roster, extras: Sequence[ExtraTool] = (), *, long_skills: bool = True) -> ToolTable:
    """The tools of these skills and extras; `long_skills=False` leaves the long ones out.

    Raises: ValueError when two tools would have one name.
    """
    chosen = {f"{skill.agent}_{skill.name}": skill for skill in roster.skills() if long_skills or not skill.long}
    listed = t.ListToolsResult.model_validate(listing(roster, extras, long_skills=long_skills), by_name=False)
    inputs = {name: skill.input for name, skill in chosen.items()} | {extra.name: extra.input for extra in extras}
    return ToolTable(
        roster=roster,
        skills=chosen,
        extras={extra.name: extra for extra in extras},
        listing=listed,
        schemas={tool.name: tool.input_schema for tool in listed.tools},
        wrapped=frozenset(name for name, model in inputs.items() if not is_object(model.model_json_schema())),
    )
