"""The client half, on the official a2a client. Its native recovery: SubscribeToTask, and GetTask once a task has ended."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
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
    TaskPushNotificationConfig,
)
from a2a.utils.constants import VERSION_HEADER, TransportProtocol

from ...agents.errors import Conflict, ConnectionLost, InvalidInput, SametaskError, Unavailable, UnknownTask
from ...agents.events import Event, Snapshot, Task, TaskState
from ..client import AgentInfo, ClientSettings, outcome
from ..errors import from_peer
from ..grpc_listening import channel
from ..library_timeouts import scale_timeouts
from . import reading
from .card import IDEMPOTENCY_KEY, PROTOCOL_VERSION, REQUEST_KEY, agents_of
from .json_values import fill, to_struct
from .lost import our_errors
from .transport import grpc_client, http_client

ENDING_S = 0.25
"""How long a stream is read on after the task's end or a question, seconds. A2A leaves it to the server whether a question ends
the stream: where it does, the connection is free for the answer; where it does not, nothing more is to come until the answer.
"""

IDEMPOTENT = tuple(f"lf.a2a.v1.A2AService/{method}" for method in ("GetTask", "ListTasks", "CancelTask"))
"""Unary methods that may be called again without a thought (A2A 1.0 section 3.3.1); SendMessage is not one of them."""


class A2AClient:
    """`unary` and `streaming` are the official client with one setting apart: it sends a message either way, never both."""

    def __init__(self, card: AgentCard, unary: Client, streaming: Client, settings: ClientSettings) -> None:
        self.card, self.unary, self.streaming, self.settings = card, unary, streaming, settings

    def _context(self, timeout_s: float | None = None, after: int | None = None) -> ClientCallContext:
        """What goes with a call beside its message. `after`: the last event that was seen, where the call can say so."""
        return ClientCallContext(timeout=timeout_s)

    @property
    def _bounded(self) -> ClientCallContext:
        return self._context(self.settings.answer_limit_s)

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
        async with aclosing(self._follow(self.streaming.send_message(asked, context=self._context(after=0)), skill)) as events:
            async for event in events:
                yield event

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """`after` has no effect: A2A 1.0 section 3.1.6 has no cursor. A task that has ended cannot be subscribed to, so its
        snapshot is the one event.
        """
        if after < 0:
            raise InvalidInput("after", after, "0 or the number of an event is accepted")
        try:
            async with aclosing(self._subscribed(task_id, after)) as events:
                async for event in events:
                    yield event
        except Conflict:  # UnsupportedOperationError, which a server of ours explains as TaskFinished
            task = await self.get(task_id)
        else:
            return
        yield Event(seq=0, at=task.updated_at, body=Snapshot(task=task))

    def _subscribed(self, task_id: str, after: int) -> AsyncGenerator[Event]:
        request = SubscribeToTaskRequest(id=_named(task_id))
        return self._follow(self.streaming.subscribe(request, context=self._context(after=after)), after=after)

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
        async for event in self.events(task_id, task.last_seq):
            task = event.body.task if isinstance(event.body, Snapshot) else reading.apply(task, event)
        return task

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        await self._send(_request(_named(task_id), {REQUEST_KEY: request_id}, value, "answer", return_immediately=True))

    async def cancel(self, task_id: str) -> None:
        with our_errors():
            await self.unary.cancel_task(CancelTaskRequest(id=_named(task_id)), context=self._bounded)

    async def create_webhook(self, task_id: str, url: str) -> None:
        """Have the task's updates sent there: CreateTaskPushNotificationConfig."""
        config = TaskPushNotificationConfig(task_id=_named(task_id), url=url)
        with our_errors():
            await self.unary.create_task_push_notification_config(config, context=self._bounded)

    async def _send(self, request: SendMessageRequest) -> StreamResponse:
        with our_errors():
            async for response in self.unary.send_message(request, context=self._bounded):
                return response
        raise ConnectionLost("the server ended the call without an answer")

    async def _follow(self, responses: AsyncIterator[StreamResponse], skill: str = "", after: int = 0) -> AsyncGenerator[Event]:
        """The events of a stream up to its end, which must be the task's end or an open question. Where they are numbered, what
        the task is when the stream begins is neither while events above `after` are still to be told.

        Raises: ConnectionLost when it ends before that, breaks, or is silent for longer than `idle_timeout_s`.
        """
        reader = reading.UpdateReader()
        state: TaskState | None = None
        told, newest = after, 0
        async with aclosing(cast("AsyncGenerator[StreamResponse]", responses)):
            while True:
                resting = state is not None and (state.terminal or state is TaskState.INPUT_REQUIRED)
                at_rest = resting and told >= newest
                try:
                    with our_errors():
                        async with asyncio.timeout(ENDING_S if at_rest else self.settings.silence_limit_s):
                            response = await anext(responses)
                except StopAsyncIteration:
                    break
                except ConnectionLost:
                    if at_rest and state is not None and state.terminal:
                        break  # nothing was left to hear
                    raise
                except TimeoutError:
                    if at_rest:
                        break
                    raise ConnectionLost(f"the stream was silent for {self.settings.silence_limit_s} s") from None
                except Unavailable as error:
                    if state is None:
                        raise
                    # A server that drains ends its streams; the task goes on, and is followed elsewhere.
                    raise ConnectionLost(error.message) from error
                for event in reader.read(_long(response, skill)):
                    state = event.state or TaskState.WORKING
                    told = event.seq or told
                    newest = event.body.task.last_seq if isinstance(event.body, Snapshot) else newest
                    yield event
        if not at_rest:
            raise ConnectionLost("the stream ended before the task did; the task may still be running")


