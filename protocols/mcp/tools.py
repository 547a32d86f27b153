"""The tools of a server: one per skill, named `{agent}_{skill}`, and the extra ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import mcp.types as t
from pydantic import BaseModel, ValidationError

from ...agents.contract import Roster, Skill, invalid_input
from ...agents.errors import NotFound, UnknownAgent, UnknownSkill
from .content import WRAPPED
from .extras import ExtraTool
from .wire import AGENTS, SKILL

if TYPE_CHECKING:
    from .natives import NativeTool

INPUT = "input"


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


def tool_name(skill: Skill) -> str:
    return f"{skill.agent}_{skill.name}"


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
    skills: dict[str, Skill] = {}
    tools: list[t.Tool] = []
    owners: dict[str, str] = {}
    for skill in roster.skills():
        if long_skills or not skill.long:
            name = named(skill)
            _claim(owners, name, f"the skill {skill.agent}.{skill.name}")
            skills[name] = skill
            tools.append(_skill_tool(name, skill))
    for extra in extras:
        _claim(owners, extra.name, f"the tool {extra.name}")
        tools.append(_extra_tool(extra))
    for native in natives:
        _claim(owners, native.tool.name, f"the tool {native.tool.name}")
        tools.append(native.tool)
    inputs = {name: skill.input for name, skill in skills.items()} | {extra.name: extra.input for extra in extras}
    agents = [{"name": a.name, "description": a.description, "version": a.version} for a in roster.values()]
    return ToolTable(
        roster=roster,
        skills=skills,
        extras={extra.name: extra for extra in extras},
        listing=t.ListToolsResult(tools=tools, _meta={AGENTS: agents}),
        schemas={tool.name: tool.input_schema for tool in tools},
        natives={native.tool.name: native for native in natives},
        needs_tasks=frozenset([*needs_tasks, *(native.tool.name for native in natives if native.needs_tasks)]),
        wrapped=frozenset(name for name, model in inputs.items() if not _is_object(model.model_json_schema())),
    )


def _claim(owners: dict[str, str], name: str, owner: str) -> None:
    if name in owners:
        raise ValueError(f"tool name: {name!r} would be both {owners[name]} and {owner}; rename one of them")
    owners[name] = owner


def _skill_tool(name: str, skill: Skill) -> t.Tool:
    words = skill.name.replace("_", " ")
    return t.Tool(
        name=name,
        title=f"{skill.agent}: {words}",
        description=skill.description,
        input_schema=object_schema(skill.input_schema, INPUT),
        output_schema=object_schema(skill.output_schema, WRAPPED),
        # What a skill without the promise does is not known, and then the hints' own defaults are the careful ones.
        annotations=t.ToolAnnotations(read_only_hint=skill.read_only, open_world_hint=False if skill.read_only else None),
        _meta={SKILL: {"agent": skill.agent, "skill": skill.name, "long": skill.long}},
    )


def _extra_tool(tool: ExtraTool) -> t.Tool:
    output = None if tool.output is None else tool.output.model_json_schema(mode="serialization")
    return t.Tool(
        name=tool.name,
        title=tool.title or tool.name.replace("_", " "),
        description=tool.description,
        input_schema=object_schema(tool.input.model_json_schema(), INPUT),
        output_schema=None if output is None else object_schema(output, WRAPPED),
        annotations=t.ToolAnnotations(
            read_only_hint=tool.read_only,
            idempotent_hint=None if tool.read_only else tool.idempotent,
            destructive_hint=None if tool.read_only else tool.destructive,
        ),
    )


def object_schema(schema: dict[str, Any], field_name: str) -> dict[str, Any]:
    """The schema itself where its root is an object, as tools require; else an object that holds the value in one field."""
    if schema.get("type") == "object":
        return schema
    if _is_object(schema):
        return {"type": "object", **schema}
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    wrapped: dict[str, Any] = {"type": "object", "properties": {field_name: inner}, "required": [field_name]}
    return {**wrapped, "$defs": schema["$defs"]} if "$defs" in schema else wrapped


def _is_object(schema: dict[str, Any]) -> bool:
    if "$ref" in schema:
        # A recursive model: its root refers to its own definition.
        target = cast(dict[str, Any], schema.get("$defs", {})).get(str(schema["$ref"]).rpartition("/")[2], {})
        return target.get("type") == "object"
    return schema.get("type") == "object"
