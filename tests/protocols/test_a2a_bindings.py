"""One handler serves A2A's other two bindings as well, through the SDK's own dispatchers."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest
from a2a.client import Client, ClientConfig, create_client
from a2a.server.routes import create_jsonrpc_routes, create_rest_routes
from a2a.types import (
    AgentInterface,
    GetTaskRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskState,
)
from a2a.utils import errors as a2a_errors
from google.protobuf.json_format import MessageToDict
from pydantic import BaseModel, Field
from sametask.agents import Agent, Question, Roster, TaskContext
from sametask.agents.runtime import open_engine
from sametask.protocols.a2a.card import root_card
from sametask.protocols.a2a.handler import TaskHandler
from sametask.protocols.a2a.json_values import to_struct, to_value
from sametask.protocols.listening import bind_socket, host_port, listen_http
from sametask.protocols.variants import Bind
from starlette.applications import Starlette


class Sum(BaseModel):
    numbers: list[int] = Field(max_length=100)


class Total(BaseModel):
    total: int


class Agreed(BaseModel):
    yes: bool


def roster() -> Roster:
    agent = Agent("adder", description="Adds")

    @agent.skill
    async def add(request: Sum) -> Total:
        """Adds at once."""
        return Total(total=sum(request.numbers))

    @agent.skill
    async def ponder(request: Sum, task: TaskContext) -> Total:
        """Adds once it may."""
        await task.progress(1, 2, "half way")
        agreed = await task.ask(Question("May I?", Agreed))
        return Total(total=sum(request.numbers) if agreed.yes else 0)

    return Roster([agent])


@pytest.fixture(params=["JSONRPC", "HTTP+JSON"])
async def clients(request: pytest.FixtureRequest) -> AsyncGenerator[tuple[Client, Client]]:
    """A unary and a streaming client of one binding."""
    sock = bind_socket(Bind())
    path = "/rpc" if request.param == "JSONRPC" else "/rest"
    interface = AgentInterface(url=f"http://{host_port(sock)}{path}", protocol_binding=request.param, protocol_version="1.0")
    async with open_engine("sqlite:///:memory:", roster()) as engine:
        handler = TaskHandler(engine, "a2a")
        routes = [*create_jsonrpc_routes(handler, rpc_url="/rpc"), *create_rest_routes(handler, path_prefix="/rest")]
        card = root_card(engine.roster, [interface])
        async with listen_http(Starlette(routes=routes), sock), httpx.AsyncClient(timeout=20) as http:
            config = [
                ClientConfig(streaming=streaming, httpx_client=http, supported_protocol_bindings=[request.param])
                for streaming in (False, True)
            ]
            yield await create_client(card, config[0]), await create_client(card, config[1])


def ask(skill: str, numbers: list[int], key: str | None = None) -> SendMessageRequest:
    data = to_value({"skill": f"adder.{skill}", "input": {"numbers": numbers}})
    metadata = to_struct({"sametask/idempotency-key": key} if key else {})
    return SendMessageRequest(message=Message(message_id="m", role=Role.ROLE_USER, parts=[Part(data=data)], metadata=metadata))


async def test_a_quick_skill_and_a_task_with_a_question(clients: tuple[Client, Client]):
    unary, streaming = clients
    (answer,) = [r async for r in unary.send_message(ask("add", [1, 2]))]
    assert MessageToDict(answer.message.parts[0].data) == {"total": 3}
    told = [r async for r in streaming.send_message(ask("ponder", [1, 2]))]
    assert told[-1].status_update.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    task_id = told[0].task.id
    subscription = streaming.subscribe(SubscribeToTaskRequest(id=task_id))
    assert (await anext(aiter(subscription))).task.status.message.parts[0].text == "May I?"
    reply = Message(message_id="n", task_id=task_id, role=Role.ROLE_USER, parts=[Part(data=to_value({"yes": True}))])
    (done,) = [r async for r in unary.send_message(SendMessageRequest(message=reply))]
    assert MessageToDict(done.task.artifacts[0].parts[0].data) == {"total": 3}
    assert await unary.get_task(GetTaskRequest(id=task_id)) == done.task


async def test_errors_are_the_specifications(clients: tuple[Client, Client]):
    unary, streaming = clients
    with pytest.raises(a2a_errors.TaskNotFoundError, match="'none' is not known"):
        await unary.get_task(GetTaskRequest(id="none"))
    with pytest.raises(a2a_errors.InvalidParamsError, match="has no skill 'subtract'"):
        [_ async for _ in unary.send_message(ask("subtract", []))]
    with pytest.raises(a2a_errors.InvalidParamsError, match="numbers: "):
        [_ async for _ in streaming.send_message(ask("ponder", [0] * 101))]
    [_ async for _ in streaming.send_message(ask("ponder", [1], key="k"))]
    with pytest.raises(a2a_errors.InvalidParamsError, match="'k' was already used"):
        [_ async for _ in streaming.send_message(ask("ponder", [2], key="k"))]
