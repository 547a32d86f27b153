"""What a message asks for: a skill and its input, or the answer to a question."""

from __future__ import annotations

from typing import Any, cast

from a2a.types import Message

from ...agents.contract import Roster, Skill
from ...agents.errors import InvalidInput
from ...agents.events import OpenQuestion
from .card import IDEMPOTENCY_KEY, REQUEST_KEY, SKILL_KEY
from .json_values import from_value


def skill_and_input(roster: Roster, tenant: str, message: Message) -> tuple[Skill, Any]:
    """The skill that a message names and its raw input, in one of the forms that the card's extension declares. Text alone
    reaches a skill whose input is one string field.

    Raises: InvalidInput, UnknownAgent, UnknownSkill, each saying what is accepted.
    """
    data = _data(message)
    named = _text(message, SKILL_KEY)
    if named is None:
        named, data = _unwrapped(data)
    if named is None and tenant in roster and len(roster[tenant].skills) == 1:
        named = next(iter(roster[tenant].skills))
    if not isinstance(named, str):
        known = ", ".join(f"{skill.agent}.{skill.name}" for skill in roster.skills())
        raise InvalidInput("skill", named, f'accepted: a data part {{"skill": ID, "input": OBJECT}} with one of: {known}')
    skill = _find(roster, tenant, named)
    return skill, _as_text(message, skill.input_schema) or {} if data is None else data


def idempotency_key(message: Message) -> str | None:
    """Raises: InvalidInput when it is not a text."""
    return _text(message, IDEMPOTENCY_KEY)


def answered_request(message: Message) -> str | None:
    """The question that a message says it answers. Raises: InvalidInput when it is not a text."""
    return _text(message, REQUEST_KEY)


def answer(message: Message, question: OpenQuestion | None) -> Any:
    """The answer that a message holds: its data part, or its text where the answer has exactly one string field.

    Raises: InvalidInput when it has neither.
    """
    data = _data(message)
    if data is None and question is not None:
        data = _as_text(message, question.answer_schema)
    if data is None:
        fields = ", ".join(question.answer_schema.get("properties", {})) if question else ""
        raise InvalidInput("answer", _words(message), f"accepted: a data part with an object of: {fields}")
    return data


def _find(roster: Roster, tenant: str, named: str) -> Skill:
    if tenant:
        return roster.skill(tenant, named.removeprefix(f"{tenant}."))
    agent, dot, skill = named.partition(".")
    if dot:
        if agent not in roster:
            agent, _, skill = named.rpartition(".")
        return roster.skill(agent, skill)
    found = [skill for skill in roster.skills() if skill.name == named]
    if len(found) == 1:
        return found[0]
    if not found and len(roster) == 1:
        return roster.skill(next(iter(roster)), named)
    names = [f"{skill.agent}.{skill.name}" for skill in found or roster.skills()]
    raise InvalidInput("skill", named, "accepted: one of: " + ", ".join(names))


def _unwrapped(data: Any) -> tuple[Any, Any]:
    """The skill that a data part names and its input; or None and the part itself."""
    if not isinstance(data, dict) or "skill" not in data:
        return None, cast(Any, data)
    request = cast("dict[str, Any]", data)
    return request["skill"], request.get("input", {})


def _data(message: Message) -> Any:
    return next((from_value(part.data) for part in message.parts if part.HasField("data")), None)


def _words(message: Message) -> str:
    return "\n".join(part.text for part in message.parts if part.HasField("text"))


def _as_text(message: Message, schema: dict[str, Any]) -> dict[str, str] | None:
    properties: dict[str, Any] = schema.get("properties", {})
    name = next(iter(properties), "")
    if (
        len(properties) != 1
        or properties[name].get("type") != "string"
        or not any(part.HasField("text") for part in message.parts)
    ):
        return None
    return {name: _words(message)}


def _text(message: Message, key: str) -> str | None:
    if key not in message.metadata.fields:
        return None
    value = from_value(message.metadata.fields[key])
    if not isinstance(value, str):
        raise InvalidInput(key, value, "accepted: a text, as message metadata")
    return value
