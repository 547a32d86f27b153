"""The points at which faults strike, the same for every variant.

The request is the message that carries the trial's input, whatever its protocol: its ledger's name is nowhere else. Its answer
is what comes down on the same exchange, and an event is every message of a streamed answer that comes down after the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio

from ..wire.message import Message
from ..wire.trigger import Link, Trigger
from .contract import STEP_MS, STEPS, Held, Point, Trial

POLLING_GRACE_STEPS = 2
TOLD = ("response", "event", "end", "ask")

Notice = Callable[[Message, Link], int | None]


class _Hold:
    """Holds, once, the connection at which `notice` names an offset. One for all taps of a trial."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._spent = False
        self._link: Link | None = None
        self._reached, self._released = asyncio.Event(), asyncio.Event()

    def arm(self) -> Trigger:
        return self

    def notice(self, message: Message, link: Link) -> int | None:
        at = None if self._spent else self._notice(message, link)
        self._spent = self._spent or at is not None
        return at

    async def strike(self, link: Link) -> None:
        self._link = link
        self._reached.set()
        await self._released.wait()

    async def reached(self, trial: Trial) -> Held:
        for tap in trial.station.taps.values():
            tap.watch(self)
        try:
            await self._reached.wait()
        except BaseException:
            self._spent = True
            self._released.set()
            raise
        assert self._link is not None
        return Held(self._link, self._released.set)


class _Request:
    """Finds the request among the messages: where it is, and when the server has it whole."""

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._at: tuple[Link, int] | None = None
        self.sent = False

    def carries(self, message: Message, link: Link) -> bool:
        """Whether this is the message that carries the input."""
        if self._at is None and message.direction == "up" and self._marker in message.text:
            self._at = link, message.stream
            return True
        return False

    def completes(self, message: Message, link: Link) -> bool:
        """Whether with this message the request is whole."""
        carries = self.carries(message, link)
        if self.sent or self._at != (link, message.stream) or message.direction != "up":
            return False
        # On pipes a request is one line; elsewhere it has an end.
        self.sent = message.kind == "end" or (carries and message.kind == "request")
        return self.sent

    def answers(self, message: Message, link: Link) -> bool:
        """Whether this is of its answer. What is told beside the answers on pipes is on no stream."""
        if not self.sent or self._at is None or message.direction != "down" or message.kind not in TOLD:
            return False
        return link is self._at[0] and message.stream in (self._at[1], 0)


async def _before_send(trial: Trial) -> Held:
    request = _Request(trial.marker)
    return await _Hold(lambda m, link: m.end - 1 if request.carries(m, link) else None).reached(trial)


async def _request_sent(trial: Trial) -> Held:
    request = _Request(trial.marker)
    return await _Hold(lambda m, link: m.end if request.completes(m, link) else None).reached(trial)


async def _before_response(trial: Trial) -> Held:
    request = _Request(trial.marker)

    def notice(message: Message, link: Link) -> int | None:
        request.completes(message, link)
        return message.begin if request.answers(message, link) else None

    held = await _Hold(notice).reached(trial)
    await trial.deeds.reach(1)  # a stream's head says nothing of the work: some servers send it first
    return held


async def _at_event(trial: Trial, offset: Callable[[Message, int, int], int | None]) -> Held | None:
    """At the first event of which `offset(message, its number, k)` names an offset, for a k in the middle of the work; a client
    that polls gets no events: it is struck when the work is as far as that.
    """
    k = trial.draw.randint(STEPS // 4, STEPS // 2)
    request, seen, held = _Request(trial.marker), 0, list[Held]()

    def notice(message: Message, link: Link) -> int | None:
        nonlocal seen
        request.completes(message, link)
        if not request.sent or not message.ordinal:
            return None
        seen += 1
        return offset(message, seen, k)

    async def hold() -> None:
        held.append(await _Hold(notice).reached(trial))
        group.cancel_scope.cancel()

    async def overdue() -> None:
        await trial.deeds.reach(min(trial.steps, k + POLLING_GRACE_STEPS))
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(hold)
        group.start_soon(overdue)
    return held[0] if held else None


async def _between_events(trial: Trial) -> Held | None:
    return await _at_event(trial, lambda message, n, k: message.end if n == k else None)


async def _inside_event(trial: Trial) -> Held | None:
    return await _at_event(trial, lambda message, n, k: (message.begin + message.end) // 2 if n == k + 1 else None)


async def _after_side_effect(trial: Trial) -> None:
    """Where the step is followed by a silence, well inside of that."""
    await trial.deeds.reach(trial.draw.randint(1, max(1, trial.steps // 2)))
    if trial.silent_s:
        await anyio.sleep(trial.draw.uniform(0.25, 0.75) * trial.silent_s)


async def _waiting_for_answer(trial: Trial) -> None:
    await trial.asked.wait()


async def _in_flight(trial: Trial) -> None:
    await trial.in_flight.wait()


async def _between_deliveries(trial: Trial) -> None:
    await trial.received.wait()


async def _after_completion(trial: Trial) -> Held:
    def notice(message: Message, link: Link) -> int | None:
        told = message.direction == "down" and message.kind in TOLD
        return message.begin if told and trial.steps in trial.deeds.effects() else None

    held = await _Hold(notice).reached(trial)
    if "tasks" not in trial.station.variant.lacks:  # else nobody can be asked, and it is a matter of microseconds
        await trial.station.ended(trial.deeds.tasks()[-1])
    return held


async def _at_any_moment(trial: Trial) -> None:
    held = await _before_send(trial)  # to a little before or after the task's end
    held.release()
    await anyio.sleep(trial.draw.uniform(0, STEPS * STEP_MS / 1000))


async def _at_once(trial: Trial) -> None:
    return None


NOWHERE = Point("none", "never", 0, _at_once)
POINTS = (
    NOWHERE,
    Point("before_send", "before the server has the request", 10, _before_send),
    Point("request_sent", "once the request is sent", 20, _request_sent),
    Point("before_response", "when the work has begun, before an answer arrives", 30, _before_response),
    Point("in_flight", "while every task is under way", 35, _in_flight, idle=True),
    Point("after_side_effect", "after a step was done", 40, _after_side_effect),
    Point("between_events", "between two events", 50, _between_events),
    Point("inside_event", "inside an event", 60, _inside_event),
    Point("between_deliveries", "between two deliveries to a webhook", 65, _between_deliveries, idle=True),
    Point("waiting_for_answer", "while the task waits for an answer", 70, _waiting_for_answer, idle=True),
    Point("any_moment", "at any moment", 75, _at_any_moment, idle=True),
    Point("after_completion", "after the end, before it is read", 80, _after_completion),
)


def points() -> dict[str, Point]:
    return {point.name: point for point in POINTS}
