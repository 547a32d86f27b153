"""Our client half, asked for the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sametask.protocols.client import ClientSettings
from sametask.protocols.mcp import client, client_2025
from sametask.protocols.mcp.client import McpClient, McpOptions

from tests.conformance.client_steps import Asked, elicited, run


class Ours:
    def __init__(self, client: McpClient) -> None:
        self._client = client

    async def tools(self) -> Mapping[str, dict[str, Any]]:
        return {skill.name: skill.input_schema for agent in await self._client.discover() for skill in agent.skills}

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        return await self._client.call("", tool, arguments)


@asynccontextmanager
async def opened(asked: Asked) -> AsyncGenerator[Ours]:
    connect = client_2025.connect_http if asked.legacy else client.connect_http
    options = McpOptions(auth=asked.auth, elicitation=elicited)
    async with connect(asked.url, ClientSettings(request_timeout_s=30), options) as connected:
        yield Ours(connected)


if __name__ == "__main__":
    run(opened)
