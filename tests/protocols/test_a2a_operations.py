"""A2A 1.0 as a stock client sees it, over each binding alike: the official SDK's client, none of ours, against our server."""

from __future__ import annotations

import asyncio
import functools
import json
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest
import pytest_asyncio
from a2a.client import Client, ClientCallContext, ClientConfig, create_client
from a2a.client.errors import A2AClientTimeoutError
from a2a.types import (
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
    a2a_pb2,
)
from a2a.utils import errors as a2a_errors
from a2a.utils.errors import A2A_ERROR_MAPPING, JSON_RPC_ERROR_CODE_MAP
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct, Value
from pydantic import BaseModel, Field
from sametask.agents import Agent, Artifact, DataPart, FilePart, Question, Rejected, Roster, TaskContext, TaskEngine, TextPart
from sametask.agents.errors import Unavailable
from sametask.agents.events import ArtifactEmitted
from sametask.agents.runtime import open_engine
from sametask.protocols.a2a.card import SKILLS_EXTENSION
from sametask.protocols.a2a.handler import TaskHandler
from sametask.protocols.a2a.server import serve, serve_handler
from sametask.protocols.variants import Bind, Endpoint

from .a2a_raw import BINDINGS, Raw, RawError, code_of, raw_of

CHATTER = 2000
JSON_RPC_INVALID_PARAMS = JSON_RPC_ERROR_CODE_MAP[a2a_errors.InvalidParamsError]
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("within_time")]


class Name(BaseModel):
    name: str = Field(max_length=20)


class Order(BaseModel):
    count: int = Field(default=1, ge=0, le=9)


class Greeting(BaseModel):
    text: str
    length: int


class Colour(BaseModel):
    colour: str


class Seat(BaseModel):
    row: int = Field(ge=1, le=30)
    window: bool = False


def agents(gate: asyncio.Event) -> Roster:
    desk, other = Agent("desk", description="A front desk", version="7"), Agent("other", description="Another")

    @desk.skill
    async def greet(request: Name) -> Greeting:
        """Greets."""
        if request.name == "nobody":
            raise Rejected("there is nobody")
        if request.name == "bug":
            raise KeyError("no such\nname")
        return Greeting(text=f"hello {request.name}", length=len(request.name))

    @desk.skill
    async def tour(request: Order, task: TaskContext) -> Greeting:
        """Shows around, and waits in the middle."""
        await task.progress(1, 3, "hall")
        await task.emit(Artifact(name="map", parts=(TextPart(text="north"),), last=False))
        await gate.wait()
        await task.emit(Artifact(name="map", parts=(DataPart(data={"floor": 2}),), append=True))
        await task.emit(Artifact(name="photo", parts=(FilePart(name="p.png", media_type="image/png", base64="AAEC"),)))
        return Greeting(text="done", length=request.count)

    @desk.skill
    async def paint(request: Order, task: TaskContext) -> Greeting:
        """Asks for a colour, in words."""
        answer = await task.ask(Question("Which colour?", Colour))
        return Greeting(text=answer.colour, length=len(answer.colour))

    @desk.skill
    async def seat(request: Order, task: TaskContext) -> Greeting:
        """Asks for a seat, twice."""
        one = await task.ask(Question("Where?", Seat))
        two = await task.ask(Question("And then?", Seat))
        return Greeting(text=f"{one.row} {two.row}", length=one.row + two.row)

    @desk.skill
    async def stumble(request: Order, task: TaskContext) -> Greeting:
        """Raises, or declines where nothing was ordered."""
        if request.count == 0:
            raise Rejected("nothing was ordered")
        raise LookupError("lost\nthe way")

    @desk.skill
    async def chatter(request: Order, task: TaskContext) -> Greeting:
        """Tells much."""
        for number in range(CHATTER):
            await task.emit(Artifact(name=f"n{number}", parts=(TextPart(text="x" * 1000),)))
        return Greeting(text="told", length=CHATTER)

    @other.skill
    async def idle(request: Order, task: TaskContext) -> Greeting:
        """Ends at once."""
        return Greeting(text="idle", length=request.count)

    return Roster([desk, other])


@dataclass
class Desk:
    engine: TaskEngine
    endpoint: Endpoint
    gate: asyncio.Event
    unary: Client
    streaming: Client
    raw: Raw

    @property
    def binding(self) -> str:
        return self.raw.binding

    def code(self, error: type[a2a_errors.A2AError]) -> Any:
        return code_of(self.binding, error)


@pytest_asyncio.fixture(loop_scope="module")
async def within_time() -> AsyncGenerator[None]:
    """A server that hangs fails its test, and not the whole run."""
    current = asyncio.current_task()
    timer = asyncio.get_running_loop().call_later(30, current.cancel) if current else None
    yield
    if timer:
        timer.cancel()


def settings(binding: str, streaming: bool) -> ClientConfig:
    return ClientConfig(
        streaming=streaming,
        supported_protocol_bindings=[binding],
        use_client_preference=True,
        grpc_channel_factory=grpc.aio.insecure_channel,
    )


