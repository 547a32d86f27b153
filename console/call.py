"""`sametask call`: one skill over one variant, with live progress, questions and reconnection."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import anyio
from rich.console import Console

from ..agents.contract import Roster
from ..agents.errors import ConnectionLost, InvalidInput, SametaskError, Unavailable, UnknownAgent, UnknownSkill, UnknownTask
from ..agents.events import OpenQuestion, Snapshot, StateChanged, Task
from ..protocols.client import AgentClient, AgentInfo, ClientSettings, SkillInfo, outcome
from ..protocols.following import Follower
from ..protocols.server_process import ServerOptions, server_process
from ..protocols.variants import Variant, variant
from .agents import roster_of
from .question import Answers
from .request import Request, read_request
from .stdout import claimed_stdout
from .telling import Teller

CANCEL_S = 5.0
MEMORY = "sqlite:///:memory:"

Open = Callable[[ClientSettings], AbstractAsyncContextManager[AgentClient]]


@dataclass(frozen=True)
class Call:
    """What the person typed; "" and () where they typed nothing."""

    agent: str
    skill: str
    via: str
    input: str = ""
    set: tuple[str, ...] = ()
    answer: tuple[str, ...] = ()
    as_json: bool = False
    verbose: bool = False
    url: str = ""
    key: str = ""
    task: str = ""
    engine: str = ""
    agents: tuple[str, ...] = ()


async def run_call(call: Call) -> int:
    """Call, show, and print the result. Shape: the exit code.

    Raises: SametaskError as the server says, or InvalidInput for what was typed.
    """
    with claimed_stdout() as out:
        chosen = variant(call.via)
        _check(call)
        if call.url:
            connect = chosen.connect()
            try:
                result = await _call(call, None, None, lambda settings: connect(call.url, settings))
            except (ConnectionLost, Unavailable) as error:
                error.add_note(f"{call.via} at {call.url}")
                raise
        else:
            roster = roster_of(call.agents)
            found = roster.skill(call.agent, call.skill)
            info = SkillInfo(found.name, found.description, found.long, found.input_schema, found.output_schema)
            # Before a server is started for it.
            request = read_request(call.input, call.set, info.input_schema)
            async with _started(call, chosen, roster) as open_client:
                result = await _call(call, info, request, open_client)
        _print(result, call.as_json, out)
    return 0


def _check(call: Call) -> None:
    if call.url:
        for name, value in (("agents", call.agents), ("engine", call.engine)):
            if value:
                given = ", ".join(value) if isinstance(value, tuple) else value
                raise InvalidInput(name, given, "with --url the server has its own; accepted: one or the other")
    if call.task and (call.input or call.set or call.key):
        raise InvalidInput("task", call.task, "a task that runs already has its input; accepted: without --input, --set, --key")


def _print(result: Any, as_json: bool, out: TextIO) -> None:
    if as_json:
        print(json.dumps(result), file=out, flush=True)
    else:
        Console(file=out).print_json(data=result)


@asynccontextmanager
async def _started(call: Call, chosen: Variant, roster: Roster) -> AsyncGenerator[Open]:
    """Yields what opens a client to a server that is started here, for this call."""
    from ..agents.runtime import open_engine

    engine = call.engine or MEMORY
    async with AsyncExitStack() as stack:
        if not chosen.server:
            yield await _inproc(engine, roster, stack)
            return
        if chosen.listeners:
            server = await stack.enter_async_context(server_process(ServerOptions((chosen,), engine, call.agents)))
            url = server.endpoints[chosen.name].url
        else:
            if engine == MEMORY:
                # Each connection over pipes is a process of its own: the task must outlive the one that started it.
                from tempfile import TemporaryDirectory

                engine = f"sqlite:///{stack.enter_context(TemporaryDirectory(prefix='sametask-'))}/tasks.db"
            else:
                # A child on pipes can only say on stderr what is wrong with its store. Without agents nothing is run here.
                async with open_engine(engine, Roster([])):
                    pass
            url = ServerOptions((chosen,), engine, call.agents).stdio_url
        connect = chosen.connect()
        yield lambda settings: connect(url, settings)


async def _inproc(engine_url: str, roster: Roster, stack: AsyncExitStack) -> Open:
    from ..agents.runtime import open_engine
    from ..protocols.inproc.client import InprocClient

    engine = await stack.enter_async_context(open_engine(engine_url, roster))

    @asynccontextmanager
    async def open_client(settings: ClientSettings) -> AsyncGenerator[AgentClient]:
        yield InprocClient(engine)

    return open_client


async def _call(call: Call, info: SkillInfo | None, request: Request | None, open_client: Open) -> Any:
    """The result. Without `info` and `request`, the server is asked what the skill takes."""
    if info is None or request is None:
        async with open_client(ClientSettings()) as client:
            info = find_skill(await client.discover(), call.agent, call.skill)
        request = read_request(call.input, call.set, info.input_schema)
    try:
        if info.long:
            return await _Run(call, open_client).result(request)
        if call.task:
            raise InvalidInput("task", call.task, f"skill {call.skill!r} answers at once; accepted: a long skill's task")
        async with open_client(ClientSettings()) as client:
            return await client.call(call.agent, call.skill, request.value)
    except InvalidInput as error:
        request.locate(error)
        raise


def find_skill(agents: tuple[AgentInfo, ...], agent: str, skill: str) -> SkillInfo:
    """The skill of that name among those discovered. Raises: UnknownAgent, UnknownSkill."""
    by_name = {info.name: {found.name: found for found in info.skills} for info in agents}
    if agent not in by_name:
        raise UnknownAgent(agent, sorted(by_name))
    if skill not in by_name[agent]:
        raise UnknownSkill(agent, skill, sorted(by_name[agent]))
    return by_name[agent][skill]


class _Run:
    """One long call: follow the task, tell what it tells, answer what it asks."""

    def __init__(self, call: Call, open_client: Open) -> None:
        self._call = call
        self._stderr = Console(stderr=True)
        self._teller = Teller(f"{call.agent}.{call.skill}", self._stderr, call.verbose)
        self._answers = Answers(call.answer, self._stderr)
        # Without a name and a key a task that may have been started cannot be found again: one that is cut off before it has a
        # name is asked for again by its key.
        self._key = call.key or (None if "idempotency" in variant(call.via).lacks else uuid.uuid4().hex)
        settings = ClientSettings(on_lost=self._lost)
        self._follower = Follower(lambda: open_client(settings), on_lost=self._lost, task_id=call.task)

    async def result(self, request: Request) -> Any:
        """Raises: the task's own error, or why it could not be followed, with a note that names the task."""
        try:
            return outcome(await self._ended(request))
        except SametaskError as error:
            if note := self._left_behind(error):
                error.add_note(note)
            raise
        except asyncio.CancelledError:
            with anyio.move_on_after(CANCEL_S, shield=True):
                await self._interrupted()
            raise

    def _left_behind(self, error: SametaskError) -> str:
        """What there is to know of a task that is left to its server; "" where there is none."""
        follower = self._follower
        if not self._call.url or (follower.state and follower.state.terminal):
            return ""
        if isinstance(error, UnknownTask):  # mistyped, or removed meanwhile
            return ""
        if follower.task_id:
            return f"the task goes on, follow it with --task {follower.task_id}"
        if not isinstance(error, ConnectionLost | Unavailable):
            return ""
        again = f"the same call with --key {self._key} finds out" if self._key else f"{self._call.via} has no key to ask by"
        return f"whether the task was started is not known; {again}"

    async def _ended(self, request: Request) -> Task:
        call, follower = self._call, self._follower
        events = follower.resume() if call.task else follower.run(call.agent, call.skill, request.value, key=self._key)
        while True:
            question: OpenQuestion | None = None
            with self._teller.live():
                async with aclosing(events):
                    async for event in events:
                        self._teller.hear(event)
                        told = event.body.task if isinstance(event.body, Snapshot) else event.body
                        if isinstance(told, StateChanged | Task):
                            question = told.question
                            if told.state.terminal:
                                return Task(id=follower.task_id, state=told.state, result=told.result, error=told.error)
            if question is None:
                raise ConnectionLost("the task's events ended before the task did")
            await self._answer(question)
            events = follower.resume()

    async def _answer(self, question: OpenQuestion) -> None:
        while True:
            value = await self._answers.answer(question)
            try:
                return await self._follower.answer(question.request_id, value)
            except InvalidInput as error:
                if not self._answers.asked:
                    raise
                self._teller.say(f"{error.message}; once more", style="yellow")

    def _lost(self, error: ConnectionLost) -> None:
        if self._follower.task_id or self._key:  # else there is nothing to follow again, and the error says so
            self._teller.lost(error)

    async def _interrupted(self) -> None:
        task_id = self._follower.task_id
        if not task_id:
            self._teller.say("interrupted before the task had a name")
        elif self._call.url:
            self._teller.say(f"task {task_id} goes on; follow it with --task {task_id}")
        else:
            try:
                await self._follower.cancel()
                self._teller.say(f"task {task_id} was canceled")
            except SametaskError as error:
                self._teller.say(f"task {task_id} could not be canceled: {error.message}")