@asynccontextmanager
async def connect_grpc(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[A2AClient]:
    """A client of the server whose card is at `url`: reads the card, then speaks gRPC to the address that it names.

    Raises: ConnectionLost when nobody answers at `url`; NotFound, or what else its status says, when there is no card;
    InvalidInput when the card does not offer the binding.
    """
    async with _http(url, settings) as http:
        card = await _card(http, url, settings.answer_limit_s)
    address = _offered(card, TransportProtocol.GRPC, url)
    async with channel(address, settings, idempotent=IDEMPOTENT) as shared:
        yield A2AClient(card, grpc_client(shared, card, streaming=False), grpc_client(shared, card, streaming=True), settings)


def connect_jsonrpc(url: str, settings: ClientSettings = ClientSettings()) -> AbstractAsyncContextManager[A2AClient]:
    """As `connect_grpc`, over the JSON-RPC binding."""
    return _connect_http(TransportProtocol.JSONRPC, url, settings)


def connect_http(url: str, settings: ClientSettings = ClientSettings()) -> AbstractAsyncContextManager[A2AClient]:
    """As `connect_grpc`, over the HTTP+JSON binding."""
    return _connect_http(TransportProtocol.HTTP_JSON, url, settings)


@asynccontextmanager
async def _connect_http(binding: TransportProtocol, url: str, settings: ClientSettings) -> AsyncGenerator[A2AClient]:
    # Comments keep a silent stream alive, and only HTTP sees them: there the silence is bounded, not between updates.
    async with _http(url, settings, read_s=settings.idle_timeout_s) as http:
        card = await _card(http, url, settings.answer_limit_s)
        _offered(card, binding, url)
        unary, streaming = (http_client(http, binding, card, streaming=streaming) for streaming in (False, True))
        yield A2AClient(card, unary, streaming, replace(settings, idle_timeout_s=None))


@asynccontextmanager
async def _http(url: str, settings: ClientSettings, read_s: float | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInput("url", url, f"accepted: http://HOST:PORT ({error})") from None
    if base.scheme not in ("http", "https") or not base.host:
        raise InvalidInput("url", url, "accepted: http://HOST:PORT or https://HOST[:PORT]")
    # Loading the certificate store costs more than a whole cold exchange, so only https pays for it.
    headers, verify = {VERSION_HEADER: PROTOCOL_VERSION}, base.scheme == "https"
    if settings.as_library:
        opened = httpx.AsyncClient(headers=headers, verify=verify)  # what ClientFactory makes where it is given none
        scale_timeouts(opened, settings.time_scale)
    else:
        timeout = httpx.Timeout(settings.request_timeout_s, connect=settings.connect_timeout_s, read=read_s)
        opened = httpx.AsyncClient(timeout=timeout, headers=headers, verify=verify)
    async with opened as http:
        yield http


async def _card(http: httpx.AsyncClient, url: str, limit_s: float | None) -> AgentCard:
    try:
        # What the client's own timeouts allow is for its streams.
        async with asyncio.timeout(limit_s):
            return await A2ACardResolver(http, url).get_agent_card()
    except TimeoutError:
        raise ConnectionLost(f"no agent card came from {url} within {limit_s:g} s") from None
    except AgentCardResolutionError as error:
        if error.status_code is not None:
            raise from_peer(f"no agent card at {url}: HTTP status {error.status_code}", http=error.status_code) from error
        if isinstance(error.__cause__, httpx.RequestError):
            raise ConnectionLost(error.message) from error
        raise SametaskError(error.message) from error


def _offered(card: AgentCard, binding: TransportProtocol, url: str) -> str:
    """The address of that binding. Raises: InvalidInput when the card has none."""
    for interface in card.supported_interfaces:
        if interface.protocol_binding == binding and _is_1_0(interface):
            return interface.url
    offered = ", ".join(f"{i.protocol_binding} {i.protocol_version}" for i in card.supported_interfaces)
    raise InvalidInput("url", url, f"accepted: an agent that speaks A2A 1.0 over {binding}; its card offers {offered}")


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
