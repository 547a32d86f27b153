"""A2A's HTTP+JSON binding (A2A 1.0 section 11): the operations as resources and custom verbs, streams as Server-Sent Events.

Each path may begin with a tenant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from a2a.server.context import ServerCallContext
from a2a.types import (
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    SendMessageRequest,
    SendMessageResponse,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
)
from a2a.types import Message as A2AMessage
from a2a.utils.constants import VERSION_HEADER
from a2a.utils.errors import A2AError, InvalidParamsError, MethodNotFoundError
from a2a.utils.proto_utils import parse_params
from google.protobuf.json_format import ParseError
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...agents.errors import TooLarge
from ..http_bodies import read_body
from .calling import call_context
from .errors import to_a2a
from .http_service import HttpService, frame, json_response, stream_response, to_json
from .json_errors import as_a2a, http_error
from .json_messages import parse, read_json
from .resume import activated

VARIANT = "a2a-http"
PATH = "/a2a/v1"
MEDIA_TYPE = "application/a2a+json"

_CONFIGS = "/tasks/{task_id}/pushNotificationConfigs"
_OPERATIONS: tuple[tuple[str, str, type[Message], str], ...] = (
    ("POST", "/message:send", SendMessageRequest, "on_message_send"),
    ("POST", "/message:stream", SendMessageRequest, "on_message_send_stream"),
    ("POST", "/tasks/{id}:cancel", CancelTaskRequest, "on_cancel_task"),
    ("GET", "/tasks/{id}:subscribe", SubscribeToTaskRequest, "on_subscribe_to_task"),
    ("POST", "/tasks/{id}:subscribe", SubscribeToTaskRequest, "on_subscribe_to_task"),
    ("GET", "/tasks/{id}", GetTaskRequest, "on_get_task"),
    ("GET", "/tasks", ListTasksRequest, "on_list_tasks"),
    ("POST", _CONFIGS, TaskPushNotificationConfig, "on_create_task_push_notification_config"),
    ("GET", _CONFIGS + "/{id}", GetTaskPushNotificationConfigRequest, "on_get_task_push_notification_config"),
    ("GET", _CONFIGS, ListTaskPushNotificationConfigsRequest, "on_list_task_push_notification_configs"),
    ("DELETE", _CONFIGS + "/{id}", DeleteTaskPushNotificationConfigRequest, "on_delete_task_push_notification_config"),
    ("GET", "/extendedAgentCard", GetExtendedAgentCardRequest, "on_get_extended_agent_card"),
)
_STREAMING = ("on_message_send_stream", "on_subscribe_to_task")

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(service: HttpService) -> list[Route]:
    """The binding's endpoints, with and without a tenant, with and without a slash at the end; any other path below its own
    is answered with an A2A error.
    """
    found: list[Route] = []
    for method, path, known, operation in _OPERATIONS:
        endpoint = _endpoint(service, known, operation)
        for base in (PATH, PATH + "/{tenant}"):
            found += [Route(base + path + end, endpoint, methods=[method]) for end in ("", "/")]
    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    return [*found, Route(PATH + "/{path:path}", _unknown, methods=every)]


async def _unknown(request: Request) -> Response:
    status, body = http_error(
        MethodNotFoundError(f"path: {request.method} {request.url.path!r} is not known; accepted: an operation of A2A's")
    )
    return json_response(body, status)


def _endpoint(service: HttpService, known: type[Message], operation: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return await _answer(service, request, known(), operation)
        except TooLarge as error:
            status, body = http_error(to_a2a(error), 413)
            return json_response(body, status)
        except Exception as error:
            # The wall: whatever went wrong is told in one line, and a fault of ours without its traceback.
            status, body = http_error(as_a2a(error))
            return json_response(body, status)

    return endpoint


async def _answer(service: HttpService, request: Request, asked: Message, operation: str) -> Response:
    if request.method == "POST":
        body = await read_body(request, service.max_body_bytes)
        parse(read_json(body) if body else {}, asked)
    else:
        _parse_query(request, asked)
    for name, value in request.path_params.items():
        setattr(asked, name, value)
    version = request.query_params.get(VERSION_HEADER, "")
    fields, tenant = request.headers.items(), cast(Any, asked).tenant
    context = call_context(fields, VARIANT, tenant, version=version, draining=service.draining)
    method: Callable[[Message, ServerCallContext], Any] = getattr(service.handler, operation)
    if operation in _STREAMING:
        return await stream_response(service, method(asked, context), context, lambda update: update, _failure)
    answer = await method(asked, context)
    if isinstance(asked, SendMessageRequest):
        answer = SendMessageResponse(message=answer) if isinstance(answer, A2AMessage) else SendMessageResponse(task=answer)
    return json_response({} if answer is None else to_json(answer), media_type=MEDIA_TYPE, headers=activated(context))


def _parse_query(request: Request, asked: Message) -> None:
    try:
        parse_params(request.query_params, asked)
    except ParseError as error:
        raise InvalidParamsError(" ".join(str(error).split())) from None


def _failure(error: A2AError) -> bytes:
    return frame(http_error(error)[1], event="error")
