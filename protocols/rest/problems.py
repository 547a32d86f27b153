"""Every error as problem+json (RFC 9457), whoever raised it: a skill, the engine, FastAPI's validation or the router."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from ...agents.errors import InvalidInput, NotFound, SametaskError
from ..errors import TABLE, codes

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457 problem details. `code` and `details` are extension members (section 3.2)."""

    type: str = Field(default="about:blank", description="about:blank: `title` and `status` are HTTP's own (section 4.2.1)")
    title: str
    status: int
    detail: str = Field(description="what went wrong, in one line")
    code: str = Field(description="the class of the error, the same on every protocol: one of " + ", ".join(TABLE))
    details: dict[str, Any] = Field(
        default={}, description="`field`, `value` and `accepted`, where they apply, and the error's other particulars"
    )


def problem(error: SametaskError, status: int | None = None) -> Problem:
    """The problem document of an error; `status` overrides the one of the error table."""
    status = status or codes(error).http
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=error.message, code=error.code, details=error.details)


def problem_response(error: SametaskError, status: int | None = None, headers: Mapping[str, str] | None = None) -> Response:
    body = problem(error, status)
    return Response(body.model_dump_json(), body.status, headers, media_type=MEDIA_TYPE)


class UnsupportedMediaType(InvalidInput):
    """A request body that is not declared as JSON: HTTP has a status of its own for it (RFC 9110 section 15.5.16)."""

    def __init__(self, media_type: str) -> None:
        super().__init__("Content-Type", media_type, "accepted: application/json")


def install(app: FastAPI) -> None:
    """Answer every error of `app` with problem+json."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, SametaskError)
        return problem_response(error, 415 if isinstance(error, UnsupportedMediaType) else None)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first: dict[str, Any] = error.errors()[0]
        accepted = first["msg"][:1].lower() + first["msg"][1:]
        return problem_response(InvalidInput(str(first["loc"][-1]), first.get("input"), accepted))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path, known = request.url.path, "accepted: those listed in /openapi.json"
        match error.status_code:
            case 404:
                cause = NotFound(f"path: {path!r} is not known; {known}", field="path", value=path, accepted=known)
            case 405:
                # Starlette names the methods of the first route with this path, not of all of them (RFC 9110 section 15.5.6).
                allow = ", ".join(_methods(request))
                cause = InvalidInput("method", request.method, "accepted: " + allow)
                return problem_response(cause, 405, {**(error.headers or {}), "Allow": allow})
            case _:
                cause = SametaskError(str(error.detail))
        return problem_response(cause, error.status_code, error.headers)

    async def unexpected(_: Request, error: Exception) -> Response:
        return problem_response(SametaskError(f"internal error: {type(error).__name__}"))

    app.add_exception_handler(SametaskError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def _methods(request: Request) -> list[str]:
    """The methods of the path that was asked for."""
    routes = cast("list[Route]", request.app.routes)
    found = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in found for method in route.methods or ()})


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI `responses` of these error statuses, and of any other."""
    content = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    expected: dict[int | str, dict[str, Any]] = {
        status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses
    }
    return {**expected, "default": {"description": "Any other error", "content": content}}
