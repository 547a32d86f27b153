"""Our A2A client against servers that stop, fall silent, end too early, are none of ours, or are not there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc.aio
import pytest
from a2a.client.interceptors import AfterArgs, BeforeArgs, ClientCallInterceptor
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler, GrpcHandler
from a2a.server.routes import create_agent_card_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    AgentSkill,
    Artifact,
    Part,
    StreamResponse,
    Task,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
    a2a_pb2_grpc,
)
from pydantic import BaseModel
from sametask.agents import Agent, Roster, TaskContext, TaskEngine
from sametask.agents.errors import ConnectionLost, InvalidInput, NotFound, Unavailable
from sametask.agents.events import Event, Snapshot, StateChanged
from sametask.agents.runtime import open_engine
from sametask.protocols.a2a.client import A2AClient, connect_grpc, connect_http, connect_jsonrpc
from sametask.protocols.a2a.reading import UpdateReader
from sametask.protocols.a2a.server import serve
from sametask.protocols.a2a.translate import RESULT_ID
from sametask.protocols.client import ClientSettings
from sametask.protocols.listening import bind_socket, listen_http
from sametask.protocols.variants import Bind
from starlette.applications import Starlette

WITHIN_S = 20
CONNECT = {"GRPC": connect_grpc, "JSONRPC": connect_jsonrpc, "HTTP+JSON": connect_http}


class Nothing(BaseModel):
    pass


def roster(gate: asyncio.Event) -> Roster:
    agent = Agent("clerk", description="A clerk")

    @agent.skill
    async def work(request: Nothing, task: TaskContext) -> Nothing:
        """Works until it is let go."""
        await task.progress(1)
        await gate.wait()
        return Nothing()

    @agent.skill
    async def glance(request: Nothing) -> Nothing:
        """Answers at once."""
        return Nothing()

    return Roster([agent])


@asynccontextmanager
async def serving(servicer: Any, card: bool = True, binding: str = "GRPC") -> AsyncGenerator[str]:
    """The url of a server with that servicer, which has nothing of ours but its HTTP listener."""
    server = grpc.aio.server()
    a2a_pb2_grpc.add_A2AServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    described = AgentCard(
        name="stock",
        description="Not ours",
        version="3",
        supported_interfaces=[AgentInterface(url=f"127.0.0.1:{port}", protocol_binding=binding, protocol_version="1.0")],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="echo", name="Echo", description="Echoes", tags=["t"])],
    )
    app = Starlette(routes=create_agent_card_routes(described) if card else [])
    try:
        async with listen_http(app, bind_socket(Bind())) as address:
            yield f"http://{address}"
    finally:
        await server.stop(None)


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    async with asyncio.timeout(WITHIN_S):
        return [event async for event in events]


class Ending(a2a_pb2_grpc.A2AServiceServicer):
    """Tells that a task works, and then ends its streams; or falls silent, where it is told to."""

    def __init__(self, silent: bool) -> None:
        self.silent = silent
        self.left = asyncio.Event()

    async def SendStreamingMessage(self, request: Any, context: Any) -> AsyncGenerator[StreamResponse]:
        status = TaskStatus(state=TaskState.TASK_STATE_WORKING)
        yield StreamResponse(task=Task(id="t", context_id="c", status=status))
        yield StreamResponse(status_update=TaskStatusUpdateEvent(task_id="t", context_id="c", status=status))
        try:
            if self.silent:
                await asyncio.Event().wait()
        finally:
            self.left.set()


async def test_a_stream_that_ends_before_its_task_is_a_lost_connection():
    async with serving(Ending(silent=False)) as url, connect_grpc(url) as client:
        events = client.stream("stock", "echo", {})
        seen = [await anext(events), await anext(events)]
        with pytest.raises(ConnectionLost, match="ended before the task did"):
            await anext(events)
    assert isinstance(seen[0].body, Snapshot)
    assert [event.state for event in seen] == ["working", "working"]


async def test_silence_is_bounded_where_that_is_wanted_and_the_server_is_told():
    servicer = Ending(silent=True)
    async with serving(servicer) as url, connect_grpc(url, ClientSettings(idle_timeout_s=0.2)) as client:
        with pytest.raises(ConnectionLost, match=r"silent for 0\.2 s"):
            await collect(client.stream("stock", "echo", {}))
        await asyncio.wait_for(servicer.left.wait(), WITHIN_S)


class Asking(a2a_pb2_grpc.A2AServiceServicer):
    """Tells of a question, at once or as news, and keeps its stream open for what comes after the answer."""

    def __init__(self, state: TaskState.ValueType) -> None:
        self.first = TaskStatus(state=state)
        self.left = asyncio.Event()

    async def SubscribeToTask(self, request: Any, context: Any) -> AsyncGenerator[StreamResponse]:
        asks = TaskStatus(state=TaskState.TASK_STATE_INPUT_REQUIRED)
        try:
            yield StreamResponse(task=Task(id="t", context_id="c", status=self.first))
            if self.first.state != TaskState.TASK_STATE_INPUT_REQUIRED:
                yield StreamResponse(status_update=TaskStatusUpdateEvent(task_id="t", context_id="c", status=asks))
            await asyncio.Event().wait()
        finally:
            self.left.set()


@pytest.mark.parametrize("first", ["TASK_STATE_WORKING", "TASK_STATE_INPUT_REQUIRED"])
async def test_a_question_ends_what_is_followed_whether_or_not_the_server_ends_its_stream(first: str):
    servicer = Asking(TaskState.Value(first))
    async with serving(servicer) as url, connect_grpc(url) as client:
        events = await collect(client.events("t"))
        await asyncio.wait_for(servicer.left.wait(), WITHIN_S)
    assert [event.state for event in events] == (["working", "input_required"] if "WORKING" in first else ["input_required"])


async def test_leaving_a_stream_ends_the_call_at_once():
    servicer = Ending(silent=True)
    async with serving(servicer) as url, connect_grpc(url) as client:
        async with aclosing(cast(AsyncGenerator[Event], client.stream("stock", "echo", {}))) as events:
            await anext(events)
        await asyncio.wait_for(servicer.left.wait(), WITHIN_S)


@dataclass
class Clerk:
    engine: TaskEngine
    url: str
    client: A2AClient
    gate: asyncio.Event
    followed: asyncio.Event
    stop: Callable[[], Awaitable[None]]


@pytest.fixture(params=CONNECT)
async def clerk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Clerk]:
    """Our own server and a client of it; `followed` is set once the server follows a task, `stop` stops the server."""
    gate, followed = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine("sqlite:///:memory:", roster(gate)))
        events = engine.events

        async def spied(task_id: str, after: int = 0) -> AsyncGenerator[Event]:
            followed.set()
            async for event in events(task_id, after):
                yield event

        monkeypatch.setattr(engine, "events", spied)
        server = await stack.enter_async_context(AsyncExitStack())
        endpoint = await server.enter_async_context(serve(engine, Bind()))
        client = await stack.enter_async_context(CONNECT[request.param](endpoint.url))
        yield Clerk(engine, endpoint.url, client, gate, followed, server.aclose)


@pytest.mark.parametrize("method", ["stream", "events", "wait", "call"])
async def test_a_server_that_stops_is_a_lost_connection_and_never_an_end(clerk: Clerk, method):
    client = clerk.client
    task = await client.submit("clerk", "work", {})
    under_way: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "stream": lambda: collect(client.stream("clerk", "work", {})),
        "events": lambda: collect(client.events(task.id)),
        "wait": lambda: client.wait(task.id),
        "call": lambda: client.call("clerk", "work", {}),
    }
    waiting = asyncio.create_task(under_way[method]())
    await asyncio.wait_for(clerk.followed.wait(), WITHIN_S)
    stopping = asyncio.create_task(clerk.stop())
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(waiting, WITHIN_S)
    await asyncio.wait_for(stopping, WITHIN_S)
    with pytest.raises(ConnectionLost):
        await client.get(task.id)
    assert not any(task.state.terminal for task in await clerk.engine.list())


async def test_an_engine_that_drains_refuses_new_tasks_and_loses_its_followers(clerk: Clerk):
    events = clerk.client.stream("clerk", "work", {})
    await anext(events)
    await cast(Any, clerk.engine).drain()
    with pytest.raises(ConnectionLost, match="shutting down"):
        await collect(events)
    with pytest.raises(Unavailable, match="shutting down"):
        await clerk.client.submit("clerk", "work", {})
    with pytest.raises(Unavailable, match="shutting down"):
        await collect(clerk.client.stream("clerk", "work", {}))


async def test_waiting_costs_one_exchange_for_a_task_that_has_ended_and_two_for_one_that_runs(clerk: Clerk):
    calls: Counter[str] = Counter()

    class Counting(ClientCallInterceptor):
        async def before(self, args: BeforeArgs) -> None:
            calls[args.method] += 1

        async def after(self, args: AfterArgs) -> None:
            pass

    for half in (clerk.client.unary, clerk.client.streaming):
        cast(Any, half)._interceptors.append(Counting())
    task = await clerk.client.submit("clerk", "work", {})
    waiting = asyncio.create_task(clerk.client.wait(task.id))
    await asyncio.wait_for(clerk.followed.wait(), WITHIN_S)
    clerk.gate.set()
    done = await asyncio.wait_for(waiting, WITHIN_S)
    assert (done.state, done.result) == ("completed", {})
    assert calls == {"send_message": 1, "get_task": 1, "subscribe": 1}
    assert await clerk.client.wait(task.id) == done
    assert calls == {"send_message": 1, "get_task": 2, "subscribe": 1}


async def test_a_quick_skill_is_not_a_task(clerk: Clerk):
    with pytest.raises(InvalidInput, match="answers at once"):
        await clerk.client.submit("clerk", "glance", {})
    with pytest.raises(InvalidInput, match="answers at once"):
        await collect(clerk.client.stream("clerk", "glance", {}))


async def test_a_long_skill_that_is_called_gives_its_result(clerk: Clerk):
    clerk.gate.set()
    assert await clerk.client.call("clerk", "work", {}) == {}


@pytest.mark.parametrize("binding", CONNECT)
async def test_what_cannot_be_reached_or_spoken_to_is_told(binding):
    connect = CONNECT[binding]
    with pytest.raises(ConnectionLost):
        async with connect("http://127.0.0.1:1"):
            pass
    with pytest.raises(InvalidInput, match="accepted: http://HOST:PORT"):
        async with connect("127.0.0.1:1"):
            pass
    async with serving(Ending(False), card=False) as url:
        with pytest.raises(NotFound, match="no agent card"):
            async with connect(url):
                pass
    async with serving(Ending(False), binding="CUSTOM") as url:
        with pytest.raises(InvalidInput, match=r"its card offers CUSTOM 1\.0"):
            async with connect(url):
                pass


async def test_a_stock_server_is_understood():
    class Executor(AgentExecutor):
        async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
            assert context.task_id
            assert context.context_id
            assert context.message
            await event_queue.enqueue_event(
                Task(
                    id=context.task_id,
                    context_id=context.context_id,
                    status=TaskStatus(state=TaskState.TASK_STATE_SUBMITTED),
                    history=[context.message],
                )
            )
            updater = TaskUpdater(event_queue, context.task_id, context.context_id)
            await updater.start_work(updater.new_agent_message([Part(text="thinking")]))
            await updater.add_artifact([Part(text="an echo")], name="echo")
            await updater.complete()

        async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
            raise NotImplementedError

    card = AgentCard(name="stock", capabilities=AgentCapabilities(streaming=True))
    handler = DefaultRequestHandler(agent_executor=Executor(), task_store=InMemoryTaskStore(), agent_card=card)
    async with serving(GrpcHandler(handler)) as url, connect_grpc(url) as client:
        (agent,) = await client.discover()
        assert (agent.name, [skill.name for skill in agent.skills]) == ("stock", ["echo"])
        events = await collect(client.stream("stock", "echo", {"x": 1}))
        bodies = [event.body for event in events]
        assert isinstance(bodies[0], Snapshot)
        assert isinstance(bodies[-1], StateChanged)
        assert events[-1].state == "completed"
        task = await client.get(bodies[0].task.id)
        assert task.artifacts[0].name == "echo"
        waited = await client.wait(task.id)
        assert (waited.id, waited.state, waited.artifacts) == (task.id, "completed", task.artifacts)
        with pytest.raises(NotFound):
            await client.get("no-such-task")
    await handler.aclose()


def test_a_result_that_a_subscription_begins_with_is_the_one_of_the_end():
    # A server that is not ours stores the result and the status that makes it one in two steps, and one may come in between.
    working, completed = (TaskStatus(state=state) for state in (TaskState.TASK_STATE_WORKING, TaskState.TASK_STATE_COMPLETED))
    result = Artifact(artifact_id=RESULT_ID, parts=[Part(text="done")])
    reader = UpdateReader()
    told = [
        *reader.read(StreamResponse(task=Task(id="1", status=working, artifacts=[result]))),
        *reader.read(StreamResponse(status_update=TaskStatusUpdateEvent(task_id="1", status=completed))),
    ]
    assert isinstance(told[-1].body, StateChanged)
    assert (told[-1].state, told[-1].body.result) == ("completed", "done")
