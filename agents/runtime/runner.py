"""Runs one task's skill and writes how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from pydantic import BaseModel

from ..contract import Skill
from ..errors import DeadlineExceeded, Rejected, SametaskError, SkillFailed
from ..events import ErrorInfo, StateChanged, TaskState
from .context import RunningContext
from .journal import Claim, Fenced, Journal, Past, Unreadable

AnyJournal = TypeVar("AnyJournal", bound=Journal, covariant=True)


class Runner(Generic[AnyJournal]):
    """A task that runs here. `journal` makes its journal, given what that is to call when a posted write could not be made.
    `on_end(runner, error)` is called once when it no longer runs; `error` tells why its log could not be written, None where
    it could. A task whose skill has not stopped `grace_s` after a cancel or its deadline is ended without it.
    """

    __slots__ = (
        "_abandoning", "_canceled", "_error", "_expired", "_grace_s", "_journal", "_on_end", "_request", "_skill", "_started",
        "_timer", "claim", "context", "task",
    )  # fmt: skip

    def __init__(
        self,
        claim: Claim,
        skill: Skill,
        request: BaseModel | None,
        past: Past,
        journal: Callable[[Callable[[Exception], None]], AnyJournal],
        on_end: Callable[[Runner[AnyJournal], Exception | None], None],
        grace_s: float,
    ) -> None:
        self.claim = claim
        self._skill, self._request, self._on_end, self._grace_s = skill, request, on_end, grace_s
        self._error: Exception | None = None
        self._canceled, self._expired, self._started = claim.cancel, False, False
        self._journal = journal(self._could_not_post)
        self.context = RunningContext(claim, self.journal, past, self._lose)
        self._timer: asyncio.TimerHandle | None = None
        self._abandoning: asyncio.Task[None] | None = None
        self.task = asyncio.create_task(self._run(), name=claim.id)
        self.task.add_done_callback(self._ended)

    @property
    def journal(self) -> AnyJournal:
        return self._journal

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._on_end(self, self._error)

    def cancel(self) -> None:
        """The caller wants the task to end: interrupt the skill; what it still tells is stored."""
        if not self._canceled:
            self._canceled = True
            self._interrupt()
            self._abandon_later()

    def stop(self) -> None:
        """The task is no longer this process's to run: interrupt the skill, and write nothing more."""
        self.context.close()
        self._interrupt()

    def _lose(self, error: Exception) -> None:
        self._error = error
        self._interrupt()

    def _could_not_post(self, error: Exception) -> None:
        self.context.lost(error)

    def _interrupt(self) -> None:
        # A task that is cancelled before its first step never runs at all, so it looks for itself when it starts.
        if self._started:
            self.task.cancel()

    async def _run(self) -> None:
        self._started = True
        self.context.enter()
        self._set_deadline()
        try:
            ending = await self._ending()
        except asyncio.CancelledError:
            if self.context.closed:
                return
            ending = StateChanged(state=TaskState.CANCELED)
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if not self.context.closed:
            await self._finish(_failed(self._too_late()) if self._expired and not self._canceled else ending)

    async def _finish(self, ending: StateChanged) -> None:
        try:
            await self.journal.finish(ending)
        except Fenced:
            return
        except SametaskError as error:
            self._error = error

    def _set_deadline(self) -> None:
        at, longest_s = self.claim.deadline_at, self._skill.deadline_s
        if at is not None:
            left_s = at - time.time()
            # Not longer than the whole of it, however the clock was set since.
            left_s = left_s if longest_s is None else min(left_s, longest_s)
            if left_s <= 0:
                self._expired = True
            else:
                self._timer = asyncio.get_running_loop().call_later(left_s, self._expire)

    def _expire(self) -> None:
        self._expired = True
        self._interrupt()
        self._abandon_later()

    def _abandon_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._grace_s, self._abandon)

    def _abandon(self) -> None:
        async def end() -> None:
            # A cancel wins over any other ending, see `Journal.finish`.
            await self._finish(_failed(self._too_late()))
            self.stop()

        self._abandoning = asyncio.create_task(end(), name=f"sametask-{self.claim.id}-abandoned")

    def _too_late(self) -> DeadlineExceeded:
        return DeadlineExceeded(f"{self._skill.agent}.{self._skill.name}", self._skill.deadline_s)

    async def _ending(self) -> StateChanged:
        if self.context.closed or self._canceled or self._expired:
            raise asyncio.CancelledError
        self.journal.start()
        try:
            request = self._request
            if request is None:
                request = self._skill.parse_json(await self._stored_input())
            self._request = None  # a large input is the skill's to let go of
            function = self._skill.function
            output = await (function(request, self.context) if self._skill.long else function(request))
            return StateChanged(state=TaskState.COMPLETED, result=self._skill.dump(output))
        except asyncio.CancelledError:
            if self.context.closed or self._canceled or self._expired:
                raise
            # Nobody else interrupts it.
            return _failed(SkillFailed(asyncio.CancelledError("the skill cancelled itself")))
        except (Exception, SystemExit) as error:
            # The wall between the agent's code and everyone else: whatever it raised becomes how its task ended.
            return _failed(error)

    async def _stored_input(self) -> str:
        try:
            return await self.journal.input_json()
        except Unreadable:
            raise  # no later run can read it either
        except SametaskError as error:
            self.context.lost(error)
            raise asyncio.CancelledError from None


def _failed(error: BaseException) -> StateChanged:
    while isinstance(error, BaseExceptionGroup):
        # A task group around parallel steps: what the first of them raised is the reason.
        error = cast(BaseExceptionGroup[BaseException], error).exceptions[0]
    known = error if isinstance(error, SametaskError) else SkillFailed(error)
    state = TaskState.REJECTED if isinstance(known, Rejected) else TaskState.FAILED
    return StateChanged(state=state, error=ErrorInfo.model_validate(known.to_json()))
