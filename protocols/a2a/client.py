"""The client half, on the official a2a client. Its native recovery: SubscribeToTask, and GetTask once a task has ended."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import httpx
from a2a.client import A2ACardResolver, Client, ClientCallContext
from a2a.client.errors import AgentCardResolutionError
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    Message,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
)
from a2a.utils.constants import TransportProtocol

from ...agents.errors import Conflict, ConnectionLost, InvalidInput, SametaskError, Unavailable, UnknownTask
from ...agents.events import Event, Snapshot, Task, TaskState
from ..client import AgentInfo, ClientSettings, outcome
from ..errors import from_peer
from ..grpc_listening import channel
from . import reading
from .card import IDEMPOTENCY_KEY, REQUEST_KEY, agents_of
from .json_values import fill, to_struct
from .lost import our_errors
from .transport import client_on


class A2AClient:
    """`unary` and `streaming` are the official client with one setting apart: it sends a message either way, never both."""

    def __init__(self, card: AgentCard, unary: Client, streaming: Client, settings: ClientSettings) -> None:
        self.card, self.unary, self.streaming, self.settings = card, unary, streaming, settings
        self._bounded = ClientCallContext(timeout=settings.request_timeout_s)

    async def discover(self) -> tuple[AgentInfo, ...]:
        """What the card says that `connect` has read."""
        return agents_of(self.card)

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        response = await self._send(_ask(agent, skill, request))
        if response.HasField("message"):
            return reading.result_of(response.message)
        task = reading.read_task(response.task)
        if not task.state.terminal:
            task = await self.wait(task.id)
        return outcome(task)

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        response = await self._send(_ask(agent, skill, request, key, return_immediately=True))
        return reading.read_task(_long(response, skill).task)

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        asked = _ask(agent, skill, request, key)
        async with aclosing(self._follow(self.streaming.send_message(asked), skill)) as events:
            async for event in events:
                yield event

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """`after` has no effect: A2A 1.0 section 3.1.6 has no cursor. A task that has ended cannot be subscribed to, so its
        snapshot is the one event.
        """
        if after < 0:
            raise InvalidInput("after", after, "0 or the number of an event is accepted")
        try:
            async with aclosing(self._follow(self.streaming.subscribe(SubscribeToTaskRequest(id=_named(task_id))))) as events:
                async for event in events:
                    yield event
        except Conflict:  # UnsupportedOperationError, which a server of ours explains as TaskFinished
            task = await self.get(task_id)
        else:
            return
        yield Event(seq=0, at=task.updated_at, body=Snapshot(task=task))

    async def get(self, task_id: str) -> Task:
        request = GetTaskRequest(id=_named(task_id), history_length=0)
        with our_errors():
            return reading.read_task(await self.unary.get_task(request, context=self._bounded))

    async def wait(self, task_id: str) -> Task:
        """One exchange where the task has ended or asks: GetTask. Where it is running, a second one that lasts as long as the
        work: the subscription begins with the task, and what follows completes it.
        """
        task = await self.get(task_id)
        if task.state.terminal or task.state is TaskState.INPUT_REQUIRED:
            return task
        async for event in self.events(task_id):
            task = event.body.task if isinstance(event.body, Snapshot) else reading.apply(task, event)
        return task

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        await self._send(_request(_named(task_id), {REQUEST_KEY: request_id}, value, "answer", return_immediately=True))

    async def cancel(self, task_id: str) -> None:
        with our_errors():
            await self.unary.cancel_task(CancelTaskRequest(id=_named(task_id)), context=self._bounded)

    async def _send(self, request: SendMessageRequest) -> StreamResponse:
        with our_errors():
            async for response in self.unary.send_message(request, context=self._bounded):
                return response
        raise ConnectionLost("the server ended the call without an answer")

    async def _follow(self, responses: AsyncIterator[StreamResponse], skill: str = "") -> AsyncGenerator[Event]:
        """The events of a stream up to its end, which must be the task's end or an open question.

        Raises: ConnectionLost when it ends before that, breaks, or is silent for longer than `idle_timeout_s`.
        """
        reader = reading.UpdateReader()
        state: TaskState | None = None
        async with aclosing(cast("AsyncGenerator[StreamResponse]", responses)):
            while True:
                try:
                    with our_errors():
                        async with asyncio.timeout(self.settings.idle_timeout_s):
                            response = await anext(responses)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    raise ConnectionLost(f"the stream was silent for {self.settings.idle_timeout_s} s") from None
                except Unavailable as error:
                    if state is None:
                        raise
                    # A server that drains ends its streams; the task goes on, and is followed elsewhere.
                    raise ConnectionLost(error.message) from error
                for event in reader.read(_long(response, skill)):
                    state = event.state or TaskState.WORKING
                    yield event
                    if isinstance(event.body, Snapshot) and (state.terminal or state is TaskState.INPUT_REQUIRED):
                        return
        if state is None or not (state.terminal or state is TaskState.INPUT_REQUIRED):
            raise ConnectionLost("the stream ended before the task did; the task may still be running")


@asynccontextmanager
async def connect(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[A2AClient]:
    """A client of the server whose card is at `url`: reads the card, then speaks gRPC to the address that it names.

    Raises: ConnectionLost when nobody answers at `url`; NotFound, or what else its status says, when there is no card.
    """
    card = await _card(url, settings)
    address = next(
        (i.url for i in card.supported_interfaces if i.protocol_binding == TransportProtocol.GRPC and _is_1_0(i)), None
    )
    if address is None:
        offered = ", ".join(f"{i.protocol_binding} {i.protocol_version}" for i in card.supported_interfaces)
        raise InvalidInput("url", url, f"accepted: an agent that speaks A2A 1.0 over gRPC; its card offers {offered}")
    async with channel(address, settings) as shared:
        yield A2AClient(card, client_on(shared, card, streaming=False), client_on(shared, card, streaming=True), settings)


async def _card(url: str, settings: ClientSettings) -> AgentCard:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInput("url", url, f"accepted: http://HOST:PORT ({error})") from None
    if base.scheme not in ("http", "https") or not base.host:
        raise InvalidInput("url", url, "accepted: http://HOST:PORT or https://HOST[:PORT]")
    timeout = httpx.Timeout(settings.request_timeout_s, connect=settings.connect_timeout_s)
    # Loading the certificate store costs more than a whole cold exchange, so only https pays for it.
    async with httpx.AsyncClient(timeout=timeout, verify=base.scheme == "https") as http:
        try:
            return await A2ACardResolver(http, url).get_agent_card()
        except AgentCardResolutionError as error:
            if error.status_code is not None:
                raise from_peer(f"no agent card at {url}: HTTP status {error.status_code}", http=error.status_code) from error
            if isinstance(error.__cause__, httpx.RequestError):
                raise ConnectionLost(error.message) from error
            raise SametaskError(error.message) from error


def _is_1_0(interface: Any) -> bool:
    return interface.protocol_version.split(".")[:2] == ["1", "0"]


def _ask(
    agent: str, skill: str, request: Mapping[str, Any], key: str | None = None, *, return_immediately: bool = False
) -> SendMessageRequest:
    """A request for a skill, in the first form that the card's extension declares."""
    data = {"skill": f"{agent}.{skill}", "input": dict(request)}
    return _request("", {} if key is None else {IDEMPOTENCY_KEY: key}, data, "", return_immediately)


def _request(task_id: str, metadata: Mapping[str, str], data: Any, field: str, return_immediately: bool) -> SendMessageRequest:
    # No history in the answer: what was said is known here.
    request = SendMessageRequest(
        message=Message(
            message_id=uuid.uuid4().hex,
            task_id=task_id,
            role=Role.ROLE_USER,
            metadata=to_struct(metadata) if metadata else None,
        ),
        configuration=SendMessageConfiguration(return_immediately=return_immediately, history_length=0),
    )
    fill(request.message.parts.add().data, data, field=field)
    return request


def _long(response: StreamResponse, skill: str) -> StreamResponse:
    if response.HasField("message"):
        raise InvalidInput("skill", skill, "a long skill is accepted; this one answers at once, so call it")
    return response


def _named(task_id: str) -> str:
    if not task_id:
        raise UnknownTask(task_id)  # A2A would call it a missing field
    return task_id
