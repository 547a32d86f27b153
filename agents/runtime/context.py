"""The `TaskContext` of a task that is running here: every call of the skill's becomes a fenced write to its journal."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import math
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import fields
from typing import Any, TypeVar, cast

import anyio.to_thread
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from ..contract import Origin, Question, Retry, invalid_input, return_type
from ..errors import InvalidInput, Rejected, SametaskError
from ..events import Artifact, ArtifactEmitted, Progress
from .journal import Asked, Attempts, Claim, Fenced, Journal, Past, Unreadable

Answer = TypeVar("Answer", bound=BaseModel)
Value = TypeVar("Value")
Result = TypeVar("Result")

_scope: ContextVar[str] = ContextVar("sametask_scope", default="")
"""The step that is being executed, as a path like `/fetch#1/parse#2`; empty in the skill's own body."""


class RunningContext:
    """Shape: satisfies `TaskContext`. `lose(error)` is called once when a write of the task's could not be made.

    Each thing a skill does has a place that is the same in every run: the path of the step it is in, and its ordinal there.
    So a later run can tell what an earlier one has already recorded or told. Things done in parallel within one step (or in
    the body) have no such order: give parallel work steps of different names. What a step does when it is tried again has
    places of its own, `/fetch#1~2`.
    """

    __slots__ = ("_claim", "_closed", "_journal", "_lose", "_occurrences", "_past", "_questions", "_waiting")

    def __init__(self, claim: Claim, journal: Journal, past: Past, lose: Callable[[Exception], None]) -> None:
        self._claim = claim
        self._journal, self._past = journal, past
        self._occurrences: dict[str, int] = {}
        self._lose = lose
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []
        self._questions: list[tuple[str, type[BaseModel]]] = []  # as thousands may wait: half the size of a dict

    @property
    def id(self) -> str:
        return self._claim.id

    @property
    def origin(self) -> Origin:
        try:
            stored: dict[str, Any] = json.loads(self._claim.origin)
            # A newer release may have stored more about it.
            return Origin(**{field.name: stored[field.name] for field in fields(Origin) if field.name in stored})
        except (ValueError, TypeError) as error:
            raise Unreadable(f"store: what it says of the task's origin is damaged ({error})") from None

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """From now on nothing is written, so that what a skill does while it is torn down does not become part of its log."""
        self._closed = True
        self.wake()  # a question asked in parallel to what was interrupted would wait for ever

    def wake(self) -> None:
        """Look whether an open question has been answered."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def check_answer(self, request_id: str, text: str) -> None:
        """Where the question is waited for here, its model may say more of an answer than the schema can.

        Raises: InvalidInput.
        """
        for asked, model in self._questions:
            if asked == request_id:
                _read_answer(model, text)

    def enter(self) -> None:
        """Begin in the body, even where the submit came from another task's step."""
        _scope.set("")

    def lost(self, error: Exception) -> None:
        """A write could not be made: nothing more is written."""
        if not self._closed:
            self.close()
            self._lose(error)

    async def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        if not math.isfinite(done) or (total is not None and not math.isfinite(total)):
            raise ValueError(f"progress: {done!r} of {total!r} is not accepted; finite numbers are accepted")
        await self._tell("progress", Progress(done=done, total=total, text=text))

    async def emit(self, artifact: Artifact) -> None:
        await self._tell("artifact", ArtifactEmitted(artifact=artifact))

    async def _tell(self, kind: str, body: BaseModel) -> None:
        await asyncio.sleep(0)  # a skill that tells in a tight loop still lets others run, and can be canceled
        scope = _scope.get()
        told = self._past.told
        if told.get(scope, 0) > 0:
            told[scope] -= 1
            return
        text = body.model_dump_json()
        await self._written(self._journal.room())
        self._check()
        self._journal.tell(kind, scope, text)

    async def step(
        self, name: str, fn: Callable[..., Awaitable[Value] | Value], *args: Any, retry: Retry | None = None
    ) -> Value:
        self._check()
        path = self._place(name)
        if (recorded := self._past.steps.get(path)) is not None:
            return _restore(fn, recorded)
        value = await self._attempted(path, functools.partial(_call, fn, *args), retry)
        try:
            text = to_json(value).decode()
        except PydanticSerializationError as error:
            raise TypeError(f"step {name!r}: its value cannot be recorded as JSON ({error})") from None
        await self._written(self._journal.record(path, text))
        # What a later run would be given, so that the two cannot differ.
        return _restore(fn, text)

    async def _attempted(self, path: str, call: Callable[[], Awaitable[Any]], retry: Retry | None) -> Any:
        if retry is None:
            return await _within(path, call)
        failed = self._past.attempts.get(path, Attempts(0, 0))
        while True:
            # Not longer than the delay, however the clock was set since.
            await asyncio.sleep(min(failed.next_at - time.time(), retry.longest_delay_s))
            try:
                return await _within(path if failed.count == 0 else f"{path}~{failed.count + 1}", call)
            except retry.on as error:
                count = failed.count + 1
                if isinstance(error, Rejected | InvalidInput) or count >= retry.attempts:
                    raise
            self._check()
            failed = Attempts(count, time.time() + retry.delay_s(count) * random.uniform(0.5, 1.0))
            await self._written(self._journal.failed(path, failed))

    async def ask(self, question: Question[Answer], *, timeout_s: float | None = None) -> Answer:
        self._check()
        path, schema = self._place("?"), question.answer_schema
        asked = await self._written(self._journal.ask(path, question.text, schema, timeout_s))
        waiting = asked.request_id, question.answer
        self._questions.append(waiting)
        try:
            asked = await self._answered(asked, timeout_s)
        finally:
            self._questions.remove(waiting)
        if asked.answer is None:
            raise TimeoutError(f"no answer within {timeout_s:g} s to: {question.text}")
        return _read_answer(question.answer, asked.answer)

    async def _answered(self, asked: Asked, timeout_s: float | None) -> Asked:
        """The question once it has its answer, or has expired."""
        if timeout_s is None or asked.expires_at is None:
            return await self._closed_question(asked)
        try:
            async with asyncio.timeout(min(asked.expires_at - time.time(), timeout_s)):
                return await self._closed_question(asked)
        except TimeoutError:
            return await self._written(self._journal.expire(asked.request_id))

    async def _closed_question(self, asked: Asked) -> Asked:
        while asked.answer is None and not asked.expired:
            woken = asyncio.get_running_loop().create_future()
            self._waiting.append(woken)  # before it is read: what comes after that wakes it
            asked = await self._written(self._journal.asked(asked.request_id))
            if asked.answer is None and not asked.expired:
                await woken
                self._check()
        return asked

    def _place(self, name: str) -> str:
        path = f"{_scope.get()}/{name.replace('%', '%25').replace('/', '%2F')}"
        number = self._occurrences[path] = self._occurrences.get(path, 0) + 1
        return f"{path}#{number}"

    async def _written(self, write: Awaitable[Result]) -> Result:
        try:
            return await write
        except (Fenced, SametaskError) as error:
            self.lost(error)
            raise asyncio.CancelledError from None

    def _check(self) -> None:
        # Not an Exception: a skill's own `except Exception` must not carry on in a task that it no longer owns.
        if self._closed:
            raise asyncio.CancelledError


def _read_answer(model: type[Answer], text: str) -> Answer:
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise invalid_input(error) from None


async def _within(scope: str, call: Callable[[], Awaitable[Any]]) -> Any:
    token = _scope.set(scope)
    try:
        return await call()
    finally:
        _scope.reset(token)


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
