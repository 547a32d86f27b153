"""What every variant that speaks gRPC owes whoever runs it: health, reflection, limits, deadlines, retries, and a peer that
is gone without a word; one body for both.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
import sametask.measurements.probe as probe
from a2a.types import a2a_pb2, a2a_pb2_grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from sametask.agents import Roster, TaskEngine
from sametask.agents.errors import ConnectionLost, Unavailable
from sametask.agents.runtime import open_engine
from sametask.proto import probe_pb2, probe_pb2_grpc, tasks_pb2, tasks_pb2_grpc
from sametask.protocols.a2a.client import IDEMPOTENT as A2A_IDEMPOTENT
from sametask.protocols.client import AgentClient, ClientSettings
from sametask.protocols.grpc.tasks import IDEMPOTENT as GRPC_IDEMPOTENT
from sametask.protocols.grpc_listening import KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS, channel, service_config
from sametask.protocols.server_process import ServerOptions, server_process
from sametask.protocols.variants import Bind, Endpoint, variants

LIMIT_BYTES = 100_000
LONG: dict[str, Any] = {"steps": 1, "step_ms": 60_000}
NOT_SERVING, SERVING = health_pb2.HealthCheckResponse.NOT_SERVING, health_pb2.HealthCheckResponse.SERVING

Call = Any
"""A call of grpc.aio: awaited when unary, read when a stream."""


class Speaker:
    """One variant's messages, by its compiled stubs: no client of ours stands between the test and the wire."""

    variant: str
    service: str
    idempotent: tuple[str, ...]

    def __init__(self, opened: grpc.aio.Channel) -> None:
        self.channel = opened

    def echo(self, text: str) -> Call:
        """A quick skill, answered with `text`."""
        raise NotImplementedError

    async def start(self) -> str:
        """Begin the work of a minute; shape: the task's id."""
        raise NotImplementedError

    def wait(self, task_id: str, timeout_s: float) -> Call:
        """A unary call that ends with the task, or in time with the task as it stands."""
        raise NotImplementedError

    def follow(self, task_id: str, timeout_s: float | None = None) -> Call:
        raise NotImplementedError


class PlainGrpc(Speaker):
    variant = "grpc"
    service = "sametask.tasks.v1.Tasks"
    idempotent = GRPC_IDEMPOTENT

    def echo(self, text: str) -> Call:
        return probe_pb2_grpc.ProbeStub(self.channel).Echo(probe_pb2.EchoRequest(text=text))

    async def start(self) -> str:
        return (await probe_pb2_grpc.ProbeStub(self.channel).StartWork(probe_pb2.WorkRequest(**LONG))).id

    def wait(self, task_id: str, timeout_s: float) -> Call:
        return tasks_pb2_grpc.TasksStub(self.channel).Wait(tasks_pb2.WaitRequest(task_id=task_id), timeout=timeout_s)

    def follow(self, task_id: str, timeout_s: float | None = None) -> Call:
        return tasks_pb2_grpc.TasksStub(self.channel).Watch(tasks_pb2.WatchRequest(task_id=task_id), timeout=timeout_s)


class A2AGrpc(Speaker):
    variant = "a2a-grpc"
    service = "lf.a2a.v1.A2AService"
    idempotent = A2A_IDEMPOTENT

    def __init__(self, opened: grpc.aio.Channel) -> None:
        super().__init__(opened)
        self.stub: Any = a2a_pb2_grpc.A2AServiceStub(opened)

    def _send(self, skill: str, data: dict[str, Any], at_once: bool, timeout_s: float | None = None) -> Call:
        request = a2a_pb2.SendMessageRequest(tenant="probe")
        request.configuration.return_immediately = at_once
        request.message.message_id = f"{skill}-{id(request)}"
        request.message.role = a2a_pb2.ROLE_USER
        request.message.parts.add().data.struct_value.update({"skill": skill, "input": data})
        return self.stub.SendMessage(request, metadata=(("a2a-version", "1.0"),), timeout=timeout_s)

    def echo(self, text: str) -> Call:
        return self._send("echo", {"text": text}, at_once=False)

    async def start(self) -> str:
        return (await self._send("work", LONG, at_once=True)).task.id

    def wait(self, task_id: str, timeout_s: float) -> Call:
        # A2A waits only where it begins: this is a task of its own.
        return self._send("work", LONG, at_once=False, timeout_s=timeout_s)

    def follow(self, task_id: str, timeout_s: float | None = None) -> Call:
        request = a2a_pb2.SubscribeToTaskRequest(id=task_id)
        return self.stub.SubscribeToTask(request, metadata=(("a2a-version", "1.0"),), timeout=timeout_s)


SPEAKERS = (PlainGrpc, A2AGrpc)


