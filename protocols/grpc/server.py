"""The server half: the services of every agent of the roster that has compiled messages, and `Tasks`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from ...agents.contract import Origin, Skill
from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput
from ..grpc_listening import listen_grpc
from ..variants import Bind, Endpoint
from .codec import Codec, parse
from .messages import TaskWriter
from .services import KEY, AgentService, Method, SkillService, agent_service
from .status import Context, abort
from .tasks import SERVICE, TaskService

Handler = Any  # what grpc.*_rpc_method_handler gives; the same whatever the types of its messages
Answering = Callable[[bytes, Context], Awaitable[Message]]
Telling = Callable[[bytes, Context], AsyncGenerator[Message]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GrpcEndpoint(Endpoint):
    """`left_out` names the agents (`NAME`) and skills (`NAME.SKILL`) of the roster that have no compiled service."""

    left_out: tuple[str, ...] = ()


class Services:
    """What is served of a roster. Shape: `by_agent` holds the compiled service of each agent, `left_out` what has none."""

    def __init__(self, engine: TaskEngine) -> None:
        self.engine = engine
        self.codec = Codec()
        self.by_agent: dict[str, AgentService] = {}
        left_out: list[str] = []
        for agent in engine.roster.values():
            if (service := agent_service(agent.name)) is None:
                left_out.append(agent.name)
                continue
            self.by_agent[agent.name] = service
            left_out += [
                f"{agent.name}.{s.name}" for s in agent.skills.values() if self.find(agent.name, s.name, s.long) is None
            ]
        self.left_out = tuple(left_out)
        self.writer = TaskWriter(self.codec, self.find)
        self.tasks = TaskService(engine, self.codec, self.writer, self.find)

    def find(self, agent: str, skill: str, long: bool = True) -> SkillService | None:
        service = self.by_agent.get(agent)
        found = service.skills.get(skill) if service else None
        return found if found and found.long == long else None

    def register(self, server: grpc.aio.Server) -> list[str]:
        """Add every service; gives their full names."""
        names: list[str] = []
        for agent, service in self.by_agent.items():
            handlers: dict[str, Handler] = {}
            for skill in self.engine.roster[agent].skills.values():
                if (compiled := self.find(agent, skill.name, skill.long)) is None:
                    continue
                call = compiled.call.path.rpartition("/")[2]
                if compiled.start is None:
                    handlers[call] = unary(self._quick(skill, compiled))
                else:
                    handlers[call] = streaming(self._follow(skill, compiled))
                    handlers[compiled.start.path.rpartition("/")[2]] = unary(self._start(skill, compiled.start))
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))
            names.append(service.full_name)
        tasks: dict[str, Handler] = {
            "Get": unary(self.tasks.get),
            "Wait": unary(self.tasks.wait),
            "Watch": streaming(self.tasks.watch),
            "Answer": unary(self.tasks.answer),
            "Cancel": unary(self.tasks.cancel),
            "List": unary(self.tasks.list),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, tasks),))
        return [*names, SERVICE]

    def _request(self, skill: Skill, method: Method, data: bytes) -> Any:
        message = method.request()
        parse(message, data)
        return skill.parse(self.codec.decode(message, given_only=True))

    def _quick(self, skill: Skill, compiled: SkillService) -> Answering:
        async def call(data: bytes, context: Context) -> Message:
            return self.codec.encode(await skill(self._request(skill, compiled.call, data)), compiled.call.response)

        return call

    def _start(self, skill: Skill, method: Method) -> Answering:
        async def start(data: bytes, context: Context) -> Message:
            key, origin = _origin(context)
            task = await self.engine.submit(skill, self._request(skill, method, data), key=key, origin=origin)
            return self.writer.task(task)

        return start

    def _follow(self, skill: Skill, compiled: SkillService) -> Telling:
        async def follow(data: bytes, context: Context) -> AsyncGenerator[Message]:
            key, origin = _origin(context)
            task = await self.engine.submit(skill, self._request(skill, compiled.call, data), key=key, origin=origin)
            yield self.writer.first(task)
            async with aclosing(self.tasks.followed(task.id, 0)) as events:
                async for event in events:
                    yield self.writer.event(event, compiled)

        return follow


@asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[GrpcEndpoint]:
    """Serve the roster's agents over gRPC.

    Raises: Unavailable, naming the port, when it cannot be bound; InvalidInput when none of the agents has a compiled service.
    """
    services = Services(engine)
    if engine.roster and not services.by_agent:
        accepted = "the variant grpc speaks messages compiled from proto/, and there are none for it; accepted: another variant"
        raise InvalidInput("agents", ", ".join(engine.roster), accepted)
    if services.left_out:
        _log.warning("no compiled gRPC service, so not served by the variant grpc: %s", ", ".join(services.left_out))
    async with listen_grpc(services.register, bind) as address:
        try:
            yield GrpcEndpoint(f"grpc://{address}", {"grpc": address}, left_out=services.left_out)
        finally:
            services.tasks.drain()


def _origin(context: Context) -> tuple[str | None, Origin]:
    metadata = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
    key = metadata.get(KEY)
    return key, Origin(variant="grpc", caller=metadata.get("user-agent", ""), message_id=key or "")


def unary(answer: Answering) -> Handler:
    """The handler of a method; whatever `answer` raises ends the call with a status."""

    async def behaviour(data: bytes, context: Context) -> Message:
        try:
            return await answer(data, context)
        except Exception as error:  # the wall between this server and its callers, see `abort`
            return await abort(context, error)

    return cast(Any, grpc).unary_unary_rpc_method_handler(behaviour, None, _serialized)


def streaming(tell: Telling) -> Handler:
    """As `unary`, for a method that answers with a stream."""

    async def behaviour(data: bytes, context: Context) -> AsyncGenerator[Message]:
        try:
            async with aclosing(tell(data, context)) as messages:
                async for message in messages:
                    yield message
        except Exception as error:  # the wall between this server and its callers, see `abort`
            await abort(context, error)

    return cast(Any, grpc).unary_stream_rpc_method_handler(behaviour, None, _serialized)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
