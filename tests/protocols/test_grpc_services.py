"""The compiled stubs against the server, as someone without our client would use them; and what the client makes of faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
import sametask.measurements.probe as probe
from google.protobuf import any_pb2, struct_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from pydantic import BaseModel
from sametask.agents import Agent, Roster, TaskEngine, TaskState
from sametask.agents.errors import ConnectionLost, InvalidInput, TooLarge, Unavailable, UnknownAgent, UnknownSkill
from sametask.agents.runtime import open_engine
from sametask.agents.team import team
from sametask.proto import (
    prefix_cache_pb2,
    prefix_cache_pb2_grpc,
    probe_pb2,
    probe_pb2_grpc,
    tasks_pb2,
    tasks_pb2_grpc,
)
from sametask.protocols.client import ClientSettings
from sametask.protocols.grpc.client import connect
from sametask.protocols.grpc.server import serve
from sametask.protocols.grpc_listening import channel, listen_grpc
from sametask.protocols.variants import Bind

stranger = Agent("stranger", description="has no compiled messages")


class Text(BaseModel):
    text: str


@stranger.skill
async def say(request: Text) -> Text:
    return request


@dataclass
class Stubs:
    engine: TaskEngine
    endpoint: Any
    channel: grpc.aio.Channel

    def __post_init__(self) -> None:
        self.tasks = tasks_pb2_grpc.TasksStub(self.channel)
        self.probe = probe_pb2_grpc.ProbeStub(self.channel)
        self.cache = prefix_cache_pb2_grpc.PrefixCacheStub(self.channel)

    async def asking(self) -> tasks_pb2.Task:
        """A task that waits for an answer."""
        task = await self.probe.StartWork(probe_pb2.WorkRequest(steps=2, step_ms=0, ask=True))
        return await self.tasks.Wait(tasks_pb2.WaitRequest(task_id=task.id), timeout=20)


@asynccontextmanager
async def serving(max_message_bytes: int = 2**20) -> AsyncGenerator[Stubs]:
    roster = Roster([*team().values(), probe.agent, stranger])
    async with (
        open_engine("sqlite:///:memory:", roster) as engine,
        serve(engine, Bind(max_message_bytes=max_message_bytes)) as endpoint,
        channel(endpoint.listeners["grpc"]) as opened,
    ):
        yield Stubs(engine, endpoint, opened)


@pytest_asyncio.fixture
async def stubs() -> AsyncGenerator[Stubs]:
    async with serving() as served:
        yield served


def _info(error: grpc.aio.AioRpcError) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


async def _refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_typed_call(stubs):
    asked = prefix_cache_pb2.PlanRequest(layers=32, kv_heads=8, head_dim=128, memory_bytes=2**34)
    plan = await stubs.cache.Plan(asked)
    assert isinstance(plan, prefix_cache_pb2.Plan)
    assert (plan.bytes_per_token, plan.blocks) == (131072, 8192)
    assert not plan.HasField("sequences")
    plan = await stubs.cache.Plan(prefix_cache_pb2.PlanRequest(**_fields(asked), sequence_tokens=2**20))
    assert plan.HasField("sequences")
    assert plan.sequences == 0


def _fields(message: Any) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields()}


async def test_a_stream_tells_the_task_first_and_ends_with_a_typed_result(stubs):
    call = stubs.probe.Work(probe_pb2.WorkRequest(steps=3, step_ms=0))
    events = [event async for event in call]
    assert await call.code() is grpc.StatusCode.OK
    assert (events[0].seq, events[0].task.agent, events[0].task.skill) == (0, "probe", "work")
    assert [event.seq for event in events[1:]] == list(range(1, len(events)))
    report = probe_pb2.WorkReport()
    assert events[-1].state_change.state == tasks_pb2.TASK_STATE_COMPLETED
    assert events[-1].state_change.result.Unpack(report)
    assert report.steps == 3
    assert [e.artifact.name for e in events if e.WhichOneof("body") == "artifact"] == ["mark-1", "mark-2", "mark-3"]


async def test_the_data_of_an_artifact_is_typed(stubs):
    request = prefix_cache_pb2.SimulateRequest(synthetic=prefix_cache_pb2.SyntheticTrace(request_count=10))
    artifacts = [event.artifact async for event in stubs.cache.Simulate(request) if event.WhichOneof("body") == "artifact"]
    point = prefix_cache_pb2.HitRatePoint()
    assert artifacts[0].parts[0].data.Unpack(point)
    assert point.requests == 10


async def test_watch_resumes_after_a_cursor(stubs):
    task = await stubs.asking()
    asked = [event async for event in stubs.tasks.Watch(tasks_pb2.WatchRequest(task_id=task.id))]
    assert asked[-1].state_change.state == tasks_pb2.TASK_STATE_INPUT_REQUIRED
    await stubs.tasks.Answer(
        tasks_pb2.AnswerRequest(
            task_id=task.id, request_id=task.question.request_id, answer=_packed(probe_pb2.Decision(choice="CHOICE_CONTINUE"))
        )
    )
    rest = [event async for event in stubs.tasks.Watch(tasks_pb2.WatchRequest(task_id=task.id, after=asked[-1].seq))]
    whole = [event async for event in stubs.tasks.Watch(tasks_pb2.WatchRequest(task_id=task.id))]
    assert [*asked, *rest] == whole
    assert whole[-1].state_change.state == tasks_pb2.TASK_STATE_COMPLETED
    late = [event async for event in stubs.tasks.Watch(tasks_pb2.WatchRequest(task_id=task.id, after=whole[-1].seq))]
    assert late == []


def _packed(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


async def test_an_answer_may_be_plain_json(stubs):
    task = await stubs.asking()
    value = struct_pb2.Value(struct_value=struct_pb2.Struct(fields={"choice": struct_pb2.Value(string_value="stop")}))
    answer = tasks_pb2.AnswerRequest(task_id=task.id, request_id=task.question.request_id, answer=_packed(value))
    await stubs.tasks.Answer(answer)
    done = await stubs.tasks.Wait(tasks_pb2.WaitRequest(task_id=task.id), timeout=20)
    report = probe_pb2.WorkReport()
    assert done.result.Unpack(report)
    assert (report.steps, report.answer) == (1, "stop")


@pytest.mark.parametrize("answer", [None, probe_pb2.Decision(), probe_pb2.EchoReply(text="x"), struct_pb2.Struct()])
async def test_an_answer_that_does_not_fit_leaves_the_question_open(stubs, answer):
    task = await stubs.asking()
    request = tasks_pb2.AnswerRequest(task_id=task.id, request_id=task.question.request_id)
    if answer is not None:
        request.answer.Pack(answer)
    error = await _refused(stubs.tasks.Answer(request))
    assert (error.code(), _info(error).reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")
    assert (await stubs.tasks.Get(tasks_pb2.GetRequest(task_id=task.id))).state == tasks_pb2.TASK_STATE_INPUT_REQUIRED


async def test_wait_answers_in_time_with_the_task_as_it_stands(stubs):
    task = await stubs.probe.StartWork(probe_pb2.WorkRequest(steps=1, step_ms=60_000))
    seen = await stubs.tasks.Wait(tasks_pb2.WaitRequest(task_id=task.id), timeout=0.4)
    assert seen.state in (tasks_pb2.TASK_STATE_SUBMITTED, tasks_pb2.TASK_STATE_WORKING)
    request = tasks_pb2.WaitRequest(task_id=task.id)
    for timeout_ms in (0, 1):
        request.timeout.FromMilliseconds(timeout_ms)
        assert not (await stubs.tasks.Wait(request)).HasField("result")
    request.timeout.FromMilliseconds(-1000)
    assert not (await stubs.tasks.Wait(request)).HasField("result")


async def test_a_passed_deadline_and_a_canceled_call_leave_the_task_running(stubs):
    call = stubs.probe.Work(probe_pb2.WorkRequest(steps=1, step_ms=60_000), timeout=0.3)
    events = aiter(call)
    task_id = (await anext(events)).task.id
    error = await _refused(_collect(events))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    watching = stubs.tasks.Watch(tasks_pb2.WatchRequest(task_id=task_id))
    await watching.read()
    watching.cancel()
    assert not (await stubs.engine.get(task_id)).state.terminal


async def test_cancel_answers_once_the_task_has_ended(stubs):
    task = await stubs.probe.StartWork(probe_pb2.WorkRequest(steps=1, step_ms=60_000))
    for _ in range(2):
        canceled = await stubs.tasks.Cancel(tasks_pb2.CancelRequest(task_id=task.id))
        assert canceled.state == tasks_pb2.TASK_STATE_CANCELED
    done = [event async for event in stubs.tasks.Watch(tasks_pb2.WatchRequest(task_id=task.id))][-1]
    assert done.state_change.state == tasks_pb2.TASK_STATE_CANCELED


async def test_list_tells_the_newest_first_in_pages(stubs):
    ids = [(await stubs.probe.StartWork(probe_pb2.WorkRequest(steps=1, step_ms=0))).id for _ in range(3)]
    listed = await stubs.tasks.List(tasks_pb2.ListRequest())
    assert [task.id for task in listed.tasks] == ids[::-1]
    page = await stubs.tasks.List(tasks_pb2.ListRequest(limit=1, before=ids[2]))
    assert [task.id for task in page.tasks] == [ids[1]]
    assert (await _refused(stubs.tasks.List(tasks_pb2.ListRequest(limit=0)))).code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_same_key_gives_the_same_task_in_both_forms(stubs):
    metadata = (("idempotency-key", "k"),)
    request = probe_pb2.WorkRequest(steps=1, step_ms=0)
    first = await stubs.probe.StartWork(request, metadata=metadata)
    again = await stubs.probe.StartWork(request, metadata=metadata)
    followed = [event async for event in stubs.probe.Work(request, metadata=metadata)]
    assert first.id == again.id == followed[0].task.id
    error = await _refused(stubs.probe.StartWork(probe_pb2.WorkRequest(steps=2), metadata=metadata))
    assert (error.code(), _info(error).reason) == (grpc.StatusCode.ALREADY_EXISTS, "KEY_REUSED")


async def test_an_error_carries_its_class_and_its_details(stubs):
    error = await _refused(stubs.cache.Plan(prefix_cache_pb2.PlanRequest(layers=0)))
    info = _info(error)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.details() == "layers: 0 is not accepted; input should be greater than or equal to 1 (and 3 more)"
    assert (info.reason, info.domain) == ("INVALID_INPUT", "sametask")
    assert dict(info.metadata) == {
        "field": "layers",
        "value": "0",
        "accepted": "input should be greater than or equal to 1 (and 3 more)",
    }
    error = await _refused(stubs.tasks.Get(tasks_pb2.GetRequest(task_id="none")))
    assert (error.code(), _info(error).reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_TASK")


async def test_bytes_that_are_no_message_are_the_callers_mistake(stubs):
    raw = stubs.channel.unary_unary("/sametask.prefix_cache.v1.PrefixCache/Plan")
    error = await _refused(raw(b"\xff\xff\xff"))
    assert (error.code(), _info(error).reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_INPUT")


async def test_reflection_lists_everything_that_is_served(stubs):
    stub = reflection_pb2_grpc.ServerReflectionStub(stubs.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    listed = {service.name async for response in call for service in response.list_services_response.service}
    assert listed == {
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "sametask.model_router.v1.ModelRouter",
        "sametask.moe_break_even.v1.MoeBreakEven",
        "sametask.prefix_cache.v1.PrefixCache",
        "sametask.probe.v1.Probe",
        "sametask.tasks.v1.Tasks",
    }


async def test_health_tells_each_service(stubs):
    health = health_pb2_grpc.HealthStub(stubs.channel)
    for service in ("", "sametask.tasks.v1.Tasks", "sametask.probe.v1.Probe"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    error = await _refused(health.Check(health_pb2.HealthCheckRequest(service="sametask.stranger.v1.Stranger")))
    assert error.code() is grpc.StatusCode.NOT_FOUND


async def test_an_agent_without_compiled_messages_is_left_out_and_named(stubs, caplog):
    assert stubs.endpoint.left_out == ("stranger",)
    async with connect(stubs.endpoint.url) as client:
        assert "stranger" not in {agent.name for agent in await client.discover()}
        with pytest.raises(UnknownAgent, match=r"'stranger' is not known.*moe_break_even, prefix_cache, probe"):
            await client.call("stranger", "say", {"text": "x"})


async def test_the_log_names_what_is_left_out(caplog):
    async with serving():
        assert "stranger" in caplog.text


async def test_a_compiled_agent_that_is_not_served_is_unknown():
    async with (
        open_engine("sqlite:///:memory:", team()) as engine,
        serve(engine, Bind()) as endpoint,
        connect(endpoint.url) as client,
    ):
        with pytest.raises(UnknownAgent, match="probe"):
            await client.call("probe", "echo", {"text": "x"})
        with pytest.raises(UnknownAgent, match="probe"):
            await client.submit("probe", "work", {})
        with pytest.raises(UnknownAgent, match="probe"):
            await anext(client.stream("probe", "work", {}))
        with pytest.raises(UnknownSkill, match="forget"):
            await client.call("prefix_cache", "forget", {})
        for odd in ("", "a.b", "..", "ünknown", "tasks", "a b"):
            with pytest.raises(UnknownAgent):
                await client.call(odd, "echo", {})


async def test_a_skill_is_called_as_what_it_is(stubs):
    async with connect(stubs.endpoint.url) as client:
        assert (await client.call("probe", "work", {"steps": 2, "step_ms": 0}))["steps"] == 2
        with pytest.raises(InvalidInput, match="echo"):
            await client.submit("probe", "echo", {"text": "x"})
        with pytest.raises(InvalidInput, match="echo"):
            await anext(client.stream("probe", "echo", {"text": "x"}))


@pytest.mark.parametrize(
    "mistake",
    [
        lambda c: c.submit("probe", "work", {}, key="ключ"),
        lambda c: c.submit("probe", "work", {}, key=""),
        lambda c: c.submit("probe", "work", {}, key="x" * 513),
        lambda c: c.submit("probe", "work", {"ledger": "\ud800"}),
        lambda c: c.get("\ud800"),
        lambda c: c.answer("t", "q", {"x": object()}),
        lambda c: c.answer("t", "q", {"x": float("nan")}),
        lambda c: anext(c.events("t", 2**70)),
    ],
)
async def test_what_gRPC_cannot_carry_is_refused_before_it_is_sent(stubs, mistake):
    async with connect(stubs.endpoint.url) as client:
        with pytest.raises(InvalidInput):
            await mistake(client)


async def test_a_message_over_the_limit_is_too_large_for_either_side():
    async with serving(100_000) as stubs:
        error = await _refused(stubs.probe.Echo(probe_pb2.EchoRequest(text="x" * 200_000)))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with connect(stubs.endpoint.url) as client:
            with pytest.raises(TooLarge):
                await client.call("probe", "echo", {"text": "x" * 200_000})
            assert await client.call("probe", "echo", {"text": "still there"}) == {"text": "still there"}
    async with serving() as stubs, connect(stubs.endpoint.url, ClientSettings(max_message_bytes=1000)) as client:
        with pytest.raises(TooLarge):
            await client.call("probe", "echo", {"text": "x" * 2000})


async def test_a_port_in_use_is_named(stubs):
    port = int(stubs.endpoint.listeners["grpc"].rpartition(":")[2])
    with pytest.raises(Unavailable, match=f"port: 127.0.0.1:{port} cannot be bound"):
        async with serve(stubs.engine, Bind(port=port)):
            pass


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "grpc://127.0.0.1", "grpc://:1", "grpc://h:1/x", "grpc://h:p", ""])
async def test_an_address_of_another_form_is_refused(url):
    with pytest.raises(InvalidInput, match="accepted: grpc://HOST:PORT"):
        async with connect(url):
            pass


async def test_a_server_that_drains_cuts_its_streams_and_says_so():
    roster = Roster([probe.agent])
    async with open_engine("sqlite:///:memory:", roster) as engine:
        async with connect_while_serving(engine) as (client, opened, leave):
            health = health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest())
            assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
            task = await client.submit("probe", "work", {"steps": 1, "step_ms": 60_000})
            stream = client.stream("probe", "work", {"steps": 1, "step_ms": 60_000})
            streamed = await anext(stream)
            watching = client.events(task.id)
            await anext(watching)
            waiting = asyncio.create_task(client.wait(task.id))
            plain = aiter(tasks_pb2_grpc.TasksStub(opened).Watch(tasks_pb2.WatchRequest(task_id=task.id)))
            await anext(plain)
            leave.set()
            with pytest.raises(ConnectionLost, match="shutting down"):
                await _collect(watching)
            with pytest.raises(ConnectionLost, match="shutting down"):
                await _collect(stream)
            with pytest.raises((Unavailable, ConnectionLost)):
                await waiting
            assert (await _refused(_collect(plain))).code() is grpc.StatusCode.UNAVAILABLE
            assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        for task_id in (task.id, streamed.body.task.id):
            assert not (await engine.get(task_id)).state.terminal


@asynccontextmanager
async def connect_while_serving(engine: TaskEngine) -> AsyncGenerator[Any]:
    """A client of a server that shuts down when it is told to, while the client stays."""
    leave, ready = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with serve(engine, Bind()) as endpoint:
            ready.set_result(endpoint)
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        endpoint = await ready
        async with connect(endpoint.url) as client, channel(endpoint.listeners["grpc"]) as opened:
            yield client, opened, leave


async def _collect(events: Any) -> list[Any]:
    return [event async for event in events]


async def test_a_server_that_is_gone_is_a_connection_lost():
    async with open_engine("sqlite:///:memory:", team()) as engine:
        async with serve(engine, Bind()) as endpoint:
            pass
        async with connect(endpoint.url) as client:
            for call in (client.discover(), client.get("t"), _collect(client.events("t")), client.call("nobody", "x", {})):
                with pytest.raises(ConnectionLost):
                    await call


def _foreign(behaviour: Any) -> Any:
    """Registers a Tasks service whose Get and Watch do what a test wants."""

    def register(server: grpc.aio.Server) -> list[str]:
        service = type("Foreign", (tasks_pb2_grpc.TasksServicer,), behaviour)
        tasks_pb2_grpc.add_TasksServicer_to_server(service(), server)
        return ["sametask.tasks.v1.Tasks"]

    return register


async def test_a_stream_that_ends_before_its_task_is_a_connection_lost():
    async def watch(self, request, context):
        yield tasks_pb2.TaskEvent(seq=1, state_change=tasks_pb2.StateChange(state=tasks_pb2.TASK_STATE_WORKING))

    async with listen_grpc(_foreign({"Watch": watch}), Bind()) as address, connect(f"grpc://{address}") as client:
        events = client.events("t")
        assert (await anext(events)).state is TaskState.WORKING
        with pytest.raises(ConnectionLost, match="ended before the task did"):
            await anext(events)


async def test_a_call_that_the_peer_cancels_is_a_connection_lost_and_not_a_cancellation():
    async def get(self, request, context):
        await context.abort(grpc.StatusCode.CANCELLED, "enough")

    async def watch(self, request, context):
        yield tasks_pb2.TaskEvent(seq=1, state_change=tasks_pb2.StateChange(state=tasks_pb2.TASK_STATE_WORKING))
        await context.abort(grpc.StatusCode.CANCELLED, "enough")

    served = listen_grpc(_foreign({"Get": get, "Watch": watch}), Bind())
    async with served as address, connect(f"grpc://{address}") as client:
        with pytest.raises(ConnectionLost, match="CANCELLED"):
            await client.get("t")
        with pytest.raises(ConnectionLost, match="CANCELLED"):
            await _collect(client.events("t"))


async def test_a_canceled_caller_stays_canceled():
    async def get(self, request, context):
        reached.set()
        await asyncio.Event().wait()

    async def watch(self, request, context):
        reached.set()
        await asyncio.Event().wait()
        yield

    async with listen_grpc(_foreign({"Get": get, "Watch": watch}), Bind()) as address, connect(f"grpc://{address}") as client:
        for call in (lambda: client.get("t"), lambda: _collect(client.events("t"))):
            reached = asyncio.Event()
            calling = asyncio.create_task(call())
            await reached.wait()
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling


async def test_silence_is_bounded_where_the_caller_bounds_it(stubs):
    settings = ClientSettings(idle_timeout_s=0.2, request_timeout_s=0.2)
    async with connect(stubs.endpoint.url, settings) as client:
        with pytest.raises(ConnectionLost, match=r"nothing was heard for 0\.2 s"):
            await _collect(client.stream("probe", "work", {"steps": 1, "step_ms": 60_000}))

    async def get(self, request, context):
        await asyncio.Event().wait()

    async with listen_grpc(_foreign({"Get": get}), Bind()) as address, connect(f"grpc://{address}", settings) as client:
        with pytest.raises(ConnectionLost, match="DEADLINE_EXCEEDED"):
            await client.get("t")


async def test_an_unexpected_mistake_of_the_server_is_logged_and_not_told(stubs, monkeypatch, caplog):
    async def get(task_id: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(stubs.engine, "get", get)
    error = await _refused(stubs.tasks.Get(tasks_pb2.GetRequest(task_id="t")))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "internal error: ZeroDivisionError")
    assert "secret" in caplog.text