@asynccontextmanager
async def opened(binding: str) -> AsyncGenerator[Desk]:
    gate = asyncio.Event()
    async with open_engine("sqlite:///:memory:", agents(gate)) as engine, serve(engine, Bind()) as endpoint:
        unary = await create_client(endpoint.url, settings(binding, False))
        streaming = await create_client(endpoint.url, settings(binding, True))
        async with unary, streaming, raw_of(binding, endpoint.listeners) as raw:
            yield Desk(engine, endpoint, gate, unary, streaming, raw)


@pytest_asyncio.fixture(loop_scope="module", params=BINDINGS)
async def desk(request: pytest.FixtureRequest) -> AsyncGenerator[Desk]:
    """A server for one test."""
    async with opened(request.param) as desk:
        yield desk


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BINDINGS)
async def open_desk(request: pytest.FixtureRequest) -> AsyncGenerator[Desk]:
    """A server for all tests that do not care what tasks there are."""
    async with opened(request.param) as desk:
        yield desk


def value(data: Any) -> Value:
    wrapped = Struct()
    wrapped.update({"value": data})
    return wrapped.fields["value"]


def message(*parts: Part, metadata: dict[str, Any] | None = None, **fields: Any) -> Message:
    given = Struct()
    given.update(metadata or {})
    return Message(**{"message_id": "m1", "role": Role.ROLE_USER, **fields}, parts=parts, metadata=given)


def ask(skill: str, data: dict[str, Any] | None = None, **fields: Any) -> SendMessageRequest:
    configuration = {name: fields.pop(name) for name in ("return_immediately", "history_length") if name in fields}
    tenant = fields.pop("tenant", "")
    return SendMessageRequest(
        tenant=tenant,
        message=message(Part(data=value({"skill": skill, "input": data or {}})), **fields),
        configuration=SendMessageConfiguration(**configuration) if configuration else None,
    )


def reply(task_id: str, *parts: Part, **fields: Any) -> SendMessageRequest:
    return SendMessageRequest(message=message(*parts, task_id=task_id, **fields))


async def sent(client: Client, request: SendMessageRequest) -> StreamResponse:
    (response,) = [response async for response in client.send_message(request)]
    return response


async def task_of(client: Client, request: SendMessageRequest) -> a2a_pb2.Task:
    response = await sent(client, request)
    assert response.HasField("task")
    return response.task


async def half_way(engine: TaskEngine, task_id: str) -> None:
    """Until `tour` has told its first half."""
    async for event in engine.events(task_id):
        if isinstance(event.body, ArtifactEmitted):
            return


def data_of(parts: Any) -> Any:
    return MessageToDict(next(part.data for part in parts if part.HasField("data")))


def state_name(task: a2a_pb2.Task) -> str:
    return TaskState.Name(task.status.state).removeprefix("TASK_STATE_")


async def test_the_root_card_lists_every_skill_of_every_agent(open_desk: Desk):
    async with httpx.AsyncClient() as http:
        response = await http.get(f"{open_desk.endpoint.url}/.well-known/agent-card.json")
        again = await http.get(response.url, headers={"If-None-Match": f'"x", {response.headers["etag"]}'})
    card = response.json()
    assert [skill["id"] for skill in card["skills"]] == [
        "desk.greet", "desk.tour", "desk.paint", "desk.seat", "desk.stumble", "desk.chatter", "other.idle",
    ]  # fmt: skip
    http_url = f"http://{open_desk.endpoint.listeners['http']}"
    assert card["supportedInterfaces"] == [
        {"url": url, "protocolBinding": binding, "protocolVersion": "1.0"}
        for url, binding in [
            (open_desk.endpoint.listeners["grpc"], "GRPC"),
            (f"{http_url}/a2a", "JSONRPC"),
            (f"{http_url}/a2a/v1", "HTTP+JSON"),
        ]
    ]
    assert card["capabilities"]["streaming"] is True
    assert (again.status_code, again.content) == (304, b"")


async def test_the_extension_carries_full_schemas(open_desk: Desk):
    card = open_desk.unary._card  # type: ignore[attr-defined]
    (extension,) = [each for each in card.capabilities.extensions if each.uri == SKILLS_EXTENSION]
    described = MessageToDict(extension.params)["agents"]
    greet = described[0]["skills"][0]
    assert (greet["id"], greet["long"]) == ("desk.greet", False)
    assert json.loads(greet["inputSchema"]) == Name.model_json_schema()
    assert json.loads(greet["outputSchema"]) == Greeting.model_json_schema(mode="serialization")


