"""The client half of `stock-fastmcp`: that of MCP 2026-07-28, where a long skill lasts as long as its call."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import mcp.types as t

from ...agents.events import Artifact, ArtifactEmitted, Event, Progress, StateChanged, Task, TaskState, TextPart
from ..client import AgentInfo, ClientSettings, NotOffered
from ..mcp.client import McpClient, McpOptions, connect_http
from ..mcp.content import value_of
from ..mcp.failures import from_result
from ..mcp.quick import PING_S
from ..mcp.silence import heard

NO_TASKS = "FastMCP's default is one tools/call for a long skill, which has no id: its tasks are an extra (fastmcp[tasks])"


class FastMcpClient:
    def __init__(self, mcp: McpClient, silence_limit_s: float | None) -> None:
        self._mcp, self._silence_limit_s = mcp, silence_limit_s

    async def discover(self) -> tuple[AgentInfo, ...]:
        return await self._mcp.discover()

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        return await self._mcp.call(agent, skill, request)

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        """The progress of the call, then its artifacts and its end. No event tells an id: there is none."""
        if key is not None:
            raise NotOffered(NO_TASKS)
        told: asyncio.Queue[Progress | None] = asyncio.Queue()

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            told.put_nowait(Progress(done=progress, total=total, text=message or ""))

        # Its answer comes when the work is done: the session's timeout is for answers.
        asked = self._mcp.connection.client.call_tool(f"{agent}_{skill}", dict(request), math.inf, progress_callback=hear)
        calling = asyncio.create_task(self._mcp.connection.ask(asked))
        calling.add_done_callback(lambda _: told.put_nowait(None))
        try:
            # A silent call cannot be followed anew: its connection is its work. Its server is asked whether it lives.
            while (body := await heard(told, self._silence_limit_s, self._mcp.discover)) is not None:
                yield Event(seq=0, body=body)
            result = calling.result()
        finally:
            calling.cancel()
            await asyncio.wait([calling])
        if result.is_error:
            raise from_result(result)
        for artifact in _artifacts(result):
            yield Event(seq=0, body=ArtifactEmitted(artifact=artifact))
        yield Event(seq=0, body=StateChanged(state=TaskState.COMPLETED, result=value_of(result)))

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        raise NotOffered(NO_TASKS)

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        raise NotOffered(NO_TASKS)
        yield

    async def get(self, task_id: str) -> Task:
        raise NotOffered(NO_TASKS)

    async def wait(self, task_id: str) -> Task:
        raise NotOffered(NO_TASKS)

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        raise NotOffered(NO_TASKS)

    async def cancel(self, task_id: str) -> None:
        raise NotOffered(NO_TASKS)


def _artifacts(result: t.CallToolResult) -> list[Artifact]:
    held = [block.resource for block in result.content if isinstance(block, t.EmbeddedResource)]
    return [
        Artifact(name=each.uri.removeprefix("artifact:"), parts=(TextPart(text=each.text),))
        for each in held
        if isinstance(each, t.TextResourceContents)
    ]


@asynccontextmanager
async def connect(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[FastMcpClient]:
    """Raises: as MCP's."""
    # Two pings: the server that lives may have lost this stream.
    limited = None if settings.silence_limit_s is None else 2 * PING_S
    async with connect_http(url, settings, McpOptions(quiet_limit_s=limited)) as client:
        yield FastMcpClient(client, settings.silence_limit_s)
