"""What the MCP server offers to any client of the SDK: both revisions, with and without the tasks extension."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp.types as t
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field, RootModel
from sametask.agents import Agent, Artifact, DataPart, FilePart, Question, Roster, TaskContext, TaskEngine, TextPart
from sametask.agents.errors import NotFound, TooLarge, UnknownTask
from sametask.agents.runtime import open_engine
from sametask.protocols.client import ClientSettings
from sametask.protocols.mcp.client import McpClient, connect_http, connect_over
from sametask.protocols.mcp.extras import ExtraResource, ExtraTool, Progress
from sametask.protocols.mcp.server import build_server, serve_http, serve_server_http
from sametask.protocols.mcp.wire import TASKS, GetTask, TaskIdParams
from sametask.protocols.variants import Bind, Endpoint


class Order(BaseModel):
    dishes: int = Field(default=3, le=100)
    ask: bool = False


class Bill(BaseModel):
    total: int


class Tip(BaseModel):
    percent: int


class Words(RootModel[list[str]]):
    pass


class Gate:
    """Opened by the test, so that a skill stands still exactly as long as the test needs."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()


def cafe(gate: Gate | None = None) -> Roster:
    agent = Agent("cafe", description="Serves dishes", version="7")

    @agent.skill
    async def price(request: Order) -> Bill:
        """Prices an order."""
        return Bill(total=request.dishes * 10)

    @agent.skill
    async def spell(request: Words) -> Words:
        """Spells words in capitals."""
        return Words([word.upper() for word in request.root])

    @agent.skill
    async def cook(request: Order, task: TaskContext) -> Bill:
        """Cooks an order."""
        tip = 0
        for done in range(request.dishes):
            await task.progress(done + 1, request.dishes, f"dish {done + 1}")
        if gate is not None:
            gate.reached.set()
            await gate.opened.wait()
        await task.emit(Artifact(name="menu", parts=(TextPart(text="soup"), DataPart(data={"salt": 1}))))
        await task.emit(Artifact(name="photo", parts=(FilePart(name="soup.png", media_type="image/png", base64="AAEC"),)))
        if request.ask:
            tip = (await task.ask(Question("How much tip?", Tip))).percent
        return Bill(total=request.dishes * 10 + tip)

    return Roster([agent])


@asynccontextmanager
async def served(gate: Gate | None = None, **options: Any) -> AsyncGenerator[tuple[TaskEngine, Endpoint]]:
    async with (
        open_engine("sqlite:///:memory:", cafe(gate)) as engine,
        serve_server_http(build_server(engine, **options), Bind()) as endpoint,
    ):
        yield engine, endpoint


def sdk_client(endpoint: Endpoint, mode: str, **options: Any) -> Client:
    return Client(endpoint.url, mode=mode, **options)


BOTH_REVISIONS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


