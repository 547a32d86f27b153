"""A task's log as Server-Sent Events (WHATWG HTML, section 9.2), and the wait of a long poll."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import anyio
from fastapi.sse import format_sse_event

from ...agents.engine import TaskEngine
from ...agents.errors import SametaskError, Unavailable
from ...agents.events import Event, Task, TaskState
from .. import sse
from ..sse import FrameStream
from .problems import problem


@dataclass(frozen=True)
class Service:
    """What every operation needs. `draining` is set when the server is about to stop."""

    engine: TaskEngine
    max_body_bytes: int
    draining: anyio.Event


async def turn(engine: TaskEngine, task_id: str, after: int) -> AsyncGenerator[Event]:
    """The events after `after`, up to the terminal one or to a question that is still open once it has been told."""
    async with aclosing(cast(AsyncGenerator[Event], engine.events(task_id, after))) as events:
        async for event in events:
            yield event
            if event.state is TaskState.INPUT_REQUIRED:
                task = await engine.get(task_id)
                if task.state is TaskState.INPUT_REQUIRED and task.last_seq == event.seq:
                    return


async def settled(service: Service, task: Task, wait_s: float) -> tuple[Task, bool]:
    """The task once it is terminal or asks a question, or after `wait_s`, or when the server drains.

    Shape: the task as it stands, and whether the wait was carried out (false: the server is stopping).
    """
    if not task.state.terminal and task.state is not TaskState.INPUT_REQUIRED:
        with anyio.move_on_after(wait_s):
            async with anyio.create_task_group() as group:

                async def stop_when_draining() -> None:
                    await service.draining.wait()
                    group.cancel_scope.cancel()

                group.start_soon(stop_when_draining)
                async with aclosing(turn(service.engine, task.id, task.last_seq)) as events:
                    async for _ in events:
                        pass
                group.cancel_scope.cancel()
        task = await service.engine.get(task.id)
    return task, not service.draining.is_set()


CONTENT: dict[str, Any] = {
    sse.MEDIA_TYPE: {
        "itemSchema": {
            "type": "object",
            "required": ["event", "data"],
            "properties": {
                "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The event's sequence number"},
                "event": {"type": "string"},
                "data": {"type": "string", "contentMediaType": "application/json"},
            },
        },
    }
}
"""The OpenAPI `content` of a stream; `itemSchema` is OpenAPI 3.2's, each event of it."""


def frame(event: Event) -> bytes:
    """One event on the wire. A snapshot carries no `id:`, so that it does not move the reader's Last-Event-ID."""
    seq = str(event.seq) if event.seq else None
    return format_sse_event(data_str=event.model_dump_json(), event=event.body.type, id=seq)


class EventStream(FrameStream):
    """The events of one task, from after `after` up to its terminal one or an open question.

    What ends a stream before that (the server drains, the store fails) is told as a last `problem` event.
    """

    def __init__(
        self,
        service: Service,
        task_id: str,
        after: int,
        *,
        first: Event | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        drained = Unavailable("the server is shutting down; the task goes on, follow it again from the last event")
        super().__init__(_frames(service.engine, task_id, after, first), _problem(drained), service.draining, headers)


async def _frames(engine: TaskEngine, task_id: str, after: int, first: Event | None) -> AsyncGenerator[bytes]:
    if first is not None:
        yield frame(first)
    try:
        async with aclosing(turn(engine, task_id, after)) as events:
            async for event in events:
                yield frame(event)
    except SametaskError as error:
        yield _problem(error)


def _problem(error: SametaskError) -> bytes:
    return format_sse_event(data_str=problem(error).model_dump_json(), event="problem")
