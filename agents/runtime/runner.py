"""Runs one task's skill and writes how it ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, cast

from pydantic import BaseModel

from ..contract import Origin, Skill
from ..errors import Rejected, SametaskError, SkillFailed
from ..events import StateChanged, TaskState
from . import log
from .context import RunningContext
from .store import Store


class Runner:
    """A task that runs here, in the epoch of its claim. `on_end(runner, error)` is called once when it no longer does;
    `error` tells why its log could not be written, None where it could.
    """

    def __init__(
        self,
        store: Store,
        claim: log.Claim,
        skill: Skill,
        request: BaseModel | None,
        past: log.Past,
        on_end: Callable[[Runner, Exception | None], None],
    ) -> None:
        self.claim = claim
        self._store, self._skill, self._request, self._on_end = store, skill, request, on_end
        self._error: Exception | None = None
        self._canceled = claim.cancel
        self._started = False
        stored: dict[str, Any] = json.loads(claim.origin)
        # A newer release may have stored more about it.
        origin = Origin(**{field.name: stored[field.name] for field in fields(Origin) if field.name in stored})
        self.context = RunningContext(store, claim, origin, past, self._lose)
        self.task = asyncio.create_task(self._run(), name=f"sametask-{claim.id}")
        self.task.add_done_callback(lambda _: on_end(self, self._error))

    def cancel(self) -> None:
        """The caller wants the task to end: interrupt the skill; what it still tells is stored."""
        if not self._canceled:
            self._canceled = True
            self._interrupt()

    def stop(self) -> None:
        """The task is no longer this process's to run: interrupt the skill, and write nothing more."""
        self.context.close()
        self._interrupt()

    def _lose(self, error: Exception) -> None:
        self._error = error
        self._interrupt()

    def _interrupt(self) -> None:
        # A task that is cancelled before its first step never runs at all, so it looks for itself when it starts.
        if self._started:
            self.task.cancel()

    async def _run(self) -> None:
        self._started = True
        self.context.enter()
        try:
            ending = await self._ending()
        except asyncio.CancelledError:
            if self.context.closed or not self._canceled:
                return
            ending = StateChanged(state=TaskState.CANCELED)
        if self.context.closed:
            return
        try:
            await self._store.write(
                lambda db: log.finish(db, self.claim.n, self.claim.epoch, ending),
                self.claim.n,
            )
        except log.Fenced:
            return
        except SametaskError as error:
            self._error = error

    async def _ending(self) -> StateChanged:
        if self.context.closed or self._canceled:
            raise asyncio.CancelledError
        try:
            self._store.post(lambda db: log.start(db, self.claim.n, self.claim.epoch), self._posted, self.claim.n, 0)
            request = self._request
            if request is None:
                request = self._skill.parse_json(log.input_json(self._store.reader, self.claim.n))
            self._request = None  # a large input is the skill's to let go of
            function = self._skill.function
            output = await (function(request, self.context) if self._skill.long else function(request))
            return StateChanged(state=TaskState.COMPLETED, result=self._skill.dump(output))
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if self.context.closed or self._canceled or (current is not None and current.cancelling()):
                raise
            return _failed(SkillFailed(asyncio.CancelledError("the skill cancelled itself")))
        except (Exception, SystemExit) as error:
            # The wall between the agent's code and everyone else: whatever it raised becomes how its task ended.
            return _failed(error)

    def _posted(self, _: None, error: Exception | None) -> None:
        if error is not None and not self.context.closed:
            self.context.close()
            self._lose(error)


def _failed(error: BaseException) -> StateChanged:
    while isinstance(error, BaseExceptionGroup):
        # A task group around parallel steps: what the first of them raised is the reason.
        error = cast(BaseExceptionGroup[BaseException], error).exceptions[0]
    known = error if isinstance(error, SametaskError) else SkillFailed(error)
    state = TaskState.REJECTED if isinstance(known, Rejected) else TaskState.FAILED
    return StateChanged(state=state, error=log.error_info(known))
