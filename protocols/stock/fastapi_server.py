"""The REST service that a team writes for its own agents: FastAPI, tasks in a dict, progress over Server-Sent Events."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from ...agents.contract import Origin, Roster, Skill
from ...agents.engine import TaskEngine
from ...agents.errors import SametaskError, UnknownTask
from ...agents.events import Task
from ..errors import codes
from ..listening import bind_socket, listen_http
from ..variants import Bind, Endpoint
from .running import Running


def _known(task_id: str, request: Request) -> Running:
    if task_id not in request.app.state.tasks:
        raise UnknownTask(task_id)
    return request.app.state.tasks[task_id]


Known = Annotated[Running, Depends(_known)]


def application(roster: Roster, tasks: dict[str, Running]) -> FastAPI:
    """An operation per skill, as in `protocols/rest`; what FastAPI does by itself is left as it is."""
    app = FastAPI(title="agents")
    app.state.tasks = tasks

    async def refuse(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, SametaskError)
        return JSONResponse({"detail": error.message, "code": error.code}, codes(error).http)

    def operation(skill: Skill) -> Callable[..., Awaitable[Any]]:
        async def quick(request: Any) -> Any:
            return await skill(request)

        async def long(request: Any) -> Task:
            running = Running(skill, request, Origin("stock-fastapi"))
            tasks[running.id] = running
            return running.task

        chosen: Any = long if skill.long else quick
        place = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=skill.input)
        chosen.__signature__ = inspect.Signature([place])
        return chosen

    for skill in roster.skills():
        app.post(
            f"/agents/{skill.agent}/skills/{skill.name}",
            status_code=202 if skill.long else 200,
            response_model=Task if skill.long else skill.output,
            description=skill.description,
        )(operation(skill))

    catalogue = {"agents": [_describe(roster, name) for name in roster]}

    async def list_agents() -> dict[str, Any]:
        return catalogue

    async def get_task(running: Known) -> Task:
        return running.task

    async def follow(running: Known, last_event_id: Annotated[int, Header()] = 0) -> AsyncIterable[ServerSentEvent]:
        async for event in running.follow(last_event_id):
            yield ServerSentEvent(raw_data=event.model_dump_json(), id=str(event.seq))

    async def answer(running: Known, request_id: str, value: Annotated[Any, Body()]) -> Task:
        running.answer(request_id, value)
        return running.task

    async def cancel(running: Known) -> Task:
        await running.cancel()
        return running.task

    app.exception_handler(SametaskError)(refuse)
    app.get("/agents")(list_agents)
    app.get("/tasks/{task_id}")(get_task)
    app.get("/tasks/{task_id}/events", response_class=EventSourceResponse)(follow)
    app.put("/tasks/{task_id}/answers/{request_id}")(answer)
    app.post("/tasks/{task_id}/cancel")(cancel)
    return app


def _describe(roster: Roster, name: str) -> dict[str, Any]:
    shown = ("name", "description", "long", "input_schema", "output_schema")
    skills = [{field: getattr(skill, field) for field in shown} for skill in roster[name].skills.values()]
    return {"name": name, "description": roster[name].description, "version": roster[name].version, "skills": skills}


@asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """Serve the engine's roster, without the engine. Raises: Unavailable when the port cannot be bound."""
    tasks: dict[str, Running] = {}
    async with listen_http(application(engine.roster, tasks), bind_socket(bind)) as address:
        try:
            yield Endpoint(f"http://{address}", {"http": address})
        finally:
            for running in [*tasks.values()]:
                await running.end()
