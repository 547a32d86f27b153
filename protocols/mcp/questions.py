"""A task's question as MCP's elicitation: a form of primitive fields (2026-07-28, client/elicitation, "Requested schema")."""

from __future__ import annotations

from typing import Any

import mcp.types as t

from ...agents.events import OpenQuestion


def elicitation(question: OpenQuestion) -> t.ElicitRequest:
    return t.ElicitRequest(
        params=t.ElicitRequestFormParams(message=question.text, requested_schema=form(question.answer_schema))
    )


def form(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with only what elicitation allows: an optional field is its non-null alternative, a constant an enum."""
    properties = {name: _primitive(spec) for name, spec in schema.get("properties", {}).items()}
    if all(properties[name] is spec for name, spec in schema.get("properties", {}).items()):
        return schema
    return {**schema, "properties": properties}


def _primitive(spec: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in spec:
        kept = next((option for option in spec["anyOf"] if option.get("type") != "null"), {"type": "string"})
        rest = {name: value for name, value in spec.items() if name != "anyOf" and value is not None}
        return _primitive({**kept, **rest})
    if "const" in spec:
        return {**{name: value for name, value in spec.items() if name != "const"}, "enum": [spec["const"]]}
    return spec