class Followers:
    """How many follow a task in the engine, and when none does any more."""

    def __init__(self, engine: TaskEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = 0
        self.none = asyncio.Event()
        self._events = engine.events
        monkeypatch.setattr(engine, "events", self._counted)

    async def _counted(self, task_id: str, after: int = 0) -> AsyncGenerator[Any]:
        self.open += 1
        self.none.clear()
        try:
            async for event in self._events(task_id, after):
                yield event
        finally:
            self.open -= 1
            if not self.open:
                self.none.set()


class Unwilling(grpc.aio.ServerInterceptor):
    """Counts what is called, and refuses the first `times` calls of each method as a server that is not there would."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.called: dict[str, int] = {}

    async def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method.lstrip("/")
        self.called[method] = self.called.get(method, 0) + 1
        if self.called[method] > self.times:
            return handler

        async def refuse(request: Any, context: Any) -> None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

        make = grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        return make(refuse, handler.request_deserializer, handler.response_serializer)


class Relay:
    """Passes bytes on between its clients and `target`, until it is told to fall silent: then nothing arrives any more,
    either way, and nobody is told.
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._silent = asyncio.Event()
        self._pumps: set[asyncio.Task[None]] = set()
        self.address = ""

    def fall_silent(self) -> None:
        self._silent.set()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[Relay]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)
            await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(2**16):
                if self._silent.is_set():
                    await asyncio.Event().wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()


@dataclass
class Serving:
    speaker: Speaker
    engine: TaskEngine
    endpoint: Endpoint
    followers: Followers

    @property
    def address(self) -> str:
        return self.endpoint.listeners["grpc"]

    def client(self) -> Any:
        variant = variants()[self.speaker.variant]
        return variant.connect()(variant.address(self.endpoint.listeners))


@pytest.fixture(params=SPEAKERS, ids=lambda speaker: speaker.variant)
def speak(request: pytest.FixtureRequest) -> type[Speaker]:
    return request.param


@pytest_asyncio.fixture
async def serving(speak: type[Speaker], monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Serving]:
    async with (
        open_engine("sqlite:///:memory:", Roster([probe.agent])) as engine,
        variants()[speak.variant].serve()(engine, Bind(max_message_bytes=LIMIT_BYTES)) as endpoint,
        channel(endpoint.listeners["grpc"]) as opened,
    ):
        yield Serving(speak(opened), engine, endpoint, Followers(engine, monkeypatch))


async def code_of(call: Call) -> grpc.StatusCode:
    """The status that a call ends with, all its messages read."""
    try:
        if hasattr(call, "__aiter__"):
            while await call.read() is not grpc.aio.EOF:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_reflection_describes_every_service_down_to_its_last_message(serving):
    """A caller that has nothing but reflection can build every message of every method."""
    stub = reflection_pb2_grpc.ServerReflectionStub(serving.speaker.channel)

    async def ask(**wanted: str) -> Any:
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**wanted)]))
        (response,) = [response async for response in call]
        return response

    names = {service.name for service in (await ask(list_services="")).list_services_response.service}
    assert {serving.speaker.service, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= names
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for name in names:
        for data in (await ask(file_containing_symbol=name)).file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            files[file.name] = file
    wanted = {needed for file in files.values() for needed in file.dependency} - set(files)
    while wanted:
        for data in (await ask(file_by_filename=wanted.pop())).file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            files[file.name] = file
        wanted |= {needed for file in files.values() for needed in file.dependency} - set(files)
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()

    def add(file: descriptor_pb2.FileDescriptorProto) -> None:
        if file.name not in added:
            added.add(file.name)
            for needed in file.dependency:
                add(files[needed])
            pool.Add(file)  # pyright: ignore[reportAttributeAccessIssue]

    for file in files.values():
        add(file)
    for name in names:
        assert all(method.input_type.full_name for method in pool.FindServiceByName(name).methods)


async def test_health_tells_the_server_and_its_services_and_none_else(serving):
    health = health_pb2_grpc.HealthStub(serving.speaker.channel)
    for service in ("", serving.speaker.service):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
    assert await code_of(health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))) is grpc.StatusCode.NOT_FOUND


async def test_a_process_that_is_told_to_stop_drains(speak, tmp_path):
    """SIGTERM: health turns first, open streams end with a word, new calls are refused, and the process ends by itself."""
    options = ServerOptions(
        (variants()[speak.variant],), f"sqlite:///{tmp_path}/tasks.db", ("sametask.measurements.probe:agent",)
    )
    async with server_process(options) as server, channel(server.endpoints[speak.variant].listeners["grpc"]) as opened:
        speaker = speak(opened)
        watches = [
            health_pb2_grpc.HealthStub(opened).Watch(health_pb2.HealthCheckRequest(service=s)) for s in ("", speak.service)
        ]
        for watch in watches:
            assert (await watch.read()).status == SERVING
        following = speaker.follow(await speaker.start())
        await following.read()
        server.process.send_signal(signal.SIGTERM)
        for watch in watches:
            assert (await watch.read()).status == NOT_SERVING
        assert await code_of(speaker.echo("x")) is grpc.StatusCode.UNAVAILABLE
        assert await code_of(following) is grpc.StatusCode.UNAVAILABLE
        for watch in watches:
            watch.cancel()
        async with asyncio.timeout(20):
            assert await server.process.wait() == 0