async def test_an_agents_own_card_names_it_as_the_tenant_and_its_client_reaches_it(desk: Desk):
    path = "/agents/desk/.well-known/agent-card.json"
    async with await create_client(desk.endpoint.url, settings(desk.binding, False), relative_card_path=path) as client:
        card = client._card  # type: ignore[attr-defined]
        assert (card.name, card.version, card.supported_interfaces[0].tenant) == ("desk", "7", "desk")
        response = await sent(client, ask("greet", {"name": "Ada"}))
        assert data_of(response.message.parts) == {"text": "hello Ada", "length": 3}
        with pytest.raises(a2a_errors.A2AError, match="agent 'desk' has no skill 'idle'"):
            await sent(client, ask("idle"))
        stranger = await task_of(desk.unary, ask("other.idle"))
        with pytest.raises(a2a_errors.TaskNotFoundError):
            await client.get_task(GetTaskRequest(id=stranger.id))
        assert (await client.list_tasks(ListTasksRequest())).total_size == 0


async def test_the_card_tells_the_address_it_is_told_to():
    bind = Bind(advertise={"grpc": "relay.example:4000", "http": "relay.example:80"})
    roster = agents(asyncio.Event())
    async with (
        open_engine("sqlite:///:memory:", roster) as engine,
        serve(engine, bind) as endpoint,
        httpx.AsyncClient() as http,
    ):
        card = (await http.get(f"{endpoint.url}/.well-known/agent-card.json")).json()
    urls = [interface["url"] for interface in card["supportedInterfaces"]]
    assert urls == ["relay.example:4000", "http://relay.example:80/a2a", "http://relay.example:80/a2a/v1"]


@pytest.mark.parametrize(
    "request_",
    [
        ask("desk.greet", {"name": "Ada"}),
        ask("greet", {"name": "Ada"}),
        ask("greet", {"name": "Ada"}, tenant="desk"),
        SendMessageRequest(message=message(Part(data=value({"name": "Ada"})), metadata={"sametask/skill": "desk.greet"})),
        SendMessageRequest(message=message(Part(text="Ada"), metadata={"sametask/skill": "greet"})),
    ],
    ids=["qualified", "unique name", "tenant", "metadata and data", "metadata and text"],
)
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_quick_skill_answers_with_a_message_and_stores_nothing(open_desk: Desk, request_, streaming):
    stored = await open_desk.engine.list()
    responses = [r async for r in (open_desk.streaming if streaming else open_desk.unary).send_message(request_)]
    (answer,) = [response.message for response in responses]
    assert data_of(answer.parts) == {"text": "hello Ada", "length": 3}
    assert (answer.role, answer.task_id) == (Role.ROLE_AGENT, "")
    assert answer.message_id
    assert answer.context_id
    assert await open_desk.engine.list() == stored


async def test_a_message_without_a_skill_reaches_the_only_skill_of_its_tenant(open_desk: Desk):
    task = await task_of(open_desk.unary, SendMessageRequest(tenant="other", message=message(Part(data=value({"count": 4})))))
    assert data_of(task.artifacts[0].parts) == {"text": "idle", "length": 4}


