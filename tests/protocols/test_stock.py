"""The stock rows: what they claim, they do; what they lack is what their library does, and nobody's adapter hides it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel
from sametask.agents import Agent, Roster, TaskContext
from sametask.agents.errors import ConnectionLost, InvalidInput, SametaskError, Unavailable, UnknownTask
from sametask.agents.events import ArtifactEmitted, Event, Progress, Snapshot, StateChanged, Task, TaskState
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.client import AgentClient, ClientSettings, NotOffered
from sametask.protocols.server_process import ServerOptions, server_process
from sametask.protocols.variants import Bind, variants

from .conftest import TEAM

STOCK = {name: variant for name, variant in variants().items() if variant.stock_of}
WITH_TASKS = [name for name, variant in STOCK.items() if "tasks" not in variant.lacks]
PLAN = {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 2**34}
SIMULATE = {"synthetic": {"request_count": 3000}}
ASKING = {"synthetic": {"request_count": 500}, "capacity_blocks": 20, "confirm": True}
PROBE = ("sametask.measurements.probe:agent",)

Open = Callable[[], AbstractAsyncContextManager[AgentClient]]


@asynccontextmanager
async def serving(name: str, roster: Roster | None = None) -> AsyncGenerator[tuple[Open, Roster]]:
    """Yields what opens a client of that row, and what it serves."""
    chosen = roster or load_roster(TEAM)
    async with (
        asyncio.timeout(60),
        open_engine("sqlite:///:memory:", chosen) as engine,
        STOCK[name].serve()(engine, Bind()) as endpoint,
    ):
        yield lambda: STOCK[name].connect()(STOCK[name].address(endpoint.listeners)), chosen
        assert await engine.list() == [], "a stock row has no durable runtime underneath"


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


async def begun(client: AgentClient, task_id: str) -> Task:
    """The task once it is no longer `submitted`: a2a-sdk answers before its store has heard that the work began."""
    async with asyncio.timeout(60):
        while (task := await client.get(task_id)).state is TaskState.SUBMITTED:
            pass
    return task


async def ended(client: AgentClient, task_id: str) -> Task:
    """The task once it has ended. a2a-sdk acknowledges an answer before its executor has taken it: until then it still asks.
    Its subscription may miss an update between its first message, the task, and its beginning: the task is looked at again.
    """
    while not (await client.wait(task_id)).state.terminal:
        pass
    return await client.get(task_id)


async def test_the_rows_are_labelled_and_name_what_they_are_compared_with():
    known = variants()
    assert set(STOCK) == {"stock-fastapi", "stock-fastmcp", "stock-a2a-grpc", "stock-a2a-jsonrpc", "stock-a2a-grpc-db"}
    assert list(known)[-len(STOCK) :] == list(STOCK), "they stand last"
    for variant in STOCK.values():
        assert variant.title.startswith("stock: ")
        assert not known[variant.stock_of].stock_of
        assert all(variant.lacks.values()), "each with the library's reason"


@pytest.mark.parametrize("name", STOCK)
async def test_it_tells_and_answers_the_same_agents(name: str):
    async with serving(name) as (connect, roster), connect() as client:
        found = {agent.name: agent for agent in await client.discover()}
        if "agents_told" in STOCK[name].lacks:
            assert {skill.name for skill in found[""].skills} == {f"{each.agent}_{each.name}" for each in roster.skills()}
        else:
            told = {(agent.name, s.name, s.long, s.description) for agent in found.values() for s in agent.skills}
            assert told == {(each.agent, each.name, each.long, each.description) for each in roster.skills()}
        plan = roster.skill("prefix_cache", "plan")
        requests = [{**PLAN, "memory_bytes": 2**30 + n * 2**24} for n in range(10)]
        results = await asyncio.gather(*(client.call("prefix_cache", "plan", request) for request in requests))
        assert results == [await plan(plan.parse(request)) for request in requests]
        assert (await client.call("prefix_cache", "simulate", SIMULATE))["requests"] == 3000


@pytest.mark.parametrize("name", STOCK)
async def test_a_streamed_skill_is_told_to_its_end(name: str):
    async with serving(name) as (connect, _), connect() as client:
        events = await collect(client.stream("prefix_cache", "simulate", SIMULATE))
        assert [event.body.done for event in events if isinstance(event.body, Progress)] == [1000, 2000, 3000]
        assert sum(isinstance(event.body, ArtifactEmitted) for event in events) == 3
        last = events[-1].body
        assert isinstance(last, StateChanged)
        assert last.state is TaskState.COMPLETED
        assert last.result == await client.call("prefix_cache", "simulate", SIMULATE)
        assert isinstance(events[0].body, Snapshot) is ("tasks" not in STOCK[name].lacks)


@pytest.mark.parametrize("name", WITH_TASKS)
async def test_a_task_is_waited_for_answered_and_canceled_by_its_id(name: str):
    async with serving(name) as (connect, _), connect() as client:
        task = await client.wait((await client.submit("prefix_cache", "simulate", ASKING)).id)
        assert task.state is TaskState.INPUT_REQUIRED
        assert task.question is not None
        assert "grow to" in task.question.text
        await client.answer(task.id, task.question.request_id, {"choice": "evict"})
        done = await ended(client, task.id)
        assert (done.state, done.result["capacity_blocks"]) == (TaskState.COMPLETED, 20)

        other = await client.wait((await client.submit("prefix_cache", "simulate", ASKING)).id)
        await client.cancel(other.id)
        assert (await client.get(other.id)).state is TaskState.CANCELED
        with pytest.raises(UnknownTask):
            await client.get("no-such-task")


@pytest.mark.parametrize("name", WITH_TASKS)
async def test_a_wrong_answer_leaves_the_question_open(name: str):
    async with serving(name) as (connect, _), connect() as client:
        task = await client.wait((await client.submit("prefix_cache", "simulate", ASKING)).id)
        assert task.question is not None
        if "answer_errors" in STOCK[name].lacks:
            await client.answer(task.id, task.question.request_id, {"choice": "sideways"})
        else:
            with pytest.raises(InvalidInput, match="sideways"):
                await client.answer(task.id, task.question.request_id, {"choice": "sideways"})
        assert (await client.wait(task.id)).state is TaskState.INPUT_REQUIRED
        await client.answer(task.id, task.question.request_id, {"choice": "evict"})
        assert (await ended(client, task.id)).state is TaskState.COMPLETED


@pytest.mark.parametrize("name", STOCK)
async def test_a_mistake_is_an_error_of_one_line(name: str):
    async with serving(name) as (connect, _), connect() as client:
        for mistake in (
            client.call("prefix_cache", "plan", {**PLAN, "layers": 0}),
            client.call("prefix_cache", "plan", {**PLAN, "tensor_parallel": 3}),
            client.call("nobody", "plan", {}),
        ):
            with pytest.raises(SametaskError) as raised:
                await mistake
            assert raised.value.message
            assert "\n" not in raised.value.message
        assert (await client.call("prefix_cache", "plan", PLAN))["blocks"] > 0


async def test_without_an_id_nothing_is_offered_by_id():
    async with serving("stock-fastmcp") as (connect, _), connect() as client:
        for asked in (
            client.submit("prefix_cache", "simulate", SIMULATE),
            collect(client.events("x")),
            client.get("x"),
            client.wait("x"),
            client.answer("x", "q", {}),
            client.cancel("x"),
            collect(client.stream("prefix_cache", "simulate", SIMULATE, key="k")),
        ):
            with pytest.raises(NotOffered, match="no id"):
                await asked
        with pytest.raises(SametaskError, match="Elicitation not supported"):
            await client.call("prefix_cache", "simulate", ASKING)


async def test_fastmcp_asks_within_its_call_as_its_protocol_does():
    """MCP 2026-07-28: the call is answered with what is asked, and made again with the answer."""
    import mcp.types as t
    from mcp import Client

    async def choose(context: Any, params: Any) -> t.ElicitResult:
        assert "grow to" in params.message
        return t.ElicitResult(action="accept", content={"choice": "evict"})

    async with (
        open_engine("sqlite:///:memory:", load_roster(TEAM)) as engine,
        STOCK["stock-fastmcp"].serve()(engine, Bind()) as endpoint,
        Client(endpoint.url, elicitation_callback=choose) as client,
    ):
        result = await client.call_tool("prefix_cache_simulate", ASKING)
    assert result.structured_content is not None
    assert result.structured_content["capacity_blocks"] == 20


@pytest.mark.parametrize("name", WITH_TASKS)
async def test_a_key_is_not_known_and_that_is_not_hidden(name: str):
    async with serving(name) as (connect, _), connect() as client:
        if STOCK[name].protocol == "rest":
            with pytest.raises(NotOffered, match="idempotency"):
                await client.submit("prefix_cache", "simulate", SIMULATE, key="order 1")
            return
        first = await client.submit("prefix_cache", "simulate", SIMULATE, key="order 1")
        again = await client.submit("prefix_cache", "simulate", SIMULATE, key="order 1")
        assert first.id != again.id


class Text(BaseModel):
    text: str


@pytest.mark.parametrize("name", STOCK)
async def test_who_leaves_a_stream_stops_the_work_only_where_it_has_no_id(name: str):
    started, stopped, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    agent = Agent("slow", description="Works until it is told to end.")

    @agent.skill
    async def work(request: Text, task: TaskContext) -> Text:
        try:
            await task.progress(1, 2)
            started.set()
            await go_on.wait()
        except asyncio.CancelledError:
            stopped.set()
            raise
        return request

    async with serving(name, Roster([agent])) as (connect, _):
        async with connect() as client:
            events = cast("AsyncGenerator[Event]", client.stream("slow", "work", {"text": "x"}))
            async with aclosing(events):
                first = await anext(events)
                await started.wait()
        if "tasks" in STOCK[name].lacks:
            await stopped.wait()
            return
        assert isinstance(first.body, Snapshot)
        async with connect() as client:
            assert (await begun(client, first.body.task.id)).state is TaskState.WORKING
            assert not stopped.is_set()
            go_on.set()
            assert (await ended(client, first.body.task.id)).result == {"text": "x"}


@pytest.mark.parametrize("name", WITH_TASKS)
async def test_a_task_does_not_outlive_its_server(name: str, tmp_path: Path):
    """With a database its row does: it says `working` for ever, and a follower hears nothing more."""
    variant = STOCK[name]
    assert "survives_restart" in variant.lacks
    options = ServerOptions((variant,), f"sqlite:///{tmp_path}/tasks.db", PROBE)
    async with asyncio.timeout(60):
        async with server_process(options) as server, variant.connect()(server.endpoints[name].url) as client:
            task = await client.submit("probe", "work", {"steps": 1, "step_ms": 60_000})
            assert (await begun(client, task.id)).state is TaskState.WORKING
            await server.kill()
        settings = ClientSettings(idle_timeout_s=0.5)
        async with server_process(options) as again, variant.connect()(again.endpoints[name].url, settings) as client:
            if not variant.server.endswith("_database"):
                with pytest.raises(UnknownTask):
                    await client.get(task.id)
                return
            assert (await client.get(task.id)).state is TaskState.WORKING
            events = client.events(task.id)
            assert (await anext(events)).state is TaskState.WORKING
            with pytest.raises(ConnectionLost, match="silent"):
                await anext(events)


async def test_a_row_whose_library_is_not_installed_says_so_and_nothing_else_needs_it():
    absent = replace(STOCK["stock-fastmcp"], needs=("json", "no_such_library"))
    told = "no_such_library is not installed; pip install 'sametask[stock]' brings it"
    assert absent.missing == told
    with pytest.raises(Unavailable) as raised:
        absent.serve()
    assert raised.value.message == f"stock-fastmcp: {told}"
    assert [variant.missing for variant in variants().values()] == [""] * len(variants())


WITHOUT = (
    "import sys\n"
    "sys.modules.update(dict.fromkeys(('fastmcp', 'sqlalchemy', 'aiosqlite')))\n"
    "from sametask.console.main import main\n"
    "main()"
)


ABSENT = {
    "stock-fastmcp": "fastmcp",
    "stock-a2a-grpc-db": "sqlalchemy and aiosqlite",
    "stock-a2a-grpc": "",
    "stock-fastapi": "",
}


@pytest.mark.parametrize(("name", "absent"), ABSENT.items())
async def test_without_the_extra_a_server_runs_or_says_what_it_needs(name: str, absent: str):
    serve = ("serve", "--protocol", name, "--port", "0", "--engine", "sqlite:///:memory:", "--json", "--until-stdin-closes")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", WITHOUT, *serve),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(b"")
    said = json.loads(out)
    if absent:
        told = f"{name}: {absent} is not installed; pip install 'sametask[stock]' brings it"
        assert (process.returncode, said["error"]["message"]) == (2, told)
    else:
        assert (process.returncode, list(said["ready"])) == (0, [name])
    assert err == b""
