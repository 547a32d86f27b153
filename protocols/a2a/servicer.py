"""A2A's gRPC binding (A2A 1.0 section 10) on the stubs of `a2a.proto`, with errors as `google.rpc.Status` details."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NoReturn, TypeVar, cast

import grpc
import grpc.aio
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import (
    AgentCard,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    SendMessageResponse,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskPushNotificationConfig,
    a2a_pb2_grpc,
)
from a2a.utils.errors import A2A_ERROR_MAPPING, A2AError
from a2a.utils.proto_utils import validation_errors_to_bad_request
from google.protobuf import any_pb2, empty_pb2
from google.rpc import error_details_pb2, status_pb2  # pyright: ignore[reportMissingTypeStubs] - none exist

from ...agents.errors import SametaskError
from ..errors import DOMAIN, codes
from .calling import call_context
from .errors import to_metadata
from .quick import QuickCalls
from .resume import activated

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Context = grpc.aio.ServicerContext[Any, Any]

VARIANT = "a2a-grpc"
A2A_DOMAIN = "a2a-protocol.org"
DETAILS_KEY = "grpc-status-details-bin"


class A2AServicer(a2a_pb2_grpc.A2AServiceServicer):
    """Hands each call to the handler, with the caller's version checked and its deadline at hand."""

    def __init__(self, handler: RequestHandler, quick: QuickCalls | None = None) -> None:
        self.handler, self.quick = handler, quick

    async def SendMessage(self, request: SendMessageRequest, context: Context) -> SendMessageResponse:
        if self.quick is not None:
            try:
                answer = await self.quick.answer(request, cast(Any, context.invocation_metadata() or ()))
            except Exception as error:
                # The wall, as below.
                await _abort(context, error)
            if answer is not None:
                return answer
        sent = await _unary(self.handler.on_message_send, request, context)
        return SendMessageResponse(message=sent) if isinstance(sent, Message) else SendMessageResponse(task=sent)

    async def SendStreamingMessage(self, request: SendMessageRequest, context: Context) -> AsyncGenerator[StreamResponse]:
        async with aclosing(_stream(self.handler.on_message_send_stream, request, context)) as responses:
            async for response in responses:
                yield response

    async def SubscribeToTask(self, request: SubscribeToTaskRequest, context: Context) -> AsyncGenerator[StreamResponse]:
        async with aclosing(_stream(self.handler.on_subscribe_to_task, request, context)) as responses:
            async for response in responses:
                yield response

    async def GetTask(self, request: GetTaskRequest, context: Context) -> Task:
        return cast(Task, await _unary(self.handler.on_get_task, request, context))

    async def ListTasks(self, request: ListTasksRequest, context: Context) -> ListTasksResponse:
        return await _unary(self.handler.on_list_tasks, request, context)

    async def CancelTask(self, request: CancelTaskRequest, context: Context) -> Task:
        return cast(Task, await _unary(self.handler.on_cancel_task, request, context))

    async def GetExtendedAgentCard(self, request: GetExtendedAgentCardRequest, context: Context) -> AgentCard:
        return await _unary(self.handler.on_get_extended_agent_card, request, context)

    async def CreateTaskPushNotificationConfig(
        self, request: TaskPushNotificationConfig, context: Context
    ) -> TaskPushNotificationConfig:
        return await _unary(self.handler.on_create_task_push_notification_config, request, context)

    async def GetTaskPushNotificationConfig(
        self, request: GetTaskPushNotificationConfigRequest, context: Context
    ) -> TaskPushNotificationConfig:
        return await _unary(self.handler.on_get_task_push_notification_config, request, context)

    async def ListTaskPushNotificationConfigs(
        self, request: ListTaskPushNotificationConfigsRequest, context: Context
    ) -> ListTaskPushNotificationConfigsResponse:
        return await _unary(self.handler.on_list_task_push_notification_configs, request, context)

    async def DeleteTaskPushNotificationConfig(
        self, request: DeleteTaskPushNotificationConfigRequest, context: Context
    ) -> empty_pb2.Empty:
        await _unary(self.handler.on_delete_task_push_notification_config, request, context)
        return empty_pb2.Empty()


async def _unary(operation: Callable[[Any, ServerCallContext], Awaitable[Answer]], request: Any, context: Context) -> Answer:
    try:
        return await operation(request, await _call_context(request, context))
    except Exception as error:
        # The wall: whatever went wrong is told in one line, and a fault of ours without its traceback.
        await _abort(context, error)


async def _stream(
    operation: Callable[[Any, ServerCallContext], AsyncGenerator[Any]], request: Any, context: Context
) -> AsyncGenerator[StreamResponse]:
    try:
        async with aclosing(operation(request, await _call_context(request, context))) as updates:
            async for update in updates:
                yield _stream_response(update)
    except Exception as error:
        # The wall, as above.
        await _abort(context, error)


def _stream_response(update: Any) -> StreamResponse:
    if isinstance(update, Task):
        return StreamResponse(task=update)
    if isinstance(update, Message):
        return StreamResponse(message=update)
    if isinstance(update, TaskArtifactUpdateEvent):
        return StreamResponse(artifact_update=update)
    return StreamResponse(status_update=update)


async def _call_context(request: Any, context: Context) -> ServerCallContext:
    metadata = [(name, value) for name, value in context.invocation_metadata() or () if isinstance(value, str)]
    call = call_context(metadata, VARIANT, request.tenant, time_remaining=context.time_remaining)
    if told := activated(call):
        await context.send_initial_metadata([(name.lower(), value) for name, value in told.items()])
    return call


async def _abort(context: Context, error: Exception) -> NoReturn:
    """End the call with that error's status: A2A's reason and, where it is ours, our code and details beside it."""
    cause = error.__cause__ if isinstance(error.__cause__, SametaskError) else error
    message, code, details = "internal error: " + type(error).__name__, "INTERNAL", list[Any]()
    known = A2A_ERROR_MAPPING.get(type(error)) if isinstance(error, A2AError) else None
    if isinstance(error, A2AError):
        message = error.message
        code = known.grpc_status if known is not None else "INTERNAL"
    if isinstance(cause, SametaskError):
        message, code = cause.message, codes(cause).grpc
        reason, metadata = cause.code.upper(), to_metadata(cause.details)
        details.append(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata))
    elif known is None:
        logger.exception("A2A call failed", exc_info=error)
    if known is not None and known.grpc_status == code:
        details.insert(0, error_details_pb2.ErrorInfo(reason=known.reason, domain=A2A_DOMAIN))
    violations = cast("dict[str, Any]", getattr(error, "data", None) or {}).get("errors")
    if violations:
        details.append(validation_errors_to_bad_request(violations))
    status_code = grpc.StatusCode[code]
    status = status_pb2.Status(code=cast(Any, status_code).value[0], message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    # grpc.aio types its trailers narrower than what it takes.
    await context.abort(status_code, message, cast(Any, ((DETAILS_KEY, status.SerializeToString()),)))
