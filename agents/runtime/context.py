"""The `TaskContext` of a task that is running here: every call of the skill's becomes a fenced write to the log."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import math
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import anyio.to_thread
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from ..contract import Origin, Question, invalid_input, return_type
from ..errors import SametaskError
from ..events import Artifact, ArtifactEmitted, Progress
from . import log
from .store import Store

Answer = TypeVar("Answer", bound=BaseModel)
Value = TypeVar("Value")
Result = TypeVar("Result")

_scope: ContextVar[str] = ContextVar("sametask_scope", default="")
"""The step that is being executed, as a path like `/fetch#1/parse#2`; empty in the skill's own body."""


class RunningContext:
    """Shape: satisfies `TaskContext`. `lose(error)` is called once when a write of the task's could not be made.

    Each thing a skill does has a place that is the same in every run: the path of the step it is in, and its ordinal there.
    So a later run can tell what an earlier one has already recorded or told. Things done in parallel within one step (or in
    the body) have no such order: give parallel work steps of different names.
    """

    def __init__(
        self, store: Store, claim: log.Claim, origin: Origin, past: log.Past, lose: Callable[[Exception], None]
    ) -> None:
        self.id, self.origin = claim.id, origin
        self._store, self._n, self._epoch = store, claim.n, claim.epoch
        self._recorded, self._told = past.steps, past.told
        self._occurrences: Counter[str] = Counter()
        self._lose = lose
        self._closed = False
        self._woken = asyncio.Event()
        self.questions: dict[str, type[BaseModel]] = {}
        """The open ones by request id, with the model of their answer."""

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """From now on nothing is written, so that what a skill does while it is torn down does not become part of its log."""
        self._closed = True

    def wake(self) -> None:
        """Look whether an open question has been answered."""
        self._woken.set()

    def enter(self) -> None:
        """Begin in the body, even where the submit came from another task's step."""
        _scope.set("")

    async def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        if not math.isfinite(done) or (total is not None and not math.isfinite(total)):
            raise ValueError(f"progress: {done!r} of {total!r} is not accepted; finite numbers are accepted")
        await self._tell("progress", Progress(done=done, total=total, text=text))

    async def emit(self, artifact: Artifact) -> None:
        await self._tell("artifact", ArtifactEmitted(artifact=artifact))

    async def _tell(self, kind: str, body: BaseModel) -> None:
        await asyncio.sleep(0)  # a skill that tells in a tight loop still lets others run, and can be canceled
        scope = _scope.get()
        if self._told.get(scope, 0) > 0:
            self._told[scope] -= 1
            return
        text = body.model_dump_json()
        await self._store.room()
        self._check()
        op = functools.partial(log.append, n=self._n, epoch=self._epoch, kind=kind, scope=scope, body=text)
        self._store.post(op, self._posted, self._n, len(text))

    def _posted(self, _: None, error: Exception | None) -> None:
        if error is not None:
            self._lost(error)

    async def step(self, name: str, fn: Callable[..., Awaitable[Value] | Value], *args: Any) -> Value:
        self._check()
        path = self._place(name)
        if (recorded := self._recorded.get(path)) is not None:
            return _restore(fn, recorded)
        token = _scope.set(path)
        try:
            value = await _call(fn, *args)
        finally:
            _scope.reset(token)
        try:
            text = to_json(value).decode()
        except PydanticSerializationError as error:
            raise TypeError(f"step {name!r}: its value cannot be recorded as JSON ({error})") from None
        await self._write(lambda db: log.record(db, self._n, self._epoch, path, text))
        # What a later run would be given, so that the two cannot differ.
        return _restore(fn, text)

    async def ask(self, question: Question[Answer]) -> Answer:
        self._check()
        path, schema = self._place("?"), question.answer_schema
        request_id = await self._write(lambda db: log.ask(db, self._n, self._epoch, path, question.text, schema))
        self.questions[request_id] = question.answer
        try:
            text = await self._answer_to(request_id)
        finally:
            del self.questions[request_id]
        try:
            return question.answer.model_validate_json(text)
        except ValidationError as error:  # the schema cannot say all that a validator can
            raise invalid_input(error) from None

    async def _answer_to(self, request_id: str) -> str:
        while True:
            self._woken.clear()
            found = log.question(self._store.reader, self._n, request_id)
            if found is not None and found[1] is not None:
                return found[1]
            await self._woken.wait()

    def _place(self, name: str) -> str:
        path = f"{_scope.get()}/{name.replace('%', '%25').replace('/', '%2F')}"
        self._occurrences[path] += 1
        return f"{path}#{self._occurrences[path]}"

    async def _write(self, op: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return await self._store.write(op, self._n)
        except (log.Fenced, SametaskError) as error:
            self._lost(error)
            raise asyncio.CancelledError from None

    def _lost(self, error: Exception) -> None:
        if not self._closed:
            self.close()
            self._lose(error)

    def _check(self) -> None:
        # Not an Exception: a skill's own `except Exception` must not carry on in a task that it no longer owns.
        if self._closed:
            raise asyncio.CancelledError


async def _call(fn: Callable[..., Any], *args: Any) -> Any:
    plain = _plain(fn)
    if inspect.isroutine(plain) and not inspect.iscoroutinefunction(plain):
        # Abandoned when canceled: a thread cannot be stopped, and its value is wanted by nobody.
        value = await anyio.to_thread.run_sync(functools.partial(fn, *args), abandon_on_cancel=True)
    else:
        value = fn(*args)
    return await value if inspect.isawaitable(value) else value


def _restore(fn: Callable[..., Any], text: str) -> Any:
    plain = _plain(fn)
    adapter = return_type(plain) if "return" in getattr(plain, "__annotations__", {}) else None
    return json.loads(text) if adapter is None else adapter.validate_json(text)


def _plain(fn: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(fn, functools.partial):
        fn = cast(Callable[..., Any], fn.func)
    return fn
