"""The catalogue of agents as resources, and how any resource is listed and read."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import mcp.types as t
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from ...agents.contract import Agent, Roster
from ...agents.errors import NotFound, SametaskError, UnknownAgent
from .extras import ExtraResource
from .failures import protocol_error

_NAME = re.compile(r"\{(\w+)\}")


def catalogue(roster: Roster) -> list[ExtraResource]:
    """`sametask://agents`: every agent with its skills' descriptions; `sametask://agents/{name}`: one with full schemas."""

    async def all_agents(_: Mapping[str, str]) -> str:
        return json.dumps({"agents": [_described(agent, schemas=False) for agent in roster.values()]})

    async def one_agent(values: Mapping[str, str]) -> str:
        if (agent := roster.get(values["name"])) is None:
            raise UnknownAgent(values["name"], sorted(roster))
        return json.dumps(_described(agent, schemas=True))

    return [
        ExtraResource("sametask://agents", "agents", "The agents that are served here, and their skills", all_agents),
        ExtraResource("sametask://agents/{name}", "agent", "One agent, with the JSON Schemas of its skills", one_agent),
    ]


def _described(agent: Agent, *, schemas: bool) -> dict[str, Any]:
    skills = [
        {"name": skill.name, "description": skill.description, "long": skill.long}
        | ({"input_schema": skill.input_schema, "output_schema": skill.output_schema} if schemas else {})
        for skill in agent.skills.values()
    ]
    return {"name": agent.name, "description": agent.description, "version": agent.version, "skills": skills}


class Resources:
    """Handlers of resources/list, resources/templates/list and resources/read."""

    def __init__(self, resources: Sequence[ExtraResource]) -> None:
        self._patterns = [(_pattern(resource.uri), resource) for resource in resources]
        self._fixed = [
            t.Resource(uri=r.uri, name=r.name, title=r.title or None, description=r.description, mime_type=r.media_type)
            for r in resources
            if not _NAME.search(r.uri)
        ]
        self._templates = [
            t.ResourceTemplate(
                uri_template=r.uri, name=r.name, title=r.title or None, description=r.description, mime_type=r.media_type
            )
            for r in resources
            if _NAME.search(r.uri)
        ]

    async def list(self, ctx: ServerRequestContext[Any, Any], params: t.PaginatedRequestParams | None) -> t.ListResourcesResult:
        return t.ListResourcesResult(resources=self._fixed)

    async def list_templates(
        self, ctx: ServerRequestContext[Any, Any], params: t.PaginatedRequestParams | None
    ) -> t.ListResourceTemplatesResult:
        return t.ListResourceTemplatesResult(resource_templates=self._templates)

    async def read(self, ctx: ServerRequestContext[Any, Any], params: t.ReadResourceRequestParams) -> t.ReadResourceResult:
        for pattern, resource in self._patterns:
            if (match := pattern.fullmatch(params.uri)) is not None:
                values = {name: unquote(value) for name, value in match.groupdict().items()}
                try:
                    content = await resource.read(values)
                except NotFound as error:
                    raise _not_found(params.uri, error) from None
                except SametaskError as error:
                    raise protocol_error(error) from None
                return t.ReadResourceResult(contents=[_contents(params.uri, resource.media_type, content)])
        accepted = ", ".join(resource.uri for _, resource in self._patterns)
        error = NotFound(f"uri: {params.uri!r} is not known; accepted: one of: {accepted}", field="uri", value=params.uri)
        raise _not_found(params.uri, error)


def _not_found(uri: str, error: SametaskError) -> MCPError:
    # SEP-2164: -32602, with the uri in `data`.
    known = protocol_error(error)
    return MCPError(t.INVALID_PARAMS, known.message, {**known.data, "uri": uri})


def _contents(uri: str, media_type: str, content: str | bytes) -> t.TextResourceContents | t.BlobResourceContents:
    if isinstance(content, str):
        return t.TextResourceContents(uri=uri, mime_type=media_type, text=content)
    return t.BlobResourceContents(uri=uri, mime_type=media_type, blob=base64.b64encode(content).decode())


def _pattern(uri: str) -> re.Pattern[str]:
    pieces = _NAME.split(uri)  # literal, name, literal, name, ...
    return re.compile("".join(f"(?P<{piece}>[^/]+)" if i % 2 else re.escape(piece) for i, piece in enumerate(pieces)))