async def test_a_message_over_the_limit_is_refused_either_way_and_one_below_it_is_not(serving):
    assert await code_of(serving.speaker.echo("x" * LIMIT_BYTES)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    async with channel(serving.address, ClientSettings(max_message_bytes=1_000)) as narrow:
        call = type(serving.speaker)(narrow).echo("x" * 2_000)
        assert await code_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
    await serving.speaker.echo("x" * (LIMIT_BYTES // 2))


async def test_a_deadline_reaches_the_wait_for_a_task(serving):
    """The task goes on, the caller has an answer in time, and nobody follows the task any more."""
    task_id = await serving.speaker.start()
    answer = await serving.speaker.wait(task_id, 0.5)
    assert answer.ByteSize()
    async with asyncio.timeout(20):
        await serving.followers.none.wait()
    assert not [task for task in await serving.engine.list() if task.state.terminal]


async def test_a_stream_past_its_deadline_ends_on_the_server_too(serving):
    task_id = await serving.speaker.start()
    assert await code_of(serving.speaker.follow(task_id, 0.3)) is grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(20):
        await serving.followers.none.wait()
    assert not (await serving.engine.get(task_id)).state.terminal


async def test_a_reader_that_leaves_is_followed_no_longer(serving):
    task_id = await serving.speaker.start()
    following = serving.speaker.follow(task_id)
    await following.read()
    following.cancel()
    async with asyncio.timeout(20):
        await serving.followers.none.wait()
    assert not (await serving.engine.get(task_id)).state.terminal


async def test_a_peer_that_is_gone_without_a_word_is_noticed_by_both_sides(serving):
    assert KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS < 5_000
    async with Relay(serving.address).listening() as relay, channel(relay.address) as opened:
        speaker = type(serving.speaker)(opened)
        task_id = await speaker.start()
        following = speaker.follow(task_id)
        await following.read()
        relay.fall_silent()
        async with asyncio.timeout(30):
            # A call of the same moment with a deadline of 5 s: that passes later than the peer is given up.
            codes = await asyncio.gather(code_of(speaker.wait(task_id, 5.0)), code_of(following))
            assert codes == [grpc.StatusCode.UNAVAILABLE] * 2
            await serving.followers.none.wait()
    assert not (await serving.engine.get(task_id)).state.terminal


@pytest.mark.parametrize(("times", "answered"), [(1, True), (2, True), (3, False)], ids=["once", "twice", "every attempt"])
async def test_what_may_be_repeated_is_tried_three_times(speak, monkeypatch, times, answered):
    unwilling = Unwilling(times)
    async with refusing(speak, unwilling, monkeypatch) as (client, task_id):
        if answered:
            assert (await client.get(task_id)).id == task_id
        else:
            with pytest.raises((Unavailable, ConnectionLost)):
                await client.get(task_id)
    repeated = {method: count for method, count in unwilling.called.items() if count > 1}
    assert repeated == {method: min(times + 1, 3) for method in repeated}
    assert set(repeated) <= set(speak.idempotent)
    assert len(repeated) == 1


async def test_what_begins_a_task_is_never_tried_again_behind_the_callers_back(speak, monkeypatch):
    unwilling = Unwilling(1)
    async with refusing(speak, unwilling, monkeypatch) as (client, _):
        before = dict(unwilling.called)
        with pytest.raises((Unavailable, ConnectionLost)):
            await client.submit("probe", "work", LONG)
    assert {method: n for method, n in unwilling.called.items() if before.get(method) != n and n > 1} == {}


@asynccontextmanager
async def refusing(
    speak: type[Speaker], unwilling: Unwilling, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[tuple[AgentClient, str]]:
    """A client of a server that refuses, and the id of a task there."""
    serve, make = variants()[speak.variant].serve(), grpc.aio.server

    def intercepted(**options: Any) -> Any:
        return make(interceptors=(unwilling,), **options)

    monkeypatch.setattr(grpc.aio, "server", intercepted)
    async with open_engine("sqlite:///:memory:", Roster([probe.agent])) as engine, serve(engine, Bind()) as endpoint:
        skill = engine.roster.skill("probe", "work")
        task = await engine.submit(skill, skill.parse(LONG))
        variant = variants()[speak.variant]
        async with variant.connect()(variant.address(endpoint.listeners)) as client:
            yield client, task.id


def test_the_service_config_names_what_may_be_repeated(speak):
    config = json.loads(service_config(speak.idempotent))
    (methods,) = config["methodConfig"]
    assert [f"{name['service']}/{name['method']}" for name in methods["name"]] == list(speak.idempotent)
    assert methods["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
