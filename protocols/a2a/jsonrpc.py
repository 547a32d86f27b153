"""A2A's JSON-RPC binding (A2A 1.0 section 9): one URL, methods named as gRPC's, streams as Server-Sent Events."""

from __future__ import annotations

from collections.abc import Callable
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
from a2a.utils.errors import A2AError, InvalidRequestError, MethodNotFoundError
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...agents.errors import TooLarge
from ..http_bodies import read_body
from .calling import call_context
from .errors import to_a2a
from .http_service import HttpService, frame, json_response, stream_response, to_json
from .json_errors import as_a2a, jsonrpc_error
from .json_messages import parse, read_json
from .resume import activated

VARIANT = "a2a-jsonrpc"
PATH = "/a2a"

_UNARY: dict[str, tuple[type[Message], str]] = {
    "SendMessage": (SendMessageRequest, "on_message_send"),
    "GetTask": (GetTaskRequest, "on_get_task"),
    "ListTasks": (ListTasksRequest, "on_list_tasks"),
    "CancelTask": (CancelTaskRequest, "on_cancel_task"),
    "CreateTaskPushNotificationConfig": (TaskPushNotificationConfig, "on_create_task_push_notification_config"),
    "GetTaskPushNotificationConfig": (GetTaskPushNotificationConfigRequest, "on_get_task_push_notification_config"),
    "ListTaskPushNotificationConfigs": (ListTaskPushNotificationConfigsRequest, "on_list_task_push_notification_configs"),
    "DeleteTaskPushNotificationConfig": (
        DeleteTaskPushNotificationConfigRequest,
        "on_delete_task_push_notification_config",
    ),
    "GetExtendedAgentCard": (GetExtendedAgentCardRequest, "on_get_extended_agent_card"),
}
_STREAMING: dict[str, tuple[type[Message], str]] = {
    "SendStreamingMessage": (SendMessageRequest, "on_message_send_stream"),
    "SubscribeToTask": (SubscribeToTaskRequest, "on_subscribe_to_task"),
}


def routes(service: HttpService) -> list[Route]:
    """The binding's one endpoint, with and without a slash at its end."""

    async def endpoint(request: Request) -> Response:
        return await _answer(service, request)

    return [Route(path, endpoint, methods=["POST"]) for path in (PATH, PATH + "/")]


async def _answer(service: HttpService, request: Request) -> Response:
    call_id: str | int | float | None = None
    try:
        body = read_json(await read_body(request, service.max_body_bytes))
        call_id = _id_of(body)
        method, params = _call_of(body)
        known, operation = (_STREAMING if method in _STREAMING else _UNARY)[method]
        asked = parse(params, known())
        context = call_context(request.headers.items(), VARIANT, cast(Any, asked).tenant, draining=service.draining)
        if method in _STREAMING:
            updates = getattr(service.handler, operation)(asked, context)
            return await stream_response(
                service,
                updates,
                context,
                lambda update: _result(call_id, update),
                lambda error: frame(_failure(call_id, error)),
            )
        answer = await _unary(getattr(service.handler, operation), asked, context)
        return json_response(_result(call_id, answer), headers=activated(context))
    except TooLarge as error:
        return json_response(_failure(call_id, to_a2a(error)), 413)
    except Exception as error:
        # The wall: whatever went wrong is told in one line, and a fault of ours without its traceback.
        return json_response(_failure(call_id, as_a2a(error)))


async def _unary(operation: Callable[[Any, ServerCallContext], Any], asked: Message, context: ServerCallContext) -> Any:
    answer = await operation(asked, context)
    if isinstance(asked, SendMessageRequest):
        answer = SendMessageResponse(message=answer) if isinstance(answer, A2AMessage) else SendMessageResponse(task=answer)
    return None if answer is None else to_json(answer)


def _id_of(body: Any) -> str | int | float | None:
    """The call's id, or None where it is none (JSON-RPC 2.0 section 5)."""
    found: Any = cast("dict[str, Any]", body).get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str | int | float) and not isinstance(found, bool) else None


def _call_of(body: Any) -> tuple[str, Any]:
    """The method and the params of a request object (JSON-RPC 2.0 section 4).

    Raises: InvalidRequestError, MethodNotFoundError.
    """
    if isinstance(body, list):
        raise InvalidRequestError("body: a batch is not accepted; accepted: one request object")
    if not isinstance(body, dict):
        raise InvalidRequestError(f"body: {type(body).__name__} is not accepted; accepted: a request object")
    said = cast("dict[str, Any]", body)
    if said.get("jsonrpc") != "2.0":
        raise InvalidRequestError(f"jsonrpc: {said.get('jsonrpc')!r} is not accepted; accepted: '2.0'")
    if "id" in said and said["id"] is not None and _id_of(said) is None:
        raise InvalidRequestError(f"id: {said['id']!r} is not accepted; accepted: a string, a number, or null")
    method: Any = said.get("method")
    if not isinstance(method, str):
        raise InvalidRequestError(f"method: {method!r} is not accepted; accepted: a string")
    if method not in _UNARY and method not in _STREAMING:
        known = ", ".join([*_UNARY, *_STREAMING])
        raise MethodNotFoundError(f"method: {method!r} is not known; accepted: one of: {known}")
    return method, said.get("params", {})


def _result(call_id: Any, result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call_id, "result": result}


def _failure(call_id: Any, error: A2AError) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call_id, "error": jsonrpc_error(error)}
