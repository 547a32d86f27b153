"""Tools written in MCP's own types, for what a skill cannot say: pictures and sound, sampling, roots, questions before a task.

::

    async def poster(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
        return t.CallToolResult(content=[t.ImageContent(data=await render(params.arguments), mime_type="image/png")])

    NativeTool(t.Tool(name="poster", description="Renders a poster", input_schema={"type": "object"}), poster)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import mcp.types as t
from mcp.server.context import HandlerResult, ServerRequestContext

from .tasks import TasksExtension

Context = ServerRequestContext[Any, Any]


class NativeCall(Protocol):
    """Answers a call with a result of MCP's, or asks first with an `InputRequiredResult`; `tasks.begin` makes a task of a long
    skill and answers with that. What it raises is the tool's error, but for an MCPError, which is the call's.
    """

    async def __call__(self, ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult: ...


@dataclass(frozen=True)
class NativeTool:
    """A tool and what answers its calls. `needs_tasks`: a client that does not declare the tasks extension is refused."""

    tool: t.Tool
    call: NativeCall
    needs_tasks: bool = False
