"""`sametask call`: one skill over one variant, with live progress, questions and reconnection."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..agents.contract import Roster
from ..agents.errors import ConnectionLost, SametaskError, UnknownAgent, UnknownSkill
from ..agents.events import ArtifactEmitted, Event, OpenQuestion, Snapshot, StateChanged, Task, TaskState
from ..agents.events import Progress as ProgressTold
from ..protocols.client import AgentClient, AgentInfo, SkillInfo
from ..protocols.following import Follower, Open
from ..protocols.server_process import ServerOptions, server_process
from ..protocols.variants import Variant, variant
from .agents import roster_of
from .request import read_answer, read_request


@dataclass(frozen=True)
class Call:
    """What the person typed."""

    agent: str
    skill: str
    via: str
    input: str
    set: tuple[str, ...]
    answer: tuple[str, ...]
    as_json: bool
    url: str
    key: str
    engine: str
    agents: tuple[str, ...]


async def run_call(call: Call) -> int:
    """Call, show, and print the result. Shape: the exit code.

    Raises: SametaskError as the server says, or InvalidInput for what was typed.
    """
    chosen = variant(call.via)
    roster = None if call.url else roster_of(list(call.agents))
    stderr = Console(stderr=True)
    async with _opened(call, chosen, roster) as open_client:
        info = await _skill(call, roster, open_client)
        request = read_request(call.input, call.set, info.input_schema)
        if info.long:
            result = await _run_task(call, request, open_client, stderr)
        else:
            async with open_client() as client:
                result = await client.call(call.agent, call.skill, request)
    if call.as_json:
        print(json.dumps(result))
    else:
        Console().print_json(data=result)
    return 0


@asynccontextmanager
async def _opened(call: Call, chosen: Variant, roster: Roster | None) -> AsyncGenerator[Open]:
    """Yields what opens a client: to the server at `--url`, or to one started here for this call."""
    async with AsyncExitStack() as stack:
        if call.url:
            url = call.url
        elif not chosen.server:
            assert roster is not None
            yield await _inproc(call, roster, stack)
            return
        else:
            engine = call.engine
            if not chosen.listeners and engine.endswith(":memory:"):
                # Each connection over pipes is a process of its own: the task must outlive the one that started it.
                from tempfile import TemporaryDirectory

                engine = f"sqlite:///{stack.enter_context(TemporaryDirectory(prefix='sametask-'))}/tasks.db"
            options = ServerOptions((chosen,), engine, call.agents)
            if not chosen.listeners:
                url = options.stdio_url
            else:
                server = await stack.enter_async_context(server_process(options))
                url = server.endpoints[chosen.name].url
        connect = chosen.connect()
        yield lambda: connect(url)


async def _inproc(call: Call, roster: Roster, stack: AsyncExitStack) -> Open:
    from ..agents.runtime import open_engine
    from ..protocols.inproc.client import InprocClient

    engine = await stack.enter_async_context(open_engine(call.engine, roster))

    @asynccontextmanager
    async def open_client() -> AsyncGenerator[AgentClient]:
        yield InprocClient(engine)

    return open_client


async def _skill(call: Call, roster: Roster | None, open_client: Open) -> SkillInfo:
    """The skill as known here, or as the server at `--url` describes it."""
    if roster is not None:
        found = roster.skill(call.agent, call.skill)
        return SkillInfo(found.name, found.description, found.long, found.input_schema, found.output_schema)
    async with open_client() as client:
        return find_skill(await client.discover(), call.agent, call.skill)


def find_skill(agents: tuple[AgentInfo, ...], agent: str, skill: str) -> SkillInfo:
    """The skill of that name among those discovered. Raises: UnknownAgent, UnknownSkill."""
    by_name = {info.name: {found.name: found for found in info.skills} for info in agents}
    if agent not in by_name:
        raise UnknownAgent(agent, sorted(by_name))
    if skill not in by_name[agent]:
        raise UnknownSkill(agent, skill, sorted(by_name[agent]))
    return by_name[agent][skill]


async def _run_task(call: Call, request: Mapping[str, Any], open_client: Open, stderr: Console) -> Any:
    def say_lost(error: ConnectionLost) -> None:
        stderr.print(f"connection lost ({error.message}); following again", style="yellow", highlight=False)

    follower = Follower(open_client, on_lost=say_lost)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    events = follower.run(call.agent, call.skill, request, key=call.key or None)
    while True:
        question: OpenQuestion | None = None
        with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
            line = bar.add_task(f"{call.agent}.{call.skill}", total=None, told="")
            async for event in events:
                _show(event, bar, line, stderr)
                told = event.body.task if isinstance(event.body, Snapshot) else event.body
                if isinstance(told, StateChanged | Task):
                    question = told.question
                    if told.state.terminal:
                        return _result(told, follower.task_id)
        if question is None:
            raise ConnectionLost("the task's stream ended before the task did")
        value = read_answer(question, call.answer, stderr)
        await follower.answer(question.request_id, value)
        events = follower.resume()


def _show(event: Event, bar: Progress, line: Any, stderr: Console) -> None:
    body = event.body
    if isinstance(body, Snapshot):
        body = body.task.progress
    if isinstance(body, ProgressTold):
        told = f"{body.done:g}" + (f"/{body.total:g}" if body.total else "") + (f" {body.text}" if body.text else "")
        bar.update(line, completed=body.done, total=body.total, told=told)
        if bar.disable:
            stderr.print(f"progress {told}", highlight=False)
    elif isinstance(body, ArtifactEmitted) and bar.disable:
        stderr.print(f"artifact {body.artifact.name}", highlight=False)


def _result(ended: StateChanged | Task, task_id: str) -> Any:
    if ended.error is not None:
        raise SametaskError.from_json(ended.error.model_dump())
    if ended.state is not TaskState.COMPLETED:
        raise SametaskError(f"task {task_id} was {ended.state}")
    return ended.result
