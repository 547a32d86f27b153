"""A task's log as Server-Sent Events (WHATWG HTML, section 9.2), and the wait of a long poll."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

import anyio
from fastapi.sse import format_sse_event
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ...agents.engine import TaskEngine
from ...agents.errors import SametaskError, Unavailable
from ...agents.events import Event, Task, TaskState
from .problems import problem

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE_S = 15.0  # what the standard advises against proxies that drop a silent connection


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


def frame(event: Event) -> bytes:
    """One event on the wire. A snapshot carries no `id:`, so that it does not move the reader's Last-Event-ID."""
    seq = str(event.seq) if event.seq else None
    return format_sse_event(data_str=event.model_dump_json(), event=event.body.type, id=seq)


class EventStream(Response):
    """The events of one task, from after `after` up to its terminal one or an open question.

    What ends a stream before that (the server drains, the store fails) is told as a last `problem` event, so that a stream
    that stopped is never taken for one that finished.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        service: Service,
        task_id: str,
        after: int,
        *,
        first: Event | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})})
        del self.headers["Content-Length"]
        self.service, self.task_id, self.after, self.first = service, task_id, after, first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connected = True

        async def write(chunk: bytes, more: bool = True) -> None:
            # One whole frame a call: uvicorn writes it in one go or, when cancelled, not at all.
            nonlocal silent
            silent = False
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

        async def listen_for_disconnect() -> None:
            nonlocal connected
            while (await receive())["type"] != "http.disconnect":
                pass
            connected = False
            group.cancel_scope.cancel()

        async def listen_for_drain() -> None:
            nonlocal cause
            await self.service.draining.wait()
            cause = Unavailable("the server is shutting down; the task goes on, follow it again from the last event")
            group.cancel_scope.cancel()

        async def keep_alive() -> None:
            nonlocal silent
            while True:
                silent = True
                await anyio.sleep(KEEP_ALIVE_S)
                if silent:
                    await write(b": keep-alive\n\n")

        silent = True
        cause: SametaskError | None = None
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with anyio.create_task_group() as group:
            for watch in (listen_for_disconnect, listen_for_drain, keep_alive):
                group.start_soon(watch)
            try:
                if self.first is not None:
                    await write(frame(self.first))
                async with aclosing(turn(self.service.engine, self.task_id, self.after)) as events:
                    async for event in events:
                        await write(frame(event))
            except SametaskError as error:
                cause = error
            group.cancel_scope.cancel()
        if connected:
            last = b"" if cause is None else format_sse_event(data_str=problem(cause).model_dump_json(), event="problem")
            await write(last, more=False)
