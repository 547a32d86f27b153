"""The SDK's own client, with nothing of ours: what ours is compared with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.conformance.client_steps import Asked, elicited, run


class Sdk:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> Mapping[str, dict[str, Any]]:
        return {tool.name: tool.input_schema for tool in (await self._client.list_tools()).tools}

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        return await self._client.call_tool(tool, arguments)


@asynccontextmanager
async def opened(asked: Asked) -> AsyncGenerator[Sdk]:
    mode = "legacy" if asked.legacy else "2026-07-28"
    async with httpx2.AsyncClient(auth=asked.auth, timeout=30, follow_redirects=True) as http:
        transport = streamable_http_client(asked.url, http_client=http)
        async with Client(transport, mode=mode, elicitation_callback=elicited) as client:
            yield Sdk(client)


if __name__ == "__main__":
    run(opened)
