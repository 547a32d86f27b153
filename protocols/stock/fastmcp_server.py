"""MCP as FastMCP has it by default: one tool per skill, a long one awaited within its call."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

import anyio
import mcp.types as t
import pydantic_core
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.dependencies import get_context
from fastmcp.tools import ToolResult

from ...agents.contract import Origin, Skill
from ...agents.engine import TaskEngine
from ...agents.events import Artifact, Progress, TaskState, TextPart
from ..listening import bind_socket, listen_http
from ..mcp.questions import elicitation
from ..variants import Bind, Endpoint
from .running import Running


def tool(skill: Skill, asking: dict[str, Running]) -> Any:
    """The function that a team would write for a skill: `async def plan(layers: int, ...) -> Plan`."""

    async def quick(**arguments: Any) -> Any:
        return await skill.function(skill.input(**arguments))

    async def long(**arguments: Any) -> ToolResult | t.InputRequiredResult:
        context = get_context()
        answers = cast("dict[str, t.ElicitResult]", context.input_responses or {})
        if context.request_state in asking:
            running = asking.pop(context.request_state)
        else:
            running = Running(skill, skill.input(**arguments), Origin("stock-fastmcp"))
        after = len(running.events)
        try:
            for request_id, response in answers.items():
                running.answer(request_id, response.content)
            async for event in running.follow(after):
                if isinstance(event.body, Progress):
                    await context.report_progress(event.body.done, event.body.total, event.body.text or None)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await running.end()  # nobody else knows the run: its caller has left, or answered wrongly
            raise
        task = running.task
        if task.question is not None:
            asking[running.id] = running
            asked: dict[str, t.InputRequest] = {task.question.request_id: elicitation(task.question)}
            return t.InputRequiredResult(input_requests=asked, request_state=running.id)
        if task.state is not TaskState.COMPLETED:
            raise ToolError(task.error.message if task.error else f"the work was {task.state}")
        text = t.TextContent(type="text", text=pydantic_core.to_json(task.result).decode())
        return ToolResult([text, *(_block(artifact) for artifact in task.artifacts)], task.result)

    function: Any = long if skill.long else quick
    fields = skill.input.model_fields.items()
    function.__name__, function.__doc__ = f"{skill.agent}_{skill.name}", skill.description
    function.__annotations__ = {name: Annotated[field.annotation, field] for name, field in fields} | {"return": skill.output}
    function.__signature__ = inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True),
                annotation=function.__annotations__[name],
            )
            for name, field in fields
        ],
        return_annotation=skill.output,
    )
    return function


def _block(artifact: Artifact) -> t.EmbeddedResource:
    text = "".join(part.text if isinstance(part, TextPart) else part.model_dump_json() for part in artifact.parts)
    return t.EmbeddedResource(
        type="resource", resource=t.TextResourceContents(uri=f"artifact:{artifact.name}", mime_type="text/plain", text=text)
    )


@asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """Serve the engine's roster, without the engine. Raises: Unavailable when the port cannot be bound."""
    logging.getLogger("fastmcp").setLevel(logging.CRITICAL)  # it logs every refused call on stderr, some with a traceback
    server: FastMCP[Any] = FastMCP("agents")
    asking: dict[str, Running] = {}
    for skill in engine.roster.skills():
        server.tool(tool(skill, asking))
    async with listen_http(server.http_app(), bind_socket(bind)) as address:
        try:
            yield Endpoint(f"http://{address}/mcp", {"http": address})
        finally:
            for running in [*asking.values()]:
                await running.end()
