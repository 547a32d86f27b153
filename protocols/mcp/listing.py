"""What tools/list tells, as JSON: it is told before the SDK is imported too, see `first_answer`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, cast

from pydantic import BaseModel

from ...agents.contract import Roster, Skill
from .extras import ExtraTool

LIST_TTL_MS: Final = 60_000
AGENTS: Final = "sametask/agents"
"""A key of ours in the `_meta` of tools/list: `[{"name", "description", "version"}]`."""
SKILL: Final = "sametask/skill"
"""A key of ours in the `_meta` of a tool: `{"agent", "skill", "long"}`."""
INPUT: Final = "input"
"""The field that holds an input which is not an object."""
WRAPPED: Final = "result"
"""The field that holds a value which is not an object: until 2025-11-25 structured content has to be one."""


def tool_name(skill: Skill) -> str:
    """What a skill's tool is called, unless its server says otherwise."""
    return f"{skill.agent}_{skill.name}"


def listing(
    roster: Roster,
    extras: Sequence[ExtraTool] = (),
    *,
    long_skills: bool = True,
    named: Callable[[Skill], str] = tool_name,
) -> dict[str, Any]:
    """Shape: `{"tools", "_meta"}` of a ListToolsResult. `long_skills=False` leaves the long ones out, `named` gives a skill's
    tool its name.

    Raises: ValueError when two tools would have one name.
    """
    output_schema = cache(_output_schema)  # one model may be the output of many tools
    tools: list[dict[str, Any]] = []
    owners: dict[str, str] = {}
    for skill in roster.skills():
        if long_skills or not skill.long:
            name = named(skill)
            claim(owners, name, f"the skill {skill.agent}.{skill.name}")
            tools.append(_skill_tool(name, skill))
    for extra in extras:
        claim(owners, extra.name, f"the tool {extra.name}")
        tools.append(_extra_tool(extra, output_schema))
    agents = [{"name": a.name, "description": a.description, "version": a.version} for a in roster.values()]
    return {"tools": tools, "_meta": {AGENTS: agents}}


def claim(owners: dict[str, str], name: str, owner: str) -> None:
    """Take a name for a tool. Raises: ValueError when another has it."""
    if name in owners:
        raise ValueError(f"tool name: {name!r} would be both {owners[name]} and {owner}; rename one of them")
    owners[name] = owner


def _skill_tool(name: str, skill: Skill) -> dict[str, Any]:
    words = skill.name.replace("_", " ")
    return {
        "name": name,
        "title": f"{skill.agent}: {words}",
        "description": skill.description,
        "inputSchema": object_schema(skill.input_schema, INPUT),
        "outputSchema": object_schema(skill.output_schema, WRAPPED),
        # What a skill without the promise does is not known, and then the hints' own defaults are the careful ones.
        "annotations": {"readOnlyHint": skill.read_only} | ({"openWorldHint": False} if skill.read_only else {}),
        "_meta": {SKILL: {"agent": skill.agent, "skill": skill.name, "long": skill.long}},
    }


def _extra_tool(tool: ExtraTool, output_schema: Callable[[type[BaseModel]], dict[str, Any]]) -> dict[str, Any]:
    hints = {} if tool.read_only else {"idempotentHint": tool.idempotent, "destructiveHint": tool.destructive}
    return {
        "name": tool.name,
        "title": tool.title or tool.name.replace("_", " "),
        "description": tool.description,
        "inputSchema": object_schema(tool.input.model_json_schema(), INPUT),
        **({} if tool.output is None else {"outputSchema": output_schema(tool.output)}),
        "annotations": {"readOnlyHint": tool.read_only, **hints},
    }


def _output_schema(model: type[BaseModel]) -> dict[str, Any]:
    return object_schema(model.model_json_schema(mode="serialization"), WRAPPED)


def object_schema(schema: dict[str, Any], field_name: str) -> dict[str, Any]:
    """The schema itself where its root is an object, as tools require; else an object that holds the value in one field."""
    if schema.get("type") == "object":
        return schema
    if is_object(schema):
        return {"type": "object", **schema}
    inner = {name: value for name, value in schema.items() if name != "$defs"}
    wrapped: dict[str, Any] = {"type": "object", "properties": {field_name: inner}, "required": [field_name]}
    return {**wrapped, "$defs": schema["$defs"]} if "$defs" in schema else wrapped


def is_object(schema: dict[str, Any]) -> bool:
    if "$ref" in schema:
        # A recursive model: its root refers to its own definition.
        target = cast(dict[str, Any], schema.get("$defs", {})).get(str(schema["$ref"]).rpartition("/")[2], {})
        return target.get("type") == "object"
    return schema.get("type") == "object"
