"""The client half, on the SDK's own client pinned to 2026-07-28. Its native recovery: tasks/get by id, on any connection."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import mcp.types as t
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import LAST_EVENT_ID, MCP_SESSION_ID, streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from ...agents.errors import ConnectionLost, InvalidInput, SametaskError, UnknownAgent
from ...agents.events import ArtifactEmitted, Event, Snapshot, StateChanged, Task, TaskState
from ..client import AgentInfo, ClientSettings, SkillInfo
from ..library_timeouts import scale_timeouts
from .connection import Connection, held
from .content import value_of
from .failures import from_result
from .listing import AGENTS, SKILL
from .status import task_of
from .tasks_client import TERMINAL, TasksClient
from .wire import KEY, CreateTaskResult, DetailedTask

if TYPE_CHECKING:
    import httpx2
    from mcp.client.session import ElicitationFnT

REVISION = "2026-07-28"


@dataclass(frozen=True)
class McpOptions:
    """What an MCP client may have besides: `auth` signs its HTTP requests (the SDK's `OAuthClientProvider` is one), and
    `elicitation` answers what a tool asks within its call. Units: `quiet_limit_s` is for how long an open HTTP stream may bring
    not a byte, no ping either; None is for ever.
    """

    auth: httpx2.Auth | None = None
    elicitation: ElicitationFnT | None = None
    quiet_limit_s: float | None = None


class McpClient:
    """The first call of a quick skill costs a tools/list as well: the SDK's client checks the result against its schema."""

    def __init__(self, connection: Connection, tasks: TasksClient) -> None:
        self.connection, self._tasks = connection, tasks

    async def discover(self) -> tuple[AgentInfo, ...]:
        """By tools/list alone: our `_meta` says which agent and skill a tool is; a server that is not ours is one agent."""
        tools: list[t.Tool] = []
        described: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self.connection.ask(self.connection.client.list_tools(cursor=cursor))
            tools += page.tools
            described += (page.meta or {}).get(AGENTS, [])
            cursor = page.next_cursor
            if cursor is None:
                return _agents(tools, described)

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        with self.naming(agent):
            result = await self.connection.ask(self.connection.client.call_tool(tool_of(agent, skill), dict(request)))
        if result.is_error:
            raise from_result(result)
        return value_of(result)

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        task = await self._create(agent, skill, request, key)
        if task.state in (TaskState.COMPLETED, TaskState.INPUT_REQUIRED):
            return await self.get(task.id)  # an old task of this key: its outcome is not on the handle
        return task

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        task = await self._create(agent, skill, request, key)
        view = _View(task)
        yield Event(seq=0, at=task.created_at, body=Snapshot(task=task))
        async with aclosing(self._follow(task.id)) as told:
            async for status in told:
                for event in view.events(status):
                    yield event
                    if _settled(event):
                        return

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        view: _View | None = None
        async with aclosing(self._follow(task_id)) as told:
            async for status in told:
                if view is None:
                    task = task_of(status)
                    view = _View(task)
                    events = [Event(seq=0, at=task.updated_at, body=Snapshot(task=task))]
                else:
                    events = view.events(status)
                for event in events:
                    yield event
                    if _settled(event):
                        return

    async def get(self, task_id: str) -> Task:
        return task_of(await self._tasks.get(self.connection, task_id))

    async def wait(self, task_id: str) -> Task:
        return task_of(await self._tasks.until_settled(self.connection, task_id))

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        await self._tasks.update(self.connection, task_id, request_id, value)

    async def cancel(self, task_id: str) -> None:
        await self._tasks.cancel(self.connection, task_id)

    @contextmanager
    def naming(self, agent: str) -> Generator[None]:
        """Name the agent that was asked for in UnknownAgent: the server is sent the tool's name, and can name no more."""
        try:
            yield
        except UnknownAgent as error:
            accepted = str(error.details.get("accepted", "")).removeprefix("one of: ")
            raise UnknownAgent(agent, accepted.split(", ")) from None

    async def _create(self, agent: str, skill: str, request: Mapping[str, Any], key: str | None) -> Task:
        meta = cast(t.RequestParamsMeta, {KEY: key}) if key is not None else None
        with self.naming(agent):
            result = await self.connection.ask(
                self.connection.client.session.call_tool(tool_of(agent, skill), dict(request), meta=meta, allow_claimed=True)
            )
        if isinstance(result, CreateTaskResult):
            return task_of(result)
        if isinstance(result, t.CallToolResult) and result.is_error:
            raise from_result(result)
        raise InvalidInput("skill", skill, "accepted: a long-running skill; this one answers at once")

    async def _follow(self, task_id: str) -> AsyncGenerator[DetailedTask]:
        """Every status that the server tells, the present one first, up to the terminal one."""
        try:
            async with aclosing(self._tasks.told(self.connection, task_id)) as told:
                async for status in told:
                    yield status
                    if status.status in TERMINAL:
                        return
        except ConnectionLost:
            raise
        except SametaskError:
            pass  # a server that does not serve the subscription: it need not (SEP-2663, Task Status Notifications)
        async with aclosing(self._tasks.polled(self.connection, task_id)) as polled:
            async for status in polled:
                yield status


class _View:
    """One caller's view of a task: what a new status tells beyond the last one."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def events(self, told: DetailedTask) -> list[Event]:
        task, before = task_of(told), self._task
        if task.progress is None:
            task = task.model_copy(update={"progress": before.progress})
        self._task = task
        bodies: list[Any] = []
        if task.state.terminal:
            bodies += [ArtifactEmitted(artifact=artifact) for artifact in task.artifacts]
        if task.state is not before.state or task.question != before.question:
            changed = StateChanged(state=task.state, result=task.result, error=task.error, question=task.question)
            bodies.append(changed)
        if task.progress is not None and task.progress != before.progress:
            bodies.append(task.progress)
        return [Event(seq=0, at=task.updated_at, body=body) for body in bodies]


def _settled(event: Event) -> bool:
    return event.final or event.state is TaskState.INPUT_REQUIRED


def tool_of(agent: str, skill: str) -> str:
    """The tool of a skill; of a server that is not ours, whose tools are no agent's, the tool itself."""
    return f"{agent}_{skill}" if agent else skill


def _agents(tools: list[t.Tool], described: list[dict[str, Any]]) -> tuple[AgentInfo, ...]:
    known = {str(agent["name"]): agent for agent in described}
    skills: dict[str, list[SkillInfo]] = {name: [] for name in known}
    for tool in tools:
        marked: dict[str, Any] = (tool.meta or {}).get(SKILL) or {}
        if known and not marked:
            continue  # a server of ours, and a tool of its own beside the skills
        name = str(marked.get("skill", tool.name))
        info = SkillInfo(name, tool.description or "", bool(marked.get("long")), tool.input_schema, tool.output_schema or {})
        skills.setdefault(str(marked.get("agent", "")), []).append(info)
    return tuple(
        AgentInfo(name, str(known.get(name, {}).get("description", "")), str(known.get(name, {}).get("version", "")), tuple(of))
        for name, of in skills.items()
    )


@asynccontextmanager
async def connect_http(
    url: str, settings: ClientSettings = ClientSettings(), options: McpOptions = McpOptions()
) -> AsyncGenerator[McpClient]:
    """A client of `http://HOST:PORT/mcp`. Nothing is sent until the first request: 2026-07-28 has no handshake.

    Raises: InvalidInput when `url` is not an http or https URL.
    """
    async with http_transport(url, settings, options) as transport, connect_over(transport, url, settings, options) as client:
        yield client


@asynccontextmanager
async def http_transport(url: str, settings: ClientSettings, options: McpOptions = McpOptions()) -> AsyncGenerator[Any]:
    """The SDK's transport to that address. Raises: InvalidInput."""
    import httpx2

    try:
        place = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise InvalidInput("url", url, f"accepted: http://HOST:PORT/mcp ({error})") from None
    if place.scheme not in ("http", "https") or not place.host:
        raise InvalidInput("url", url, "accepted: http://HOST:PORT/mcp or https://HOST[:PORT]/mcp")

    async def tell_lost(request: httpx2.Request) -> None:
        # The SDK asks for the rest of a broken stream without a word to anybody.
        if settings.on_lost is not None and LAST_EVENT_ID in request.headers:
            settings.on_lost(ConnectionLost("the stream broke; its rest is asked for with Last-Event-ID"))

    async def check_session(response: httpx2.Response) -> None:
        # 404 to a request of a session: the server that knew it is gone, and a new session is to be begun (2025-11-25,
        # basic/transports, Session Management). To the SDK it would be an error of the call.
        request = response.request
        if response.status_code == 404 and request.method == "POST" and MCP_SESSION_ID in request.headers:
            raise httpx2.RemoteProtocolError("the server does not know this session any more", request=request)

    if settings.as_library:
        opened = create_mcp_http_client(auth=options.auth)  # what the transport makes where it is given none
        scale_timeouts(opened, settings.time_scale)
        open_transport = streamable_http_client
    else:
        # The answers' timeouts are the session's, so that an open subscription may be silent between two pings.
        timeout = httpx2.Timeout(None, connect=settings.connect_timeout_s, read=options.quiet_limit_s)
        opened = httpx2.AsyncClient(timeout=timeout, auth=options.auth)
        open_transport = partial(streamable_http_client, max_sse_event_size=settings.max_message_bytes)
    opened.event_hooks = {"request": [tell_lost], "response": [check_session]}
    async with opened as http:
        yield open_transport(url, http_client=http)


@asynccontextmanager
async def connect_stdio(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[McpClient]:
    """A client of `stdio:COMMAND`, which is started with this process's environment and ended with the block.

    Raises: InvalidInput where the url has no command; ConnectionLost where it cannot be started.
    """
    transport, command = stdio_transport(url)
    async with connect_over(transport, command, settings, on_pipes=True) as client:
        yield client


def stdio_transport(url: str) -> tuple[Any, str]:
    """The SDK's transport to a process of that command, and the command's name. Raises: InvalidInput where there is none."""
    command, *arguments = shlex.split(url.removeprefix("stdio:")) or [""]
    if not command:
        raise InvalidInput("url", url, "accepted: stdio: and the command line that serves")
    target = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    # The SDK's default is what stderr was when it was imported.
    return stdio_client(target, errlog=sys.stderr), command


@asynccontextmanager
async def connect_over(
    target: Any, peer: str, settings: ClientSettings, options: McpOptions = McpOptions(), *, on_pipes: bool = False
) -> AsyncGenerator[McpClient]:
    """A client over any of the SDK's transports; `peer` is what errors call the other end."""
    tasks = TasksClient(settings, on_pipes=on_pipes)
    client = Client(
        target,
        mode=REVISION,
        extensions=[tasks],
        read_timeout_seconds=settings.answer_limit_s,
        elicitation_callback=options.elicitation,
    )
    async with held(client, peer) as connected:
        yield McpClient(connected, tasks)
