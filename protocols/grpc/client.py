"""The client half, on grpc.aio and the compiled messages. Its native recovery: Watch, after the last event seen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, NoReturn, TypeVar, cast

import anyio
import grpc
import grpc.aio
from google.protobuf import duration_pb2, json_format, struct_pb2
from google.protobuf.message import Message

from ...agents.errors import ConnectionLost, InvalidInput, SametaskError, Unavailable, UnknownAgent, UnknownSkill
from ...agents.events import Event, Task, TaskState
from ...proto import tasks_pb2 as pb
from ..client import AgentInfo, ClientSettings, NotOffered, outcome
from ..grpc_listening import channel
from .codec import Codec
from .discovery import reflected
from .messages import TaskReader
from .services import KEY, AgentService, Method, SkillService, agent_service
from .status import from_rpc
from .tasks import IDEMPOTENT, SERVICE

Answer = TypeVar("Answer", bound=Message)


class GrpcClient:
    def __init__(self, channel: grpc.aio.Channel, settings: ClientSettings) -> None:
        self.channel, self.settings = channel, settings
        self._codec = Codec()
        self._reader = TaskReader(self._codec)
        self._services: dict[str, AgentService | None] = {}

    async def discover(self) -> tuple[AgentInfo, ...]:
        try:
            return await reflected(self.channel, self.settings.answer_limit_s)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from None

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        compiled = await self._compiled(agent, skill)
        if not compiled.long:
            message = self._codec.encode(request, compiled.call.request)
            return self._codec.decode(await self._skill(compiled, compiled.call, message))
        return outcome(await self.wait((await self.submit(agent, skill, request)).id))

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        compiled = await self._long(agent, skill)
        assert compiled.start is not None
        message = self._codec.encode(request, compiled.start.request)
        return self._reader.task(cast(pb.Task, await self._skill(compiled, compiled.start, message, _metadata(key))))

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        compiled = await self._long(agent, skill)
        message = self._codec.encode(request, compiled.call.request)
        try:
            async with aclosing(self._follow(compiled.call.path, message, _metadata(key))) as events:
                async for event in events:
                    yield event
        except _Unimplemented:
            await self._unknown(agent, skill)

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        request = _checked(pb.WatchRequest, task_id=task_id, after=after)
        async with aclosing(self._follow(f"/{SERVICE}/Watch", request)) as events:
            async for event in events:
                yield event

    async def get(self, task_id: str) -> Task:
        return self._reader.task(await self._unary(f"/{SERVICE}/Get", _checked(pb.GetRequest, task_id=task_id), pb.Task))

    async def wait(self, task_id: str) -> Task:
        limit_s = self.settings.answer_limit_s
        timeout = None if limit_s is None else duration_pb2.Duration(seconds=max(1, int(limit_s * 0.8)))
        request = _checked(pb.WaitRequest, task_id=task_id, timeout=timeout)
        while True:
            task = self._reader.task(await self._unary(f"/{SERVICE}/Wait", request, pb.Task))
            if task.state.terminal or task.state is TaskState.INPUT_REQUIRED:
                return task

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        request = _checked(pb.AnswerRequest, task_id=task_id, request_id=request_id)
        try:
            request.answer.Pack(json_format.ParseDict(value, struct_pb2.Value()))
        except (json_format.ParseError, TypeError, ValueError):
            raise InvalidInput("answer", value, "a JSON object is accepted") from None
        await self._unary(f"/{SERVICE}/Answer", request, pb.Task)

    async def cancel(self, task_id: str) -> None:
        await self._unary(f"/{SERVICE}/Cancel", _checked(pb.CancelRequest, task_id=task_id), pb.Task)

    async def _compiled(self, agent: str, skill: str) -> SkillService:
        if agent not in self._services:
            self._services[agent] = agent_service(agent)
        service = self._services[agent]
        found = service.skills.get(skill) if service else None
        return found or await self._unknown(agent, skill)

    async def _long(self, agent: str, skill: str) -> SkillService:
        compiled = await self._compiled(agent, skill)
        if not compiled.long:
            raise InvalidInput("skill", skill, "a long skill is accepted; this one answers at once, so call it")
        return compiled

    async def _unknown(self, agent: str, skill: str) -> NoReturn:
        """Say what the server does offer, where it has no such method or none is compiled here."""
        served = {found.name: sorted(info.name for info in found.skills) for found in await self.discover()}
        if agent not in served:
            raise UnknownAgent(agent, sorted(served))
        if skill not in served[agent]:
            raise UnknownSkill(agent, skill, served[agent])
        raise NotOffered(f"agent: {agent!r} is served, but no messages are compiled here for its skill {skill!r}")

    async def _skill(
        self, compiled: SkillService, method: Method, request: Message, metadata: tuple[tuple[str, str], ...] = ()
    ) -> Message:
        try:
            return await self._unary(method.path, request, method.response, metadata)
        except _Unimplemented:
            return await self._unknown(compiled.agent, compiled.name)

    async def _unary(
        self, path: str, request: Message, response: type[Answer], metadata: tuple[tuple[str, str], ...] = ()
    ) -> Answer:
        method = self.channel.unary_unary(path, _serialized, response.FromString)
        try:
            return await method(request, timeout=self.settings.answer_limit_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise _told(error) from None
        except asyncio.CancelledError:
            _unless_asked_for()
            raise

    async def _follow(self, path: str, request: Message, metadata: tuple[tuple[str, str], ...] = ()) -> AsyncGenerator[Event]:
        call = self.channel.unary_stream(path, _serialized, pb.TaskEvent.FromString)(request, metadata=metadata)
        last: Event | None = None
        limit_s = self.settings.silence_limit_s
        try:
            while True:
                with anyio.fail_after(limit_s):
                    message = await call.read()
                if not isinstance(message, pb.TaskEvent):
                    break
                last = self._reader.event(message)
                yield last
        except grpc.aio.AioRpcError as error:
            told = _told(error)
            # One that drains once it had begun to tell is a connection lost, to be resumed elsewhere.
            raise ConnectionLost(told.message) if last and isinstance(told, Unavailable) else told from None
        except asyncio.CancelledError:
            _unless_asked_for()
            raise
        except TimeoutError:
            raise ConnectionLost(f"nothing was heard for {limit_s:g} s") from None
        finally:
            call.cancel()
        if last is not None and not last.final and last.state is not TaskState.INPUT_REQUIRED:
            raise ConnectionLost("the stream ended before the task did; the task may still be running")


class _Unimplemented(SametaskError):
    """The server has no such method."""


def _told(error: grpc.aio.AioRpcError) -> SametaskError:
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return _Unimplemented(error.details() or "the server has no such method")
    return from_rpc(error)


def _unless_asked_for() -> None:
    """grpc.aio raises CancelledError for a call that the peer has canceled, too, where nobody has canceled this task.

    Raises: ConnectionLost in that case.
    """
    task = asyncio.current_task()
    if task is not None and not task.cancelling():
        raise ConnectionLost("CANCELLED: the peer canceled the call") from None


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _checked(cls: type[Answer], **fields: Any) -> Answer:
    """The request of `fields`.

    Raises: InvalidInput, naming the first field that holds no such value.
    """
    try:
        return cls(**fields)
    except (TypeError, ValueError):
        for name, value in fields.items():
            try:
                cls(**{name: value})
            except (TypeError, ValueError) as error:
                raise InvalidInput(name, value, f"accepted: a value of the field's type ({error})") from None
        raise


def _metadata(key: str | None) -> tuple[tuple[str, str], ...]:
    """The key as metadata.

    Raises: InvalidInput for what a metadata value cannot hold.
    """
    if key is None:
        return ()
    if not re.fullmatch(r"[ -~]*", key) or key != key.strip():
        raise InvalidInput("key", key, "accepted: printable ASCII characters, without spaces around them")
    return ((KEY, key),)


@asynccontextmanager
async def connect(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[GrpcClient]:
    """A client of the gRPC server at `grpc://HOST:PORT`; it connects with its first call.

    Raises: InvalidInput when `url` is not of that form.
    """
    target = url.removeprefix("grpc://")
    if target == url or not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]]+):\d{1,5}", target):
        raise InvalidInput("url", url, "accepted: grpc://HOST:PORT")
    opened = channel(target, settings, idempotent=IDEMPOTENT)
    try:
        yield GrpcClient(opened, settings)
    finally:
        await opened.close(None)
