"""A long skill run by this process alone: all that a server without a durable runtime has of a task."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ...agents.contract import Origin, Question, Skill, invalid_input
from ...agents.errors import NotWaiting, Rejected, SametaskError, SkillFailed, TaskFinished
from ...agents.events import Artifact, ArtifactEmitted, ErrorInfo, Event, OpenQuestion, Progress, StateChanged, Task, TaskState

Answer = TypeVar("Answer", bound=BaseModel)
Value = TypeVar("Value")


class Running:
    """One run of a skill, and the `TaskContext` that it is given. It is in memory, and gone with the process.

    Shape: `task` as it stands; `events` are all that it has told, numbered from 1.
    """

    def __init__(self, skill: Skill, request: BaseModel, origin: Origin, task_id: str = "") -> None:
        self.id, self.origin = task_id or uuid.uuid4().hex, origin
        now = time.time()
        self.task = Task(
            id=self.id, agent=skill.agent, skill=skill.name, state=TaskState.SUBMITTED, created_at=now, updated_at=now
        )
        self.events: list[Event] = []
        self._told = asyncio.Event()
        self._answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asking: type[BaseModel] | None = None
        self._asked_count = 0
        self._work = asyncio.create_task(self._run(skill, request))
        self._work.add_done_callback(lambda _: self._stopped())

    async def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        await asyncio.sleep(0)
        self._tell(Progress(done=done, total=total, text=text))

    async def emit(self, artifact: Artifact) -> None:
        await asyncio.sleep(0)
        self._tell(ArtifactEmitted(artifact=artifact))

    async def step(self, name: str, fn: Callable[..., Awaitable[Value] | Value], *args: Any) -> Value:
        """Runs `fn`, and records nothing."""
        value: Any = fn(*args) if inspect.iscoroutinefunction(fn) else await asyncio.to_thread(fn, *args)
        return await value if inspect.isawaitable(value) else value

    async def ask(self, question: Question[Answer]) -> Answer:
        self._asked_count += 1
        self._answer, self._asking = asyncio.get_running_loop().create_future(), question.answer
        asked = OpenQuestion(
            request_id=f"question-{self._asked_count}", text=question.text, answer_schema=question.answer_schema
        )
        self._tell(StateChanged(state=TaskState.INPUT_REQUIRED, question=asked))
        return await self._answer

    def answer(self, request_id: str, value: Any) -> None:
        """Raises: TaskFinished, NotWaiting, or InvalidInput for a value that does not fit."""
        if self.task.state.terminal:
            raise TaskFinished(self.id, self.task.state)
        if self._asking is None or self.task.question is None or self.task.question.request_id != request_id:
            raise NotWaiting(self.id, request_id, self.task.question and self.task.question.request_id)
        try:
            answer = self._asking.model_validate(value)
        except ValidationError as error:
            raise invalid_input(error) from None
        self._tell(StateChanged(state=TaskState.WORKING))
        self._answer.set_result(answer)

    async def cancel(self) -> None:
        """Return once the run has stopped. Raises: TaskFinished when it had ended in another way before."""
        if self.task.state.terminal and self.task.state is not TaskState.CANCELED:
            raise TaskFinished(self.id, self.task.state)
        await self.end()

    async def follow(self, after: int = 0) -> AsyncGenerator[Event]:
        """The events above that number, up to the terminal one or a question that is open."""
        while after < len(self.events) or not self.task.state.terminal:
            if after == len(self.events):
                await self._told.wait()
            event = self.events[after]
            after += 1
            yield event
            if event.state is TaskState.INPUT_REQUIRED and after == len(self.events):
                return

    async def end(self) -> None:
        """Stop it where it has not ended: its server does."""
        self._work.cancel()
        await asyncio.wait([self._work])

    async def _run(self, skill: Skill, request: BaseModel) -> None:
        self._tell(StateChanged(state=TaskState.WORKING))
        try:
            result = skill.dump(await skill.function(request, self))
        except Exception as raised:
            # The wall between the agent's code and everyone else, as in `Skill.__call__`.
            error = raised if isinstance(raised, SametaskError) else SkillFailed(raised)
            state = TaskState.REJECTED if isinstance(error, Rejected) else TaskState.FAILED
            self._tell(StateChanged(state=state, error=ErrorInfo.model_validate(error.to_json())))
        else:
            self._tell(StateChanged(state=TaskState.COMPLETED, result=result))

    def _stopped(self) -> None:
        # Here and not in `_run`: a task that is canceled before its first step never runs.
        if not self.task.state.terminal:
            self._tell(StateChanged(state=TaskState.CANCELED))

    def _tell(self, body: StateChanged | Progress | ArtifactEmitted) -> None:
        event = Event(seq=len(self.events) + 1, at=time.time(), body=body)
        self.events.append(event)
        now: dict[str, Any] = {"updated_at": event.at, "last_seq": event.seq}
        if isinstance(body, StateChanged):
            now |= {"state": body.state, "result": body.result, "error": body.error, "question": body.question}
        elif isinstance(body, Progress):
            now["progress"] = body
        else:
            now["artifacts"] = (*self.task.artifacts, body.artifact)
        self.task = self.task.model_copy(update=now)
        self._told.set()
        self._told = asyncio.Event()
