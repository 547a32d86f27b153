"""The flows whose round trips are counted: the same intent over every variant, in the words of the client's seam."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ...agents.errors import SametaskError
from ...agents.events import TaskState
from ...protocols.client import AgentClient
from ..bench import Station
from ..cases import Case, Cases


class Clock:
    """Times a flow, without the pauses in which the client would only wait for the agent's work: a round trip that hides
    behind work, or a poll that comes too early, says nothing of the protocol.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._paused_s = 0.0

    @property
    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self._start - self._paused_s) * 1000

    @asynccontextmanager
    async def paused(self) -> AsyncGenerator[None]:
        start = time.perf_counter()
        yield
        self._paused_s += time.perf_counter() - start


Act = Callable[[Clock], Awaitable[None]]


@dataclass(frozen=True)
class Flow:
    """`prepare(station, warm, cases)` yields the act that is timed and counted; what it does before and after is neither.
    `warm` is a client that has been connected for a while.
    """

    name: str
    prepare: Callable[[Station, AgentClient, Cases], AbstractAsyncContextManager[Act]]


class FlowFailed(Exception):
    """The flow ran, and did not do what it is for."""


class NoCase(Exception):
    """There is nothing of the agent's that the flow could do."""


def _of(case: Case | None, kind: str) -> Case:
    if case is None:
        raise NoCase(f"no case of the agent {kind}")
    return case


QUICK, LONG, ASKING = "calls a quick skill", "runs a long skill", "has an `answer` to a question"


@asynccontextmanager
async def _cold(station: Station, warm: AgentClient, cases: Cases) -> AsyncGenerator[Act]:
    quick, opened = _of(cases.quick, QUICK), list[Any]()

    async def act(clock: Clock) -> None:
        client = station.open()
        opened.append(client)
        entered = await client.__aenter__()
        await entered.discover()
        await entered.call(cases.agent, *quick)

    try:
        yield act
    finally:
        # Left after the counting: what it costs to say goodbye is no part of a first result.
        for client in opened:
            await client.__aexit__(None, None, None)


@asynccontextmanager
async def _warm(station: Station, client: AgentClient, cases: Cases) -> AsyncGenerator[Act]:
    quick = _of(cases.quick, QUICK)
    await warm_up(client, cases)

    async def act(clock: Clock) -> None:
        await client.call(cases.agent, *quick)

    yield act


@asynccontextmanager
async def _stream(station: Station, client: AgentClient, cases: Cases) -> AsyncGenerator[Act]:
    streamed = _of(cases.streamed, LONG)
    await warm_up(client, cases)

    async def act(clock: Clock) -> None:
        last = None
        async for event in client.stream(cases.agent, *streamed):
            last = event
        if last is None or last.state is not TaskState.COMPLETED:
            raise FlowFailed(f"the stream ended with {last and last.state}, not completed")

    yield act


@asynccontextmanager
async def _submit_wait(station: Station, client: AgentClient, cases: Cases) -> AsyncGenerator[Act]:
    short = _of(cases.short, LONG)
    await warm_up(client, cases)

    async def act(clock: Clock) -> None:
        task = await client.submit(cases.agent, *short)
        async with clock.paused():
            await station.ended(task.id)
        _expect((await client.wait(task.id)).state, TaskState.COMPLETED)

    yield act


@asynccontextmanager
async def _cancel(station: Station, client: AgentClient, cases: Cases) -> AsyncGenerator[Act]:
    task_id = await _waiting(client, cases)
    await warm_up(client, cases)  # the wait may have ended with its connection

    async def act(clock: Clock) -> None:
        await client.cancel(task_id)

    yield act
    _expect((await client.get(task_id)).state, TaskState.CANCELED)


@asynccontextmanager
async def _answer(station: Station, client: AgentClient, cases: Cases) -> AsyncGenerator[Act]:
    task_id = await _waiting(client, cases)
    question = (await client.get(task_id)).question
    if question is None:
        raise FlowFailed("the task waits, and its question is not told")

    async def act(clock: Clock) -> None:
        await client.answer(task_id, question.request_id, cases.answer)
        async with clock.paused():
            await station.ended(task_id)
        _expect((await client.wait(task_id)).state, TaskState.COMPLETED)

    yield act


async def warm_up(client: AgentClient, cases: Cases) -> None:
    """One call, so that an idle connection that either side has closed is open again."""
    if cases.quick is not None:
        await client.call(cases.agent, *cases.quick)
    else:
        await client.discover()


async def _waiting(client: AgentClient, cases: Cases) -> str:
    asking = _of(cases.asking, ASKING)
    task = await client.wait((await client.submit(cases.agent, *asking)).id)
    _expect(task.state, TaskState.INPUT_REQUIRED)
    return task.id


def _expect(state: TaskState, wanted: TaskState) -> None:
    if state is not wanted:
        raise FlowFailed(f"the task is {state}, not {wanted}")


FLOWS = (
    Flow("cold", _cold),
    Flow("warm", _warm),
    Flow("stream", _stream),
    Flow("submit_wait", _submit_wait),
    Flow("cancel", _cancel),
    Flow("answer", _answer),
)

FAILURES = (SametaskError, FlowFailed)
"""What a flow may fail with and be the variant's own failure; anything else is the harness's."""
