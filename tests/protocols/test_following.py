"""The follower: its decisions against a scripted server on a clock of its own, then each protocol's own recovery for real."""

from __future__ import annotations

import shlex
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sametask.agents import Roster
from sametask.agents.errors import ConnectionLost, InvalidInput, NotWaiting, TaskFinished, Unavailable, UnknownTask
from sametask.agents.events import Event, Progress, Snapshot, StateChanged, Task, TaskState
from sametask.agents.runtime import open_engine
from sametask.measurements.probe import agent as probe
from sametask.measurements.wire.stdio import StdioTap
from sametask.measurements.wire.tap import WireTap
from sametask.protocols import following
from sametask.protocols.client import AgentClient
from sametask.protocols.following import Follower
from sametask.protocols.server_process import ServerOptions
from sametask.protocols.variants import Bind, variants

LOST = ConnectionLost("cut")
NAMED = Event(seq=0, body=Snapshot(task=Task(id="t1", state=TaskState.WORKING)))


def told(seq: int) -> Event:
    return Event(seq=seq, body=Progress(done=seq))


def done(seq: int = 0) -> Event:
    return Event(seq=seq, body=StateChanged(state=TaskState.COMPLETED, result="r"))


@dataclass
class Clock:
    """A clock that only sleeping, and attempts that take their time, move on."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, delay_s: float) -> None:
        assert delay_s > 0
        self.slept.append(delay_s)
        self.now += delay_s


@dataclass
class Script:
    """What each connection in turn tells: events, and at the end what it raises. The last one goes on for ever."""

    connections: Sequence[Sequence[Event | Exception]]
    clock: Clock
    attempt_s: float = 0.0
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    open_count: int = 0
    opened_count: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[AgentClient]:
        self.clock.now += self.attempt_s
        items = self.connections[min(self.opened_count, len(self.connections) - 1)]
        self.opened_count += 1
        self.open_count += 1
        try:
            yield SimpleNamespace(
                stream=lambda agent, skill, request, key: self._told(items, "stream", key),
                events=lambda task_id, after: self._told(items, "events", task_id, after),
                submit=lambda agent, skill, request, key: self._once(items, "submit", key),
                answer=lambda task_id, request_id, value: self._once(items, "answer", request_id, value),
            )  # pyright: ignore[reportReturnType]
        finally:
            self.open_count -= 1

    async def _told(self, items: Sequence[Event | Exception], *asked: Any) -> AsyncGenerator[Event]:
        self.asked.append(asked)
        self.open_count += 1
        try:
            for item in items:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.open_count -= 1

    async def _once(self, items: Sequence[Event | Exception], *asked: Any) -> Task:
        self.asked.append(asked)
        if items and isinstance(items[0], Exception):
            raise items[0]
        return Task(id="t1", state=TaskState.WORKING)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(following, "anyio", SimpleNamespace(sleep=clock.sleep, current_time=lambda: clock.now))
    return clock


async def heard(events: AsyncGenerator[Event]) -> list[Event]:
    return [event async for event in events]


async def test_an_unbroken_stream_is_one_connection(clock: Clock):
    script = Script([[NAMED, told(1), done(2)]], clock)
    follower = Follower(script.open)
    assert await heard(follower.run("a", "s", {})) == [NAMED, told(1), done(2)]
    assert (follower.task_id, follower.last_seq, follower.lost_count, follower.state) == ("t1", 2, 0, TaskState.COMPLETED)
    assert (script.asked, clock.slept, script.open_count) == ([("stream", None)], [], 0)


async def test_a_broken_one_is_resumed_at_once_where_it_stood(clock: Clock):
    losses: list[ConnectionLost] = []
    script = Script([[NAMED, told(1), told(2), LOST], [told(3), Unavailable("draining")], [done(4)]], clock)
    follower = Follower(script.open, on_lost=losses.append)
    assert await heard(follower.run("a", "s", {})) == [NAMED, told(1), told(2), told(3), done(4)]
    assert script.asked == [("stream", None), ("events", "t1", 2), ("events", "t1", 3)]
    assert follower.lost_count == len(losses) == 2
    assert losses[1].message == "draining"
    assert len(clock.slept) == 1  # before the third connection; the second was asked for at once


async def test_what_a_protocol_repeats_is_repeated(clock: Clock):
    again = [NAMED, Event(seq=0, body=Progress(done=1))]
    script = Script([[*again, LOST], [*again, done()]], clock)
    assert await heard(Follower(script.open).run("a", "s", {})) == [*again, *again, done()]


QUESTION = Event(seq=2, body=StateChanged(state=TaskState.INPUT_REQUIRED))


async def test_a_stream_that_breaks_right_behind_a_question_is_asked_for_the_question_again(clock: Clock):
    """Only the server knows whether it is still open; a stream behind it would be silent until it is answered."""
    script = Script([[NAMED, told(1), QUESTION, LOST], [QUESTION], [told(3), done(4)]], clock)
    follower = Follower(script.open)
    assert await heard(follower.run("a", "s", {})) == [NAMED, told(1), QUESTION, QUESTION]
    assert script.asked[-1] == ("events", "t1", 1)
    await follower.answer("q", {})
    await heard(follower.resume())
    assert script.asked[-1] == ("events", "t1", 2)  # it is answered now


async def test_a_server_that_went_away_between_two_connections_is_told_of_once(clock: Clock):
    losses: list[ConnectionLost] = []
    script = Script([[LOST], [LOST], [], [LOST], [LOST], [told(1), LOST], [done(2)]], clock)
    follower = Follower(script.open, on_lost=losses.append, task_id="t1")
    await follower.answer("q", {})
    assert len(losses) == 1
    await heard(follower.resume())
    assert (len(losses), follower.lost_count) == (3, 3)


async def test_attempts_that_find_nobody_are_no_lost_connections_and_come_ever_more_slowly(clock: Clock):
    script = Script([[NAMED, LOST], *[[LOST]] * 7, [done(1)]], clock)
    follower = Follower(script.open)
    await heard(follower.run("a", "s", {}))
    assert follower.lost_count == 1
    expected = [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert len(clock.slept) == len(expected)
    assert all(0.9 * full <= slept <= full for slept, full in zip(clock.slept, expected, strict=True))


@pytest.mark.parametrize("attempt_s", [0.0, 5.0])
async def test_it_gives_up_in_time_however_long_an_attempt_takes(clock: Clock, attempt_s: float):
    gone = Unavailable("nobody")
    script = Script([[NAMED, LOST], [gone]], clock, attempt_s=attempt_s)
    follower = Follower(script.open, give_up_s=10)
    with pytest.raises(Unavailable) as raised:
        await heard(follower.run("a", "s", {}))
    assert raised.value is gone
    assert 10 <= clock.now <= 10 + 3 * attempt_s
    assert follower.lost_count == 1


async def test_a_server_that_cuts_every_connection_after_its_greeting_is_not_asked_in_a_busy_loop(clock: Clock):
    losses: list[ConnectionLost] = []

    def lost(error: ConnectionLost) -> None:
        losses.append(error)
        if len(losses) == 100:
            raise KeyboardInterrupt

    script = Script([[NAMED, LOST]], clock)
    with pytest.raises(KeyboardInterrupt):
        await heard(Follower(script.open, give_up_s=10, on_lost=lost).run("a", "s", {}))
    assert clock.now > 80  # it answers, so nobody gives up; but about once a second


async def test_news_makes_it_eager_again(clock: Clock):
    script = Script([[NAMED, LOST], *[[LOST]] * 5, [told(1), LOST], [done(2)]], clock)
    await heard(Follower(script.open).run("a", "s", {}))
    assert clock.slept[-2] > 0.7
    assert clock.slept[-1] <= 0.05


async def test_without_a_name_and_a_key_there_is_nothing_to_follow(clock: Clock):
    script = Script([[LOST]], clock)
    follower = Follower(script.open)
    with pytest.raises(ConnectionLost):
        await heard(follower.run("a", "s", {}))
    assert (follower.lost_count, script.opened_count) == (1, 1)


async def test_with_a_key_it_is_asked_for_again_until_it_has_a_name(clock: Clock):
    script = Script([[LOST], [LOST], [Unavailable("starting")], [], [told(1), done(2)]], clock)
    follower = Follower(script.open)
    assert await heard(follower.run("a", "s", {}, key="k")) == [told(1), done(2)]
    assert script.asked == [("stream", "k"), ("submit", "k"), ("submit", "k"), ("submit", "k"), ("events", "t1", 0)]
    assert follower.lost_count == 1


async def test_with_a_key_it_gives_up_with_the_reason_too(clock: Clock):
    with pytest.raises(ConnectionLost, match="cut"):
        await heard(Follower(Script([[LOST]], clock).open, give_up_s=10).run("a", "s", {}, key="k"))
    assert clock.now == pytest.approx(10)


async def test_what_the_server_says_about_the_task_is_not_a_lost_connection(clock: Clock):
    script = Script([[NAMED, LOST], [UnknownTask("t1")]], clock)
    with pytest.raises(UnknownTask):
        await heard(Follower(script.open).run("a", "s", {}))
    assert script.opened_count == 2


async def test_a_task_is_followed_by_its_id(clock: Clock):
    script = Script([[NAMED, done()]], clock)
    assert await heard(Follower(script.open, task_id="t1").resume()) == [NAMED, done()]
    assert script.asked == [("events", "t1", 0)]


@pytest.mark.parametrize("after", [1, 2, 3])
async def test_leaving_half_way_lets_go_of_the_connection_now(clock: Clock, after: int):
    script = Script([[NAMED, told(1), LOST], [told(2), told(3), done(4)]], clock)
    async with aclosing(Follower(script.open).run("a", "s", {})) as events:
        for _ in range(after):
            await anext(events)
        assert script.open_count == 2  # a connection and its stream
    assert script.open_count == 0


async def test_an_answer_is_given_again_until_it_is_confirmed(clock: Clock):
    script = Script([[LOST], [Unavailable("starting")], []], clock)
    await Follower(script.open, task_id="t1").answer("q", {"x": 1})
    assert script.asked == [("answer", "q", {"x": 1})] * 3


@pytest.mark.parametrize("late", [NotWaiting("t1", "q", None), TaskFinished("t1", "completed")])
async def test_an_answer_that_had_arrived_is_not_an_error(clock: Clock, late: Exception):
    await Follower(Script([[LOST], [late]], clock).open, task_id="t1").answer("q", {})
    with pytest.raises(type(late)):
        await Follower(Script([[late]], clock).open, task_id="t1").answer("q", {})


async def test_an_answer_that_does_not_fit_is_not_given_again(clock: Clock):
    script = Script([[InvalidInput("x", 1, "no")]], clock)
    with pytest.raises(InvalidInput):
        await Follower(script.open, task_id="t1").answer("q", {})
    assert script.opened_count == 1


Connect = Callable[[], AbstractAsyncContextManager[AgentClient]]
REQUEST = {"steps": 20, "step_ms": 15, "ask": True}


@asynccontextmanager
async def cuttable(name: str, folder: Path) -> AsyncGenerator[tuple[Connect, Callable[[], None]]]:
    """Yields what opens a client of a real server, and what cuts every connection there is to it."""
    variant, engine_url = variants()[name], f"sqlite:///{folder}/tasks.db"
    async with AsyncExitStack() as stack:
        if not variant.listeners:
            options = ServerOptions((variant,), engine_url, ("sametask.measurements.probe:agent",))
            tap = await stack.enter_async_context(StdioTap(options.command))
            yield lambda: variant.connect()("stdio:" + shlex.join(tap.command)), tap.cut_all
            return
        engine = await stack.enter_async_context(open_engine(engine_url, Roster([probe])))
        taps = {listener: await stack.enter_async_context(WireTap(None, name=listener)) for listener in variant.listeners}
        told_to_clients = {listener: tap.address for listener, tap in taps.items()}
        endpoint = await stack.enter_async_context(variant.serve()(engine, Bind(advertise=told_to_clients)))
        for listener, tap in taps.items():
            tap.target = endpoint.listeners[listener]

        def cut() -> None:
            for tap in taps.values():
                tap.cut_all()

        yield lambda: variant.connect()(variant.address(told_to_clients)), cut


@pytest.mark.parametrize("name", [variant.name for variant in variants().values() if variant.server and not variant.stock_of])
async def test_a_cut_connection_is_recovered_by_the_protocols_own_means(name: str, tmp_path: Path):
    """The task asks half-way, so it cannot end before it is answered; the cut comes well before that."""
    async with cuttable(name, tmp_path) as (connect, cut):
        follower = Follower(connect)
        events: list[Event] = []
        async with aclosing(follower.run("probe", "work", REQUEST)) as following_it:
            async for event in following_it:
                events.append(event)
                if len(events) == 3:
                    cut()
        # The client of 2025-11-25 asks for the rest with Last-Event-ID by itself: nobody above it hears of the loss.
        assert follower.lost_count == (0 if name == "mcp-http-2025" else 1)
        assert follower.state is TaskState.INPUT_REQUIRED
        question = _question(events[-1])
        cut()
        await follower.answer(question.request_id, {"choice": "continue"})
        events += await heard(follower.resume())
        assert events[-1].state is TaskState.COMPLETED
        numbered = [event.seq for event in events if event.seq]
        assert numbered == sorted(set(numbered))
        if numbered:  # every event has come, none of them twice
            assert numbered == list(range(numbered[0], numbered[-1] + 1))


def _question(event: Event) -> Any:
    question = event.body.task.question if isinstance(event.body, Snapshot) else getattr(event.body, "question", None)
    assert question is not None
    return question
