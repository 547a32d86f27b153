"""The server half: the SDK's low-level server over the task engine, on Streamable HTTP and on stdio.

One endpoint speaks 2026-07-28 and 2025-11-25: the SDK routes each request by its header, stdio by its first request.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import anyio
import mcp.types as t
from mcp.server.caching import CacheHint
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.extension import compose_tool_call_handler
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from opentelemetry import trace
from pydantic import BaseModel
from starlette.types import ASGIApp

from ...agents.contract import Skill
from ...agents.engine import TaskEngine
from ...agents.errors import SametaskError, SkillFailed
from ...agents.events import Event
from ...agents.events import Progress as ProgressEvent
from ..listening import bind_socket, host_port, listen_http
from ..variants import Bind, Endpoint
from .awaited import run_awaited
from .content import tool_result
from .drain import EndsWithDrain
from .early import EarlyPipes
from .event_store import Events
from .extras import ExtraResource, ExtraTool
from .failures import protocol_error, tool_error
from .first_answer import own_version
from .header_space import TrimsHeaders
from .listing import LIST_TTL_MS, tool_name
from .natives import NativeTool
from .oversize import TellsTooLarge
from .plain_tools import task_tools
from .quick import QuickCalls
from .resources import Resources, catalogue
from .resumed import ResumesTasks
from .tasks import TaskListening, TasksExtension, gated
from .telling import tell_progress
from .tools import ToolTable, tool_table
from .whole import WholeRequests
from .wire import MODERN

PATH = "/mcp"
RETRY_MS = 100
"""What a client of a broken stream waits before it asks for the rest (2025-11-25, basic/transports, "Resumability")."""

Context = ServerRequestContext[Any, Any]
LongTools = Literal["tasks", "plain", "both"]


@dataclass(frozen=True)
class McpServer:
    """The SDK's server, its tools, and its open subscription streams to close when it drains. What is published on `bus`, of
    `mcp.server.subscriptions`, is told to those who listen for it.
    """

    engine: TaskEngine
    server: Server[Any]
    table: ToolTable
    listening: TaskListening
    bus: InMemorySubscriptionBus


def build_server(
    engine: TaskEngine,
    *,
    name: str = "sametask",
    version: str = "",
    instructions: str | None = None,
    extra_tools: Sequence[ExtraTool] = (),
    extra_resources: Sequence[ExtraResource] = (),
    native_tools: Sequence[NativeTool] = (),
    long_tools: LongTools = "tasks",
    named: Callable[[Skill], str] = tool_name,
    needs_tasks: Collection[str] = (),
    lists_change: bool = False,
) -> McpServer:
    """A server of every skill of the engine's roster, with the agents' catalogue as resources.

    `long_tools`: how long skills are offered. `tasks`: each is a tool, a task for a client that declares the extension and
    awaited for any other, unless `needs_tasks` names it, then it is refused; `plain`: through five generic tools (task_submit,
    task_status, ...) instead; `both`: both. Of `tasks`, a client of 2025-11-25, which has none, is shown
    both as well. `named` gives a skill's tool its name. `lists_change` promises that what is published on the server's `bus`
    tells of every change of its lists and resources.

    Raises: ValueError when two tools would have one name.
    """
    plain = task_tools(engine.roster, lambda: engine)
    extras = [*plain, *extra_tools]
    table = tool_table(
        engine.roster, extras, native_tools, long_skills=long_tools != "plain", named=named, needs_tasks=needs_tasks
    )
    resources = Resources([*catalogue(engine.roster), *extra_resources])
    tasks = TasksExtension(engine, table)
    bus = InMemorySubscriptionBus()
    listening = TaskListening(engine, ListenHandler(bus))
    hidden = {tool.name for tool in plain} if long_tools == "tasks" else set[str]()
    calls = _Calls(engine, table, tasks, hidden)
    hint = CacheHint(ttl_ms=LIST_TTL_MS, scope="public")
    server: Server[Any] = (Server if lists_change else _Unchanging)(
        name,
        version=version or own_version(),
        instructions=instructions,
        cache_hints={"tools/list": hint, "resources/list": hint, "resources/templates/list": hint, "prompts/list": hint},
        # Without this hook every tools/call of 2026-07-28 runs a whole tools/list to check the Mcp-Param headers.
        get_tool_input_schema=table.schemas.get,
        on_list_tools=calls.list_tools,
        on_list_resources=resources.list,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
        on_list_prompts=_no_prompts,
        on_subscriptions_listen=listening,
    )
    server.add_request_handler("tools/call", t.CallToolRequestParams, compose_tool_call_handler([tasks], calls.call_tool))
    for binding in tasks.methods():
        server.add_request_handler(binding.method, binding.params_type, gated(binding))
    server.extensions[tasks.identifier] = tasks.settings()
    return McpServer(engine, server, table, listening, bus)


class _Unchanging(Server[Any]):
    def get_capabilities(self, *given: Any, **named: Any) -> t.ServerCapabilities:
        """As the SDK derives them, but that nothing is told of changes: the SDK promises it for whoever serves listen, and that
        is served here for tasks.
        """
        told = super().get_capabilities(*given, **named)
        for part in (told.tools, told.prompts, told.resources):
            if part is not None:
                part.list_changed = False
        if told.resources is not None:
            told.resources.subscribe = False
        return told


class _Calls:
    def __init__(self, engine: TaskEngine, table: ToolTable, tasks: TasksExtension, hidden: Collection[str]) -> None:
        self._engine, self._table, self._tasks = engine, table, tasks
        shown = [tool for tool in table.listing.tools if tool.name not in hidden]
        self._modern = table.listing.model_copy(update={"tools": shown})

    async def list_tools(self, ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListToolsResult:
        return self._modern if ctx.protocol_version in MODERN else self._table.listing

    async def call_tool(self, ctx: Context, params: t.CallToolRequestParams) -> HandlerResult:
        if (extra := self._table.extras.get(params.name)) is not None:
            return await self._call_extra(extra, ctx, params)
        if (native := self._table.natives.get(params.name)) is not None:
            return await self._call_native(native, ctx, params)
        try:
            skill = self._table.skill(params.name)
        except SametaskError as error:
            raise protocol_error(error) from None
        if skill.long:
            return await run_awaited(self._engine, self._table, skill, params, ctx)
        try:
            return tool_result(await skill(self._table.parse(params.name, params.arguments)))
        except SametaskError as error:
            return tool_error(error)

    async def _call_extra(self, tool: ExtraTool, ctx: Context, params: t.CallToolRequestParams) -> HandlerResult:
        async def progress(
            done: float, total: float | None = None, text: str = "", *, event: tuple[str, int] | None = None
        ) -> None:
            if event is None:
                await ctx.session.report_progress(done, total, text or None)
            else:
                task_id, seq = event
                told = Event(seq=seq, body=ProgressEvent(done=done, total=total, text=text))
                await tell_progress(ctx, task_id, told, tool.name)

        try:
            output = await tool.handler(self._table.parse(params.name, params.arguments), progress)
        except SametaskError as error:
            return tool_error(error)
        except Exception as error:
            # The wall between a tool's code and its caller: whatever it raised becomes the tool's error.
            return tool_error(SkillFailed(error))
        if isinstance(output, BaseModel):
            return tool_result(output.model_dump(mode="json"))
        return t.CallToolResult(content=[t.TextContent(type="text", text=str(output))])

    async def _call_native(self, tool: NativeTool, ctx: Context, params: t.CallToolRequestParams) -> HandlerResult:
        try:
            return await tool.call(ctx, params, self._tasks)
        except MCPError:
            raise
        except SametaskError as error:
            return tool_error(error)
        except Exception as error:
            # The wall between a tool's code and its caller, as above.
            return tool_error(SkillFailed(error))


async def _no_prompts(ctx: Context, params: t.PaginatedRequestParams | None) -> t.ListPromptsResult:
    return t.ListPromptsResult(prompts=[])


@asynccontextmanager
async def serve_http(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """Yields the endpoint of a server of this engine. Raises: Unavailable when the port cannot be bound."""
    async with serve_server_http(build_server(engine), bind) as endpoint:
        yield endpoint


@asynccontextmanager
async def serve_server_http(built: McpServer, bind: Bind) -> AsyncGenerator[Endpoint]:
    """Serve what `build_server` built on Streamable HTTP, under `/mcp`. Raises: as `serve_http`."""
    events, draining = Events(), anyio.Event()
    app = built.server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=bind.max_message_bytes,
        transport_security=_security(bind),
        host=bind.host,
        event_store=events,
        retry_interval=RETRY_MS,
    )
    sock = bind_socket(bind)
    listeners = {"http": host_port(sock)}
    whole = EndsWithDrain(WholeRequests(app, bind.max_message_bytes), draining)
    resumable = ResumesTasks(whole, PATH, built.engine, events, _security(bind), draining)
    everything = TrimsHeaders(TellsTooLarge(resumable, bind.max_message_bytes))
    async with listen_http(_quick_first(everything, built, bind, listeners["http"]), sock):
        try:
            yield Endpoint(f"http://{bind.advertise.get('http', listeners['http'])}{PATH}", listeners)
        finally:
            draining.set()
            built.listening.close()


def _quick_first(app: ASGIApp, built: McpServer, bind: Bind, bound: str) -> ASGIApp:
    """`app` with the short way in front of it, but where calls are traced: the SDK does that, and the short way does not."""
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider | trace.NoOpTracerProvider):
        return app
    port = bound.rpartition(":")[2]
    hosts = {bound, f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", *bind.advertise.values()}
    skills = {name: skill for name, skill in built.table.skills.items() if not skill.long and name not in built.table.wrapped}
    return QuickCalls(
        app, PATH, skills, built.server.server_info_stamp, hosts if _security(bind) else None, bind.max_message_bytes
    )


def _security(bind: Bind) -> TransportSecuritySettings | None:
    """Which Host and Origin headers are accepted (2026-07-28, basic/transports, "Security Warning"): this machine's, the
    bound host's and the advertised ones. A server on every address cannot know its names, so there the check is off.
    """
    if bind.host in ("0.0.0.0", "::"):
        return None
    own = f"[{bind.host}]" if ":" in bind.host else bind.host
    names = dict.fromkeys(["127.0.0.1:*", "localhost:*", "[::1]:*", f"{own}:*", *bind.advertise.values()])
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=list(names),
        allowed_origins=[f"{scheme}://{name}" for name in names for scheme in ("http", "https")],
    )


@asynccontextmanager
async def serve_stdio(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """Serve this engine on this process's own stdin and stdout; the endpoint's `closed` tells that the client has left."""
    async with serve_server_stdio(build_server(engine), bind) as endpoint:
        yield endpoint


@asynccontextmanager
async def serve_server_stdio(built: McpServer, bind: Bind, early: EarlyPipes | None = None) -> AsyncGenerator[Endpoint]:
    """Serve what `build_server` built on stdin and stdout, as `serve_stdio` does, or go on with what `early` has begun."""
    from .stdio import speak_on_stdio

    async with speak_on_stdio(built.server, bind.max_message_bytes, early) as closed:
        yield Endpoint("stdio:", {}, closed)