@BOTH_REVISIONS
async def test_each_skill_is_a_tool_with_its_schemas(mode):
    async with served() as (engine, endpoint), sdk_client(endpoint, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        # A client of the revision that has no tasks is shown plain tools over them, too.
        plain = {f"task_{what}" for what in ("submit", "status", "result", "answer", "cancel")} if mode == "legacy" else set()
        assert set(tools) == {"cafe_price", "cafe_spell", "cafe_cook"} | plain
        price = engine.roster["cafe"].skills["price"]
        assert tools["cafe_price"].input_schema == price.input_schema
        assert tools["cafe_price"].output_schema == price.output_schema
        result = await client.call_tool("cafe_price", {"dishes": 4})
        assert result.structured_content == {"total": 40}
        assert [block.text for block in result.content if isinstance(block, t.TextContent)] == ['{"total":40}']


@BOTH_REVISIONS
async def test_a_value_that_is_not_an_object_travels_in_one_field(mode):
    async with served() as (_, endpoint), sdk_client(endpoint, mode) as client:
        result = await client.call_tool("cafe_spell", {"input": ["ab", "c"]})
        assert result.structured_content == {"result": ["AB", "C"]}


@BOTH_REVISIONS
async def test_a_bad_argument_is_a_tool_error_and_an_unknown_tool_a_protocol_error(mode):
    async with served() as (_, endpoint), sdk_client(endpoint, mode) as client:
        for tool in ("cafe_price", "cafe_cook"):
            result = await client.call_tool(tool, {"dishes": 101})
            assert result.is_error
            assert "dishes: 101 is not accepted" in str(result.content)
        with pytest.raises(MCPError, match="agent 'cafe' has no skill 'sing'") as caught:
            await client.call_tool("cafe_sing", {})
        assert (caught.value.code, caught.value.data["code"]) == (-32602, "unknown_skill")


@BOTH_REVISIONS
async def test_a_client_without_tasks_waits_and_is_told_progress(mode):
    told: list[tuple[float, float | None, str | None]] = []

    async def on_progress(done: float, total: float | None, text: str | None) -> None:
        told.append((done, total, text))

    async with served() as (_, endpoint), sdk_client(endpoint, mode) as client:
        result = await client.call_tool("cafe_cook", {"dishes": 2}, progress_callback=on_progress)
        assert result.structured_content == {"total": 20}
        if mode == "legacy":
            done, total, text = told.pop(0)
            assert (done, total) == (0, None)
            assert re.fullmatch(r"the task [0-9a-f]{32} has been submitted", text or "")
        assert told == [(1, 2, "dish 1"), (2, 2, "dish 2")]
        kinds = [block.type for block in result.content]
        assert kinds == ["text", "text", "resource", "resource"]


@BOTH_REVISIONS
async def test_a_client_without_tasks_is_asked_by_elicitation(mode):
    async def answer(context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        assert params.message == "How much tip?"
        return t.ElicitResult(action="accept", content={"percent": 5})

    async with served() as (engine, endpoint), sdk_client(endpoint, mode, elicitation_callback=answer) as client:
        result = await client.call_tool("cafe_cook", {"dishes": 1, "ask": True})
        assert result.structured_content == {"total": 15}
        assert len(await engine.list()) == 1


@BOTH_REVISIONS
async def test_a_client_that_cannot_be_asked_is_told_what_the_task_waits_for(mode):
    async with served() as (engine, endpoint), sdk_client(endpoint, mode) as client:
        result = await client.call_tool("cafe_cook", {"dishes": 1, "ask": True})
        (task,) = await engine.list()
        assert result.is_error
        assert task.id in str(result.content)
        assert "How much tip?" in str(result.content)
        assert (await engine.get(task.id)).state == "input_required"


@BOTH_REVISIONS
async def test_a_declined_question_cancels_the_task(mode):
    async def decline(context: Any, params: t.ElicitRequestParams) -> t.ElicitResult:
        return t.ElicitResult(action="decline")

    async with served() as (engine, endpoint), sdk_client(endpoint, mode, elicitation_callback=decline) as client:
        result = await client.call_tool("cafe_cook", {"dishes": 1, "ask": True})
        assert result.is_error
        assert [task.state for task in await engine.list()] == ["canceled"]


@BOTH_REVISIONS
async def test_a_caller_that_goes_away_does_not_take_the_task_with_it(mode):
    gate = Gate()
    async with served(gate) as (engine, endpoint):
        async with sdk_client(endpoint, mode) as client:
            call = asyncio.create_task(client.call_tool("cafe_cook", {"dishes": 1}))
            await gate.reached.wait()
            call.cancel()
            await asyncio.wait([call])
        async with asyncio.timeout(20):
            while not (tasks := await engine.list()):  # noqa: ASYNC110 - stored within a moment, since it has not ended
                await asyncio.sleep(0.01)
        gate.opened.set()
        (task,) = tasks
        async for _ in engine.events(task.id):
            pass
        assert (await engine.get(task.id)).state == "completed"


async def test_a_state_of_another_tools_task_is_not_accepted():
    async with served() as (engine, endpoint), sdk_client(endpoint, "2026-07-28") as client:
        with pytest.raises(MCPError) as caught:
            await client.session.call_tool("cafe_cook", {"dishes": 1}, request_state="forged", allow_input_required=True)
        assert caught.value.data["code"] == UnknownTask.code
        assert await engine.list() == []


@asynccontextmanager
async def counted(endpoint: Endpoint) -> AsyncGenerator[tuple[McpClient, list[str]]]:
    """A client of ours, and the method of each HTTP request that it has sent."""
    sent: list[str] = []

    async def note(request: httpx2.Request) -> None:
        sent.append(json.loads(request.content)["method"])

    async with httpx2.AsyncClient(event_hooks={"request": [note]}, timeout=30) as http:
        transport = streamable_http_client(endpoint.url, http_client=http)
        async with connect_over(transport, endpoint.url, ClientSettings()) as client:
            yield client, sent


async def test_a_whole_streamed_task_takes_two_requests():
    gate = Gate()
    async with served(gate) as (_, endpoint), counted(endpoint) as (client, sent):
        events = []
        async for event in client.stream("cafe", "cook", {"dishes": 3}):
            events.append(event)
            gate.opened.set()
        assert events[-1].state == "completed"
        assert sent == ["tools/call", "subscriptions/listen"]


async def test_a_task_is_told_by_another_server_of_the_same_store(tmp_path):
    gate, url = Gate(), f"sqlite:///{tmp_path}/tasks.db"
    async with open_engine(url, cafe(gate)) as first, open_engine(url, cafe(gate)) as second:
        async with serve_http(first, Bind()) as one, connect_http(one.url) as client:
            task = await client.submit("cafe", "cook", {"dishes": 1})
            await gate.reached.wait()
        async with serve_http(second, Bind()) as other, connect_http(other.url) as client:
            assert (await client.get(task.id)).state == "working"
            gate.opened.set()
            done = await client.wait(task.id)
    async with open_engine(url, cafe()) as restarted, serve_http(restarted, Bind()) as again, connect_http(again.url) as client:
        assert await client.get(task.id) == done
    assert done.result == {"total": 10}
    assert [artifact.name for artifact in done.artifacts] == ["menu", "photo"]


async def test_tasks_are_for_clients_that_declare_them_and_name_them_in_the_header():
    async with served() as (_, endpoint):
        async with connect_http(endpoint.url) as ours:
            task = await ours.submit("cafe", "cook", {"dishes": 1})
        request = GetTask(params=TaskIdParams(task_id=task.id))
        async with sdk_client(endpoint, "2026-07-28") as client:
            with pytest.raises(MCPError) as caught:
                await client.session.send_request(request, t.EmptyResult)
            assert caught.value.code == t.MISSING_REQUIRED_CLIENT_CAPABILITY
        async with sdk_client(endpoint, "legacy") as client:
            with pytest.raises(MCPError) as caught:
                await client.session.send_request(request, t.EmptyResult)
            assert caught.value.code == t.METHOD_NOT_FOUND
        body, headers = _enveloped("tasks/get", {"taskId": task.id}), _headers("tasks/get", "other")
        async with httpx2.AsyncClient() as http:
            answer = await http.post(endpoint.url, json=body, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, t.HEADER_MISMATCH)


def _headers(method: str, name: str) -> Mapping[str, str]:
    accept = "application/json, text/event-stream"
    return {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name, "Accept": accept}


def _enveloped(method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {TASKS: {}}},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}


async def test_a_header_may_have_white_space_around_its_value():
    body = json.dumps(_enveloped("tools/call", {"name": "cafe_price", "arguments": {}})).encode()
    headers = {**_headers("tools/call", "  cafe_price \t"), "Host": "localhost:1", "Content-Length": str(len(body))}
    head = "\r\n".join(["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "Connection: close"])
    async with served() as (_, endpoint):
        reader, writer = await asyncio.open_connection(*endpoint.listeners["http"].split(":"))
        writer.write(head.encode() + b"\r\nContent-Type: application/json\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["result"]["structuredContent"] == {"total": 30}


async def test_an_update_for_a_question_that_is_not_open_is_ignored():
    async with served() as (_, endpoint), connect_http(endpoint.url) as client:
        task = await client.submit("cafe", "cook", {"dishes": 1, "ask": True})
        assert (await client.wait(task.id)).state == "input_required"
        await client.answer(task.id, "never asked", {"percent": 1})
        assert (await client.get(task.id)).state == "input_required"


async def test_resources_tell_the_agents():
    async with served() as (engine, endpoint), sdk_client(endpoint, "2026-07-28") as client:
        assert [str(r.uri) for r in (await client.list_resources()).resources] == ["sametask://agents"]
        assert [r.uri_template for r in (await client.list_resource_templates()).resource_templates] == [
            "sametask://agents/{name}"
        ]
        (listed,) = (await client.read_resource("sametask://agents")).contents
        (agent,) = json.loads(listed.text)["agents"]
        assert (agent["name"], agent["version"], len(agent["skills"])) == ("cafe", "7", 3)
        (whole,) = (await client.read_resource("sametask://agents/cafe")).contents
        skills = {skill["name"]: skill for skill in json.loads(whole.text)["skills"]}
        assert skills["cook"]["input_schema"] == engine.roster["cafe"].skills["cook"].input_schema
        for uri in ("sametask://agents/bar", "sametask://nothing"):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            assert (caught.value.code, caught.value.data["uri"]) == (-32602, uri)


async def _double(request: Order, progress: Progress) -> Bill:
    await progress(1, 2, "half")
    if request.dishes == 0:
        raise NotFound("no dishes here")
    return Bill(total=1000 // (request.dishes - 1))


async def _menu(values: Mapping[str, str]) -> str:
    return json.dumps({"day": values["day"]})


EXTRA = ExtraTool("menu_double", "Doubles", Order, _double, output=Bill, read_only=True)
DAY = ExtraResource("cafe://menu/{day}", "menu", "A day's menu", _menu)


@BOTH_REVISIONS
async def test_extra_tools_and_resources_stand_beside_the_skills(mode):
    told: list[float] = []

    async def on_progress(done: float, total: float | None, text: str | None) -> None:
        told.append(done)

    options = {"extra_tools": [EXTRA], "extra_resources": [DAY]}
    async with served(**options) as (_, endpoint), sdk_client(endpoint, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        annotations = tools["menu_double"].annotations
        assert annotations is not None
        assert annotations.read_only_hint is True
        result = await client.call_tool("menu_double", {"dishes": 11}, progress_callback=on_progress)
        assert (result.structured_content, told) == ({"total": 100}, [1])
        assert [(await client.call_tool("menu_double", {"dishes": n})).is_error for n in (0, 1, 101)] == [True] * 3
        (menu,) = (await client.read_resource("cafe://menu/to%20day")).contents
        assert json.loads(menu.text) == {"day": "to day"}


@BOTH_REVISIONS
async def test_a_host_without_tasks_has_five_plain_tools(mode):
    async with served(long_tools="plain") as (_, endpoint), sdk_client(endpoint, mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"cafe_price", "cafe_spell", "task_submit", "task_status", "task_result", "task_answer", "task_cancel"}

        async def use(tool: str, arguments: dict[str, Any]) -> Any:
            return (await client.call_tool(tool, arguments)).structured_content

        order = {"agent": "cafe", "skill": "cook", "input": {"dishes": 2, "ask": True}, "key": "k"}
        task = await use("task_submit", order)
        assert (await use("task_submit", order))["id"] == task["id"]
        waiting = await use("task_result", {"task_id": task["id"]})
        assert (waiting["state"], waiting["question"]["text"]) == ("input_required", "How much tip?")
        answer = {"task_id": task["id"], "request_id": waiting["question"]["request_id"], "answer": {"percent": 3}}
        await use("task_answer", answer)
        assert (await use("task_result", {"task_id": task["id"]}))["result"] == {"total": 23}
        assert (await use("task_status", {"task_id": task["id"]}))["state"] == "completed"
        over = await client.call_tool("task_cancel", {"task_id": task["id"]})
        assert over.is_error
        assert "already completed" in str(over.content)
        quick = await client.call_tool("task_submit", {"agent": "cafe", "skill": "price", "input": {"dishes": 1}})
        assert quick.is_error
        assert "a long skill is accepted; this one answers at once" in str(quick.content)


def test_two_tools_of_one_name_are_refused():
    async def c(request: Order) -> Bill:
        return Bill(total=1)

    async def b_c(request: Order) -> Bill:
        return Bill(total=1)

    one, other = Agent("a_b", description="", version="1"), Agent("a", description="", version="1")
    one.skill(c)
    other.skill(b_c)

    class Engine:
        roster = Roster([one, other])

    with pytest.raises(ValueError, match=r"'a_b_c' would be both the skill a_b\.c and the skill a\.b_c"):
        build_server(Engine())


async def test_a_message_over_the_limit_is_told_so():
    async with (
        open_engine("sqlite:///:memory:", cafe()) as engine,
        serve_http(engine, Bind(max_message_bytes=100_000)) as endpoint,
        connect_http(endpoint.url) as client,
    ):
        with pytest.raises(TooLarge, match="at most 100000 bytes"):
            await client.call("cafe", "spell", {"input": ["x" * 3_000_000]})
        assert await client.call("cafe", "price", {"dishes": 1}) == {"total": 10}


async def test_a_notification_over_a_mebibyte_arrives():
    agent = Agent("printer", description="Prints", version="1")

    @agent.skill
    async def fill(request: Order, task: TaskContext) -> Words:
        await task.progress(1, 1)
        return Words(["x" * 2**21])

    async with (
        open_engine("sqlite:///:memory:", Roster([agent])) as engine,
        serve_http(engine, Bind()) as endpoint,
        connect_http(endpoint.url) as client,
    ):
        events = [event async for event in client.stream("printer", "fill", {})]
        assert events[-1].state == "completed"
