"""One operation per skill, `POST /agents/{agent}/skills/{skill}`, with the skill's own models in the OpenAPI document."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Optional

import pydantic_core
from fastapi import Body, FastAPI, Header
from fastapi.routing import APIRoute
from pydantic import BaseModel, create_model
from starlette.requests import Request
from starlette.responses import Response

from ...agents.contract import Skill
from ...agents.events import Event, Snapshot, Task
from .. import sse
from . import streams
from .problems import documented
from .requests import idempotency_key, origin, read_json
from .streams import EventStream, Service

RETRY_AFTER_S = "1"


class SkillRoute(APIRoute):
    """Declared with the skill's models, so that the document is FastAPI's own; answered from the raw bytes, so that a large
    input is parsed and validated once, by pydantic, and not first into Python objects.
    """

    def get_route_handler(self) -> Callable[[Request], Any]:
        return self.endpoint


def task_response(task: Task, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A task, with `Retry-After` where asking again makes sense (RFC 9110 section 10.2.3)."""
    retry = {} if task.state.terminal else {"Retry-After": RETRY_AFTER_S}
    return Response(task.model_dump_json(), status, {**retry, **(headers or {})}, media_type="application/json")


def add_skills(app: FastAPI, service: Service) -> None:
    """Add the operation of every skill, then the one that tells a caller which agent or skill it has got wrong."""
    for skill in service.engine.roster.skills():
        app.router.add_api_route(
            f"/agents/{skill.agent}/skills/{skill.name}",
            _long(skill, service) if skill.long else _quick(skill, service),
            methods=["POST"],
            operation_id=f"{skill.agent}_{skill.name}",
            tags=[skill.agent],
            summary=skill.description.partition("\n")[0],
            description=skill.description,
            status_code=202 if skill.long else 200,
            response_model=_task_model(skill) if skill.long else skill.output,
            response_description="The task, started" if skill.long else "The result",
            responses=(_LONG_RESPONSES if skill.long else {})
            | documented(413, 415, 422, 500, 503, *([409] if skill.long else [])),
            route_class_override=SkillRoute,
        )

    async def unknown_skill(request: Request) -> Response:
        service.engine.roster.skill(request.path_params["agent"], request.path_params["skill"])
        raise AssertionError("every known skill has a route of its own")

    app.router.add_api_route("/agents/{agent}/skills/{skill}", unknown_skill, methods=["POST"], include_in_schema=False)


_LONG_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "With `Accept: text/event-stream`: a `snapshot` of the task, then its events as they happen",
        "content": streams.CONTENT,
        "headers": {"Location": {"description": "The path of the task", "schema": {"type": "string"}}},
    },
    202: {
        "headers": {
            "Location": {"description": "The path of the task", "schema": {"type": "string"}},
            "Retry-After": {"description": "When to ask again, in seconds", "schema": {"type": "integer"}},
        }
    },
}


def _quick(skill: Skill, service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def operation(request: Request) -> Response:
        body = await read_json(request, service.max_body_bytes)
        result = await skill(skill.parse_json(body))
        return Response(pydantic_core.to_json(result), media_type="application/json")

    return _signed(operation, skill)


def _long(skill: Skill, service: Service) -> Callable[[Request], Awaitable[Response]]:
    async def operation(request: Request) -> Response:
        key = idempotency_key(request.headers.get("idempotency-key"))
        body = await read_json(request, service.max_body_bytes)
        task = await service.engine.submit(skill, skill.parse_json(body), key=key, origin=origin(request, key))
        location = f"/tasks/{task.id}"
        if sse.MEDIA_TYPE not in request.headers.get("accept", ""):
            return task_response(task, 202, {"Location": location})
        first = Event(seq=0, at=task.created_at, body=Snapshot(task=task))
        return EventStream(service, task.id, 0, first=first, headers={"Location": location})

    key = inspect.Parameter(
        "idempotency_key",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                description="The same key with the same body gives the same task",
                json_schema_extra={"minLength": 1, "maxLength": 512, "pattern": '^(?!""$)'},
            ),
        ],
    )
    return _signed(operation, skill, key)


def _signed(operation: Any, skill: Skill, *more: inspect.Parameter) -> Any:
    """Give an operation the signature that FastAPI shall document."""
    annotation = Annotated[skill.input, Body()]
    body = inspect.Parameter("body", inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
    operation.__signature__ = inspect.Signature([body, *more])
    operation.__name__ = f"{skill.agent}_{skill.name}"
    return operation


def _task_model(skill: Skill) -> type[BaseModel]:
    """`Task` with the skill's own output as its result, for the document only."""
    name = "".join(word.capitalize() for word in f"{skill.agent}_{skill.name}".split("_")) + "Task"
    result: Any = (Optional[skill.output], None)  # noqa: UP045 - a model that is only known here is no type to a checker
    return create_model(name, __base__=Task, __doc__=f"A task of {skill.agent}.{skill.name}.", result=result)
