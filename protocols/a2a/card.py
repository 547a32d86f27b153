"""Agent cards: what a server offers (A2A 1.0 section 4.4), for all agents together and for each of them.

A2A describes a skill in words. The schemas of inputs and outputs, and how a skill is named in a message, are declared by an
extension of ours, so that discovery is as full as over every other protocol. A schema travels as JSON text: an extension's
parameters are a protobuf Struct, whose numbers are doubles and whose fields have no order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, cast

from a2a.types import AgentCapabilities, AgentCard, AgentExtension, AgentInterface, AgentSkill

from ...agents.contract import Agent, Roster
from ..client import AgentInfo, SkillInfo
from .json_values import from_struct, to_struct
from .resume import declaration

SKILLS_EXTENSION = "urn:sametask:a2a:skills:1"
SKILL_KEY = "sametask/skill"
REQUEST_KEY = "sametask/request-id"
IDEMPOTENCY_KEY = "sametask/idempotency-key"
PROGRESS_KEY = "sametask/progress"

PROTOCOL_VERSION = "1.0"

_USAGE = {
    "request": 'a data part {"skill": ID, "input": OBJECT}; or message metadata "sametask/skill", the input as data part',
    "answer": 'a message with the taskId, the answer as data part; message metadata "sametask/request-id" names the question',
    "idempotency": 'message metadata "sametask/idempotency-key": the same key, skill and input give the same task',
    "signatures": 'push notifications with the authentication scheme "StandardWebhooks" are signed with its whsec_ credentials',
    "progress": 'message metadata "sametask/progress" of a working status: {"done", "total", "text"}',
}


def root_card(roster: Roster, interfaces: Sequence[AgentInterface]) -> AgentCard:
    """The card of all agents; a skill's id is `agent.skill`."""
    agents = list(roster.values())
    if len(agents) == 1:
        return _card(agents[0].name, agents[0].description, agents[0].version, agents, interfaces)
    description = "Agents served together: " + ", ".join(agent.name for agent in agents)
    return _card("sametask", description, "1", agents, interfaces)


def agent_card(agent: Agent, interfaces: Iterable[AgentInterface]) -> AgentCard:
    """The card of one agent, which its interfaces name as their tenant (A2A 1.0 section 4.4.6)."""
    own: list[AgentInterface] = []
    for interface in interfaces:
        copy = AgentInterface()
        copy.CopyFrom(interface)
        copy.tenant = agent.name
        own.append(copy)
    return _card(agent.name, agent.description, agent.version, [agent], own)


def agents_of(card: AgentCard) -> tuple[AgentInfo, ...]:
    """What a card offers. A card without our extension is one agent, whose skills have no schemas."""
    described = {skill.id: skill.description for skill in card.skills}
    for extension in card.capabilities.extensions:
        if extension.uri == SKILLS_EXTENSION:
            return tuple(_agent_info(agent, described) for agent in from_struct(extension.params)["agents"])
    skills = tuple(SkillInfo(skill.id, skill.description, True, {}, {}) for skill in card.skills)
    return (AgentInfo(card.name, card.description, card.version, skills),)


def _agent_info(agent: dict[str, Any], described: dict[str, str]) -> AgentInfo:
    skills = (
        SkillInfo(s["name"], described.get(s["id"], ""), s["long"], json.loads(s["inputSchema"]), json.loads(s["outputSchema"]))
        for s in cast("list[dict[str, Any]]", agent["skills"])
    )
    return AgentInfo(agent["name"], agent["description"], agent["version"], tuple(skills))


def _card(
    name: str, description: str, version: str, agents: Sequence[Agent], interfaces: Iterable[AgentInterface]
) -> AgentCard:
    skills = [
        AgentSkill(
            id=f"{agent.name}.{skill.name}",
            name=skill.name,
            description=skill.description,
            tags=[agent.name, "task" if skill.long else "message"],
        )
        for agent in agents
        for skill in agent.skills.values()
    ]
    return AgentCard(
        name=name,
        description=description,
        version=version,
        supported_interfaces=interfaces,
        capabilities=AgentCapabilities(streaming=True, push_notifications=True, extensions=[_extension(agents), declaration()]),
        default_input_modes=["application/json", "text/plain"],
        default_output_modes=["application/json"],
        skills=skills,
    )


def _extension(agents: Sequence[Agent]) -> AgentExtension:
    params = {
        "usage": _USAGE,
        "agents": [
            {
                "name": agent.name,
                "description": agent.description,
                "version": agent.version,
                "skills": [
                    {
                        "id": f"{agent.name}.{skill.name}",
                        "name": skill.name,
                        "long": skill.long,
                        "inputSchema": json.dumps(skill.input_schema, separators=(",", ":")),
                        "outputSchema": json.dumps(skill.output_schema, separators=(",", ":")),
                    }
                    for skill in agent.skills.values()
                ],
            }
            for agent in agents
        ],
    }
    return AgentExtension(
        uri=SKILLS_EXTENSION,
        description="Skills by name, with JSON Schemas of their inputs and outputs; idempotency keys; progress as numbers",
        params=to_struct(params),
    )