async def test_a_streamed_task_tells_progress_artifacts_and_its_result_before_its_end(desk: Desk):
    desk.gate.set()
    responses = [r async for r in desk.streaming.send_message(ask("desk.tour", {"count": 3}, context_id="trip"))]
    kinds = [response.WhichOneof("payload") for response in responses]
    assert kinds[0] == "task"
    updates = responses[1:]
    assert {getattr(r, r.WhichOneof("payload")).context_id for r in updates} == {"trip"}
    assert {getattr(r, r.WhichOneof("payload")).task_id for r in updates} == {responses[0].task.id}
    artifacts = [r.artifact_update for r in updates if r.HasField("artifact_update")]
    assert [(u.artifact.artifact_id, u.append, u.last_chunk) for u in artifacts] == [
        ("map", False, False), ("map", True, True), ("photo", False, True), ("sametask/result", False, True),
    ]  # fmt: skip
    assert (artifacts[2].artifact.parts[0].raw, artifacts[2].artifact.parts[0].media_type) == (b"\0\1\2", "image/png")
    assert (artifacts[3].artifact.name, data_of(artifacts[3].artifact.parts)) == ("result", {"text": "done", "length": 3})
    (hall,) = [r.status_update.status.message for r in updates if r.status_update.status.message.parts]
    assert hall.parts[0].text == "hall"
    assert MessageToDict(hall.metadata) == {"sametask/progress": {"done": 1, "total": 3}}
    assert kinds[-2:] == ["artifact_update", "status_update"]
    assert responses[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    assert all(not getattr(r, r.WhichOneof("payload")).metadata.fields for r in updates), "plain A2A has no numbers"


async def test_send_message_blocks_until_the_task_has_ended(desk: Desk):
    desk.gate.set()
    task = await task_of(desk.unary, ask("desk.tour"))
    assert state_name(task) == "COMPLETED"
    assert [artifact.artifact_id for artifact in task.artifacts] == ["map", "photo", "sametask/result"]
    assert [part.WhichOneof("content") for part in task.artifacts[0].parts] == ["text", "data"]


async def test_return_immediately_gives_the_handle_and_get_the_rest(desk: Desk):
    begun = await task_of(desk.unary, ask("desk.tour", return_immediately=True))
    assert state_name(begun) in ("SUBMITTED", "WORKING")
    await half_way(desk.engine, begun.id)
    working = await desk.unary.get_task(GetTaskRequest(id=begun.id))
    assert (state_name(working), working.status.message.parts[0].text) == ("WORKING", "hall")
    desk.gate.set()
    assert [event.final async for event in desk.engine.events(begun.id)][-1]
    done = await desk.unary.get_task(GetTaskRequest(id=begun.id))
    assert (state_name(done), MessageToDict(done.metadata)["sametask/skill"]) == ("COMPLETED", "desk.tour")


async def test_a_subscription_begins_with_the_task_as_it_stands(desk: Desk):
    begun = await task_of(desk.unary, ask("desk.tour", return_immediately=True))
    await half_way(desk.engine, begun.id)
    responses: list[StreamResponse] = []
    async for response in desk.streaming.subscribe(SubscribeToTaskRequest(id=begun.id)):
        responses.append(response)
        desk.gate.set()
    assert responses[0].task.status.message.parts[0].text == "hall"
    assert [artifact.artifact_id for artifact in responses[0].task.artifacts] == ["map"]
    told = [r.artifact_update.artifact.artifact_id for r in responses[1:] if r.HasField("artifact_update")]
    assert told == ["map", "photo", "sametask/result"]
    assert responses[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


async def test_a_task_that_has_ended_cannot_be_subscribed_to(open_desk: Desk):
    task = await task_of(open_desk.unary, ask("other.idle"))
    with pytest.raises(a2a_errors.UnsupportedOperationError, match="already completed"):
        [_ async for _ in open_desk.streaming.subscribe(SubscribeToTaskRequest(id=task.id))]


async def test_leaving_a_stream_leaves_the_task(desk: Desk):
    first: Any = await desk.raw.first("SendStreamingMessage", ask("desk.tour"))
    task = first.task
    await half_way(desk.engine, task.id)
    desk.gate.set()
    states = [event.state async for event in desk.engine.events(task.id)]
    assert states[-1] == "completed"


async def test_a_deadline_ends_the_waiting_and_not_the_task(open_desk: Desk):
    if open_desk.binding != "GRPC":  # HTTP tells the server no deadline: there the client alone gives up
        with pytest.raises(A2AClientTimeoutError):
            [r async for r in open_desk.unary.send_message(ask("desk.tour"), context=ClientCallContext(timeout=0.2))]
        (task,) = [task for task in await open_desk.engine.list() if not task.state.terminal and task.skill == "tour"]
        open_desk.gate.set()
        assert [event.final async for event in open_desk.engine.events(task.id)][-1]
        return
    responses = [r async for r in open_desk.unary.send_message(ask("desk.tour"), context=ClientCallContext(timeout=1.0))]
    task = responses[0].task
    assert state_name(task) == "WORKING"
    open_desk.gate.set()
    assert [event.final async for event in open_desk.engine.events(task.id)][-1]


@pytest.mark.parametrize("part", [Part(text="red"), Part(data=value({"colour": "red"}))], ids=["text", "data"])
async def test_a_question_is_answered_by_a_follow_up_with_the_task_id_alone(open_desk: Desk, part):
    asking = await task_of(open_desk.unary, ask("desk.paint", context_id="house"))
    assert state_name(asking) == "INPUT_REQUIRED"
    assert asking.status.message.parts[0].text == "Which colour?"
    assert data_of(asking.status.message.parts)["answer_schema"] == Colour.model_json_schema()
    done = await task_of(open_desk.unary, reply(asking.id, part))
    assert (done.id, done.context_id, state_name(done)) == (asking.id, "house", "COMPLETED")
    assert data_of(done.artifacts[0].parts) == {"text": "red", "length": 3}
    assert [m.role for m in done.history] == [Role.ROLE_USER, Role.ROLE_AGENT, Role.ROLE_USER]
    assert done.history[1].parts[0].text == "Which colour?"


async def test_a_question_is_answered_through_another_server_of_the_same_tasks(open_desk: Desk):
    asking = await task_of(open_desk.unary, ask("desk.paint", context_id="house"))
    async with (
        serve(open_desk.engine, Bind()) as other,
        await create_client(other.url, settings(open_desk.binding, False)) as client,
    ):
        done = await task_of(client, reply(asking.id, Part(text="red"), context_id="house"))
    assert (state_name(done), done.context_id) == ("COMPLETED", "house")


async def test_a_stream_ends_at_a_question_and_a_follow_up_stream_goes_on(open_desk: Desk):
    responses = [r async for r in open_desk.streaming.send_message(ask("desk.seat"))]
    assert responses[-1].status_update.status.state == TaskState.TASK_STATE_INPUT_REQUIRED
    task_id = responses[0].task.id
    more = [r async for r in open_desk.streaming.send_message(reply(task_id, Part(data=value({"row": 3}))))]
    assert more[-1].status_update.status.message.parts[0].text == "And then?"
    rest = [r async for r in open_desk.streaming.send_message(reply(task_id, Part(data=value({"row": 4, "window": True}))))]
    assert rest[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED
    assert data_of(rest[-2].artifact_update.artifact.parts) == {"text": "3 4", "length": 7}


async def test_a_bad_answer_is_refused_and_the_question_stays(open_desk: Desk):
    asking = await task_of(open_desk.unary, ask("desk.seat"))
    for part, said in (
        (Part(data=value({"row": 31})), "row: 31 is not accepted; a number of at most 30 is accepted"),
        (Part(data=value({})), "row: None is not accepted; field required"),
        (Part(text="row three"), r"answer: 'row three' is not accepted; accepted: a data part .* row, window"),
    ):
        with pytest.raises(a2a_errors.InvalidParamsError, match=said):
            await sent(open_desk.unary, reply(asking.id, part))
    with pytest.raises(a2a_errors.InvalidParamsError, match="contextId: 'elsewhere' is not accepted"):
        await sent(open_desk.unary, reply(asking.id, Part(data=value({"row": 3})), context_id="elsewhere"))
    assert state_name(await open_desk.unary.get_task(GetTaskRequest(id=asking.id))) == "INPUT_REQUIRED"


async def test_a_message_to_a_task_that_works_or_has_ended_is_refused(desk: Desk):
    begun = await task_of(desk.unary, ask("desk.tour", return_immediately=True))
    await half_way(desk.engine, begun.id)
    with pytest.raises(a2a_errors.UnsupportedOperationError, match="is working and asks nothing"):
        await sent(desk.unary, reply(begun.id, Part(text="faster")))
    ended = await task_of(desk.unary, ask("other.idle"))
    with pytest.raises(a2a_errors.UnsupportedOperationError, match="already completed, which is final"):
        await sent(desk.unary, reply(ended.id, Part(text="more")))
    with pytest.raises(a2a_errors.TaskNotFoundError):
        await sent(desk.unary, reply("no-such-task", Part(text="more")))


async def test_a_task_is_canceled_once_and_for_all(desk: Desk):
    begun = await task_of(desk.unary, ask("desk.tour", return_immediately=True))
    await half_way(desk.engine, begun.id)
    assert state_name(await desk.unary.cancel_task(CancelTaskRequest(id=begun.id))) == "CANCELED"
    desk.gate.set()
    assert state_name(await desk.unary.cancel_task(CancelTaskRequest(id=begun.id))) == "CANCELED"
    assert state_name(await desk.unary.get_task(GetTaskRequest(id=begun.id))) == "CANCELED"


async def test_a_terminal_state_never_changes(open_desk: Desk):
    ended = await task_of(open_desk.unary, ask("other.idle"))
    seen = await open_desk.unary.get_task(GetTaskRequest(id=ended.id))
    with pytest.raises(a2a_errors.TaskNotCancelableError, match="already completed"):
        await open_desk.unary.cancel_task(CancelTaskRequest(id=ended.id))
    for part in (Part(text="more"), Part(data=value({"skill": "other.idle", "input": {}}))):
        with pytest.raises(a2a_errors.UnsupportedOperationError):
            await sent(open_desk.unary, reply(ended.id, part))
    assert await open_desk.unary.get_task(GetTaskRequest(id=ended.id)) == seen == ended


@pytest.mark.parametrize(
    ("count", "state", "code", "said"),
    [(1, "FAILED", "skill_failed", "LookupError: lost the way"), (0, "REJECTED", "rejected", "nothing was ordered")],
)
async def test_a_task_that_ends_badly_says_why_in_its_status(open_desk: Desk, count, state, code, said):
    task = await task_of(open_desk.unary, ask("desk.stumble", {"count": count}))
    assert (state_name(task), task.status.message.parts[0].text) == (state, said)
    assert data_of(task.status.message.parts)["code"] == code
    assert list(task.artifacts) == []


A2AError = type[a2a_errors.A2AError]
UNARY_ERRORS: dict[str, tuple[Any, str, A2AError, str, str]] = {
    "unknown agent": (ask("nobody.greet"), "SendMessage", a2a_errors.InvalidParamsError, "UNKNOWN_AGENT", "NOT_FOUND"),
    "unknown skill": (ask("desk.sing"), "SendMessage", a2a_errors.InvalidParamsError, "UNKNOWN_SKILL", "NOT_FOUND"),
    "no skill": (SendMessageRequest(message=message(Part(text="hi"))), "SendMessage", a2a_errors.InvalidParamsError,
                 "INVALID_INPUT", ""),
    "bad input": (ask("desk.greet", {"name": 3}), "SendMessage", a2a_errors.InvalidParamsError, "INVALID_INPUT", ""),
    "rejected": (ask("desk.greet", {"name": "nobody"}), "SendMessage", a2a_errors.UnsupportedOperationError, "REJECTED", ""),
    "skill raised": (ask("desk.greet", {"name": "bug"}), "SendMessage", a2a_errors.InternalError, "SKILL_FAILED", ""),
    "unknown task": (GetTaskRequest(id="none"), "GetTask", a2a_errors.TaskNotFoundError, "UNKNOWN_TASK", ""),
    "unknown task to cancel": (CancelTaskRequest(id="none"), "CancelTask", a2a_errors.TaskNotFoundError, "UNKNOWN_TASK", ""),
    "no message": (SendMessageRequest(), "SendMessage", a2a_errors.InvalidParamsError, "", ""),
    "negative history": (GetTaskRequest(id="none", history_length=-1), "GetTask", a2a_errors.InvalidParamsError, "", ""),
    "push": (TaskPushNotificationConfig(task_id="t", url="http://x"), "CreateTaskPushNotificationConfig",
             a2a_errors.TaskNotFoundError, "UNKNOWN_TASK", ""),
    "push to get": (GetTaskPushNotificationConfigRequest(task_id="t", id="c"), "GetTaskPushNotificationConfig",
                    a2a_errors.TaskNotFoundError, "UNKNOWN_TASK", ""),
    "push to list": (ListTaskPushNotificationConfigsRequest(task_id="t"), "ListTaskPushNotificationConfigs",
                     a2a_errors.TaskNotFoundError, "UNKNOWN_TASK", ""),
    "push to delete": (DeleteTaskPushNotificationConfigRequest(task_id="t", id="c"), "DeleteTaskPushNotificationConfig",
                       a2a_errors.TaskNotFoundError, "UNKNOWN_TASK", ""),
    "extended card": (GetExtendedAgentCardRequest(), "GetExtendedAgentCard", a2a_errors.UnsupportedOperationError, "", ""),
    "bad page token": (ListTasksRequest(page_token="%"), "ListTasks", a2a_errors.InvalidParamsError, "INVALID_INPUT", ""),
    "bad page size": (ListTasksRequest(page_size=101), "ListTasks", a2a_errors.InvalidParamsError, "", ""),
}  # fmt: skip
"""The request, its method, A2A's error, our own code, and gRPC's status where ours is nearer than A2A's."""


@pytest.mark.parametrize("name", UNARY_ERRORS)
async def test_an_error_has_its_code_a2as_reason_and_ours(open_desk: Desk, name):
    request, method, error, ours, nearer = UNARY_ERRORS[name]
    with pytest.raises(RawError) as caught:
        await open_desk.raw.call(method, request)
    raw = caught.value
    nearer = nearer if open_desk.binding == "GRPC" else ""
    assert raw.code == (nearer or open_desk.code(error))
    assert raw.theirs == ("" if nearer else A2A_ERROR_MAPPING[error].reason)
    assert raw.ours == ours
    assert raw.message
    assert "\n" not in raw.message
    assert "Traceback" not in raw.message


async def test_an_error_carries_the_field_the_value_and_what_is_accepted(open_desk: Desk):
    with pytest.raises(RawError) as caught:
        await open_desk.raw.call("SendMessage", ask("desk.greet", {"name": 3}))
    assert (caught.value.details["field"], caught.value.details["value"]) == ("name", "3")
    assert "string" in caught.value.details["accepted"]


@pytest.mark.parametrize("error", A2A_ERROR_MAPPING, ids=lambda error: error.__name__)
@pytest.mark.parametrize("binding", BINDINGS)
async def test_every_error_of_the_specifications_table_has_its_code_on_every_binding(binding, error):
    class Raising(TaskHandler):
        async def on_get_task(self, params: GetTaskRequest, context: Any) -> Any:
            raise error("told")

        async def on_subscribe_to_task(self, params: SubscribeToTaskRequest, context: Any) -> Any:
            if params.id == "later":
                yield a2a_pb2.Task(id="later", status=a2a_pb2.TaskStatus(state=TaskState.TASK_STATE_WORKING))
            raise error("told")

    roster = agents(asyncio.Event())
    async with (
        open_engine("sqlite:///:memory:", roster) as engine,
        serve_handler(Raising(engine), roster, Bind()) as endpoint,
        raw_of(binding, endpoint.listeners) as raw,
    ):
        for call in (
            raw.call("GetTask", GetTaskRequest(id="t")),
            raw.first("SubscribeToTask", SubscribeToTaskRequest(id="t")),
            _all(raw.stream("SubscribeToTask", SubscribeToTaskRequest(id="later"))),
        ):
            with pytest.raises(RawError) as caught:
                await call
            expected = (code_of(binding, error), A2A_ERROR_MAPPING[error].reason, "told")
            assert (caught.value.code, caught.value.theirs, caught.value.message) == expected


async def _all(responses: AsyncGenerator[Any]) -> None:
    async for _ in responses:
        pass


@pytest.mark.parametrize(
    ("version", "accepted"), [("1.0", True), ("1.0.3", True), (None, False), ("0.3", False), ("2.0", False)]
)
@pytest.mark.parametrize("method", ["GetTask", "SubscribeToTask"])
async def test_the_version_is_checked(open_desk: Desk, version, accepted, method):
    task = await task_of(open_desk.unary, ask("desk.paint"))
    request = GetTaskRequest(id=task.id) if method == "GetTask" else SubscribeToTaskRequest(id=task.id)
    call = open_desk.raw.call if method == "GetTask" else open_desk.raw.first
    if accepted:
        assert await call(method, request, version)
        return
    with pytest.raises(RawError) as caught:
        await call(method, request, version)
    assert caught.value.code == open_desk.code(a2a_errors.VersionNotSupportedError)
    assert caught.value.theirs == "VERSION_NOT_SUPPORTED"


async def test_a_fault_of_ours_is_told_in_one_line(desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog):
    async def broken(_: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(desk.engine, "get", broken)
    with pytest.raises(a2a_errors.A2AError, match="internal error: ZeroDivisionError") as caught:
        await desk.unary.get_task(GetTaskRequest(id="x"))
    assert "secret" not in str(caught.value)
    assert "secret" in caplog.text


async def test_tasks_are_listed_newest_change_first_a_page_at_a_time(desk: Desk):
    ids = [(await task_of(desk.unary, ask("other.idle", context_id=f"c{n % 2}"))).id for n in range(5)]
    asking = (await task_of(desk.unary, ask("desk.paint", context_id="c0"))).id
    everything = await desk.unary.list_tasks(ListTasksRequest())
    assert [task.id for task in everything.tasks] == [asking, *reversed(ids)]
    assert (everything.total_size, everything.next_page_token) == (6, "")
    assert all(not task.artifacts for task in everything.tasks)
    seen: list[str] = []
    token = ""
    while True:
        page = await desk.unary.list_tasks(ListTasksRequest(page_size=4, page_token=token, include_artifacts=True))
        seen += [task.id for task in page.tasks]
        assert page.total_size == 6
        token = page.next_page_token
        if not token:
            break
    assert seen == [asking, *reversed(ids)]
    assert page.tasks[-1].artifacts[0].artifact_id == "sametask/result"
    one = await desk.unary.list_tasks(ListTasksRequest(context_id="c1"))
    assert [task.id for task in one.tasks] == [ids[3], ids[1]]
    open_ = await desk.unary.list_tasks(ListTasksRequest(status=TaskState.TASK_STATE_INPUT_REQUIRED))
    assert [task.id for task in open_.tasks] == [asking]
    third = await desk.unary.get_task(GetTaskRequest(id=ids[3]))
    later = await desk.unary.list_tasks(ListTasksRequest(status_timestamp_after=third.status.timestamp))
    assert [task.id for task in later.tasks] == [asking, ids[4], ids[3]]


async def test_a_history_length_is_kept(open_desk: Desk):
    asking = await task_of(open_desk.unary, ask("desk.paint"))
    await task_of(open_desk.unary, reply(asking.id, Part(text="red")))
    for length, count in ((None, 3), (2, 2), (0, 0)):
        task = await open_desk.unary.get_task(GetTaskRequest(id=asking.id, history_length=length))
        assert len(task.history) == count
    task = await task_of(open_desk.unary, ask("desk.paint", history_length=0))
    assert len(task.history) == 0


async def test_the_same_message_id_makes_two_tasks_and_the_same_key_one(open_desk: Desk):
    first, second = [await task_of(open_desk.unary, ask("other.idle", message_id="same")) for _ in range(2)]
    assert first.id != second.id
    keyed = functools.partial(ask, "other.idle", metadata={"sametask/idempotency-key": "k"})
    third, fourth = [await task_of(open_desk.unary, keyed(message_id=id_)) for id_ in ("a", "b")]
    assert third.id == fourth.id
    with pytest.raises(RawError) as caught:
        await open_desk.raw.call("SendMessage", keyed({"count": 5}))
    nearer = "ALREADY_EXISTS" if open_desk.binding == "GRPC" else open_desk.code(a2a_errors.InvalidParamsError)
    assert (caught.value.code, caught.value.ours) == (nearer, "KEY_REUSED")


@pytest.mark.parametrize(
    ("binding", "code"), [("GRPC", "RESOURCE_EXHAUSTED"), ("JSONRPC", JSON_RPC_INVALID_PARAMS), ("HTTP+JSON", 413)]
)
async def test_a_message_over_the_limit_is_refused(binding, code):
    roster = agents(asyncio.Event())
    async with (
        open_engine("sqlite:///:memory:", roster) as engine,
        serve(engine, Bind(max_message_bytes=10_000)) as endpoint,
        raw_of(binding, endpoint.listeners) as raw,
    ):
        with pytest.raises(RawError) as caught:
            await raw.call("SendMessage", ask("desk.greet", {"name": "x" * 10_000}))
        assert caught.value.code == code


async def test_health_and_reflection_know_the_service(open_desk: Desk):
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    async with grpc.aio.insecure_channel(open_desk.endpoint.listeners["grpc"]) as channel:
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="lf.a2a.v1.A2AService"))
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked)
        listed = [service.name async for answer in call for service in answer.list_services_response.service]
    assert "lf.a2a.v1.A2AService" in listed


@pytest.mark.parametrize("binding", BINDINGS)
async def test_an_open_stream_does_not_hold_up_the_shutdown_and_does_not_look_finished(binding):
    async with open_engine("sqlite:///:memory:", agents(asyncio.Event())) as engine, AsyncExitStack() as stack:
        async with serve(engine, Bind()) as endpoint:
            raw = await stack.enter_async_context(raw_of(binding, endpoint.listeners))
            responses = raw.stream("SendStreamingMessage", ask("desk.tour"))
            first: Any = await anext(responses)
            await half_way(engine, first.task.id)
        with pytest.raises(RawError) as caught:
            await _all(responses)
        if binding == "GRPC":
            assert caught.value.code == "UNAVAILABLE"
        else:
            assert caught.value.ours == "UNAVAILABLE"
        assert (await engine.get(first.task.id)).state == "working"


@pytest.mark.parametrize("listener", [0, 1], ids=["http", "grpc"])
async def test_a_port_in_use_is_named(listener):
    free, taken = _neighbours()
    port = free.getsockname()[1] + listener
    with free if listener == 0 else taken:
        (taken if listener == 0 else free).close()
        async with open_engine("sqlite:///:memory:", agents(asyncio.Event())) as engine:
            with pytest.raises(Unavailable, match=f"port: 127.0.0.1:{port} cannot be bound"):
                async with serve(engine, Bind(port=port - listener)):
                    pass


def _neighbours() -> tuple[socket.socket, socket.socket]:
    """Two sockets that hold a port and the next one."""
    while True:
        low, high = socket.socket(), socket.socket()
        low.bind(("127.0.0.1", 0))
        try:
            high.bind(("127.0.0.1", low.getsockname()[1] + 1))
        except OSError:
            low.close()
            high.close()
        else:
            low.listen()
            high.listen()
            return low, high


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b"{", -32700, "malformed JSON"),
        (b"[]", -32600, "a batch is not accepted"),
        (b"3", -32600, "int is not accepted"),
        (b'{"id": 1, "method": "GetTask"}', -32600, "accepted: '2.0'"),
        (b'{"jsonrpc": "2.0", "id": [1], "method": "GetTask"}', -32600, "id: .* accepted: a string, a number, or null"),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600, "method: None is not accepted"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tasks/get"}', -32601, "method: 'tasks/get' is not known"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": [1]}', -32602, "params: list is not accepted"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": 3}}', -32602, "id"),
        (
            b'{"jsonrpc": "2.0", "method": "SendMessage", "params": {"message": {"parts": [{"data": 1, "text": ""}]}}}',
            -32602,
            "data and text are not accepted together",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/a2a", "/a2a/"])
async def test_what_is_no_call_is_told_in_json_rpcs_words(desk: Desk, path, body, code, said):
    if desk.binding != "JSONRPC":
        return
    async with httpx.AsyncClient() as http:
        answer = (await http.post(desk.endpoint.url + path, content=body, headers={"A2A-Version": "1.0"})).json()
    assert answer["error"]["code"] == code
    assert re.search(said, answer["error"]["message"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", "/message:send", b"{", 400, "malformed JSON"),
        ("POST", "/message:send", b"[]", 400, "params: list is not accepted"),
        ("GET", "/nothing", b"", 404, "path: GET '/a2a/v1/nothing' is not known"),
        ("PUT", "/tasks/x", b"", 404, "path: PUT '/a2a/v1/tasks/x' is not known"),
        ("GET", "/tasks?pageSize=many", b"", 400, "pageSize|page_size"),
        ("GET", "/desk/tasks/none/", b"", 404, "'none' is not known"),
        ("GET", "/tasks/none?A2A-Version=1.0", b"", 404, "'none' is not known"),
    ],
)
async def test_what_is_no_operation_is_told_in_https_words(desk: Desk, method, path, body, status, said):
    if desk.binding != "HTTP+JSON":
        return
    headers = {} if "A2A-Version" in path else {"A2A-Version": "1.0"}
    async with httpx.AsyncClient() as http:
        response = await http.request(method, f"{desk.endpoint.url}/a2a/v1{path}", content=body, headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, status)
    assert re.search(said, error["message"])
    assert error["details"][0]["domain"] == "a2a-protocol.org"


async def test_a_subscriber_far_behind_gets_every_event(desk: Desk):
    """More updates than any buffer between a server and a reader that does not read holds."""
    request = ask("desk.chatter", {"count": 9})
    told = 0
    async for response in desk.raw.stream("SendStreamingMessage", request):
        if response.HasField("task"):
            task_id = response.task.id  # type: ignore[attr-defined]
            assert [event.final async for event in desk.engine.events(task_id)][-1], "it has ended before the reader goes on"
        told += response.HasField("artifact_update")
    assert told == CHATTER + 1, "each artifact, and the result"
