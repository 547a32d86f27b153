"""The operations on tasks: read, long-poll, follow, answer, cancel, list; and the catalogue of agents."""

from __future__ import annotations

from typing import Annotated, Any

import pydantic_core
from fastapi import FastAPI, Header, Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ...agents.errors import InvalidInput
from ...agents.events import Task
from . import streams
from .problems import documented
from .requests import last_event_id, preferred_wait_s, read_json
from .skills import task_response
from .streams import EventStream, Service, settled

TaskId = Annotated[str, Path(description="The id of a task, as its submission gave it")]


class SkillEntry(BaseModel):
    """A skill, and where it is done. A long one answers `202` with a task; schemas are JSON Schema 2020-12."""

    name: str
    description: str
    long: bool
    path: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]


class AgentEntry(BaseModel):
    name: str
    description: str
    version: str
    skills: list[SkillEntry]


class Catalogue(BaseModel):
    agents: list[AgentEntry]


class TaskList(BaseModel):
    """The newest first, without their artifacts."""

    tasks: list[Task]


def add_catalogue(app: FastAPI, service: Service) -> None:
    """`GET /agents`: the discovery."""
    catalogue = Catalogue(
        agents=[
            AgentEntry(
                name=agent.name,
                description=agent.description,
                version=agent.version,
                skills=[
                    SkillEntry(
                        name=skill.name,
                        description=skill.description,
                        long=skill.long,
                        path=f"/agents/{agent.name}/skills/{skill.name}",
                        input_schema=skill.input_schema,
                        output_schema=skill.output_schema,
                    )
                    for skill in agent.skills.values()
                ],
            )
            for agent in service.engine.roster.values()
        ]
    ).model_dump_json()

    @app.get("/agents", operation_id="list_agents", tags=["discovery"], response_model=Catalogue, responses=documented())
    async def list_agents() -> Response:
        """Every agent and skill that is served here, with the schemas of their inputs and outputs."""
        return Response(catalogue, media_type="application/json")


def add_tasks(app: FastAPI, service: Service) -> None:
    """The operations under `/tasks`."""
    engine = service.engine

    @app.get("/tasks", operation_id="list_tasks", tags=["tasks"], response_model=TaskList, responses=documented(422))
    async def list_tasks(
        limit: Annotated[int, Query(description="1 to 1000", json_schema_extra={"minimum": 1, "maximum": 1000})] = 100,
        before: Annotated[str | None, Query(description="The id of the last task already seen")] = None,
    ) -> Response:
        tasks = TaskList(tasks=await engine.list(limit=limit, before=before))
        return Response(tasks.model_dump_json(), media_type="application/json")

    @app.get("/tasks/{task_id}", operation_id="get_task", tags=["tasks"], response_model=Task, responses=documented(404))
    async def get_task(
        task_id: TaskId,
        prefer: Annotated[
            str | None, Header(description="`wait=N`: answer when the task is done or asks, or after N seconds (RFC 7240)")
        ] = None,
    ) -> Response:
        task = await engine.get(task_id)
        headers: dict[str, str] = {}
        if (wait_s := preferred_wait_s(prefer)) is not None:
            task, waited = await settled(service, task, wait_s)
            if waited:
                headers["Preference-Applied"] = f"wait={wait_s}"
        return task_response(task, headers=headers)

    @app.get(
        "/tasks/{task_id}/events",
        operation_id="follow_task",
        tags=["tasks"],
        response_class=Response,
        status_code=200,
        responses={
            200: {
                "description": "The log: `id` is the sequence number, `event` the type, `data` the event as JSON",
                "content": streams.CONTENT,
            },
            204: {"description": "The task has ended and there is nothing after the last event: do not reconnect"},
            **documented(404, 422),
        },
    )
    async def follow_task(
        task_id: TaskId,
        after: Annotated[
            int, Query(description="Only events with a sequence number above this one", json_schema_extra={"minimum": 0})
        ] = 0,
        seen: Annotated[
            str,
            Header(alias="Last-Event-ID", description="As `after`, and stronger", json_schema_extra={"pattern": "^[0-9]*$"}),
        ] = "",
    ) -> Response:
        """The events of a task, those stored and those to come. The stream ends after the terminal event, and after a
        question that waits for its answer; it resumes after `Last-Event-ID`.
        """
        if after < 0:
            await anext(engine.events(task_id, after))  # raises: the engine says what is accepted
        resumed = last_event_id(seen)
        after = after if resumed is None else resumed
        task = await engine.get(task_id)
        if task.state.terminal and after >= task.last_seq:
            return Response(status_code=204)  # what tells a browser's EventSource to stop reconnecting
        return EventStream(service, task_id, after)

    @app.put(
        "/tasks/{task_id}/answers/{request_id}",
        operation_id="answer_task",
        tags=["tasks"],
        response_model=Task,
        responses=documented(404, 409, 413, 415, 422),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _ANSWER}}}},
    )
    async def answer_task(
        request: Request, task_id: TaskId, request_id: Annotated[str, Path(description="The `request_id` of the question")]
    ) -> Response:
        """Answer the open question of a task. Idempotent: the first answer stands."""
        body = await read_json(request, service.max_body_bytes)
        try:
            value = pydantic_core.from_json(body)
        except ValueError as error:
            raise InvalidInput("answer", body.decode(errors="replace"), f"accepted: JSON ({error})") from None
        return task_response(await engine.answer(task_id, request_id, value))

    @app.post(
        "/tasks/{task_id}/cancel",
        operation_id="cancel_task",
        tags=["tasks"],
        response_model=Task,
        responses={202: {"model": Task, "description": "The task is being canceled"}, **documented(404, 409)},
    )
    async def cancel_task(task_id: TaskId) -> Response:
        """Stop a task. A second cancel of a canceled task changes nothing."""
        task = await engine.cancel(task_id)
        return task_response(task, 200 if task.state.terminal else 202)


_ANSWER = {"type": "object", "additionalProperties": True, "description": "Fits the question's `answer_schema`"}
