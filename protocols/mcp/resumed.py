"""`GET` with a `Last-Event-ID` that is a cursor into a task's log: the rest of the stream, from the log, by whichever process.

The SDK looks for the session first, and a session ends with its process; the work does not. So a cursor that this process did
not give out itself is answered here: the progress that the client has not seen, what comes from now on, and the answer to its
call.

Source: MCP 2025-11-25, basic/transports, "Resumability and Redelivery".
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import anyio
import mcp.types as t
import pydantic_core
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ...agents.engine import TaskEngine
from ...agents.errors import SametaskError, UnknownTask
from ...agents.events import Event, Task, TaskState
from ..sse import FrameStream
from .awaited import unanswered
from .content import final_result, tool_result
from .event_store import Cursor, Kept, decoded
from .failures import protocol_error
from .plain_tools import RESULT_TOOL
from .telling import progress_params

LAST_EVENT_ID = "last-event-id"


class ResumesTasks:
    """ASGI middleware. `draining` is set when the server is about to stop; its streams end then, without an answer."""

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        engine: TaskEngine,
        kept: Kept,
        security: TransportSecuritySettings | None,
        draining: anyio.Event,
    ) -> None:
        self._app, self._path, self._engine, self._kept = app, path, engine, kept
        self._security, self._draining = TransportSecurityMiddleware(security), draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cursor = self._asked(scope)
        if cursor is None:
            await self._app(scope, receive, send)
            return
        refused = await self._security.validate_request(Request(scope, receive))
        await (refused or await self._answer(cursor))(scope, receive, send)

    def _asked(self, scope: Scope) -> Cursor | None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != self._path:
            return None
        headers = Headers(scope=scope)
        event_id = headers.get(LAST_EVENT_ID, "")
        known = self._kept.knows(headers.get(MCP_SESSION_ID_HEADER, ""), event_id)
        if not event_id or known or "text/event-stream" not in headers.get("accept", ""):
            return None
        return decoded(event_id)

    async def _answer(self, cursor: Cursor) -> Response:
        try:
            task = await self._engine.get(cursor.task)
            if cursor.seq > task.last_seq:
                raise UnknownTask(cursor.task)
        except SametaskError as error:
            return Response(_line(_failure(None, error)), 404, media_type="application/json")
        return FrameStream(self._frames(cursor), b"", self._draining)

    async def _frames(self, cursor: Cursor) -> AsyncGenerator[bytes]:
        try:
            events = cast("AsyncGenerator[Event]", self._engine.events(cursor.task, cursor.seq))
            async with aclosing(events) as following:
                async for event in following:
                    params = progress_params(cursor.task, event, cursor.request, cursor.token, cursor.tool)
                    if params is not None:
                        told = {
                            "method": "notifications/progress",
                            "params": params.model_dump(by_alias=True, exclude_none=True),
                        }
                        yield _frame(cursor, event.seq, told)
                    if event.state is TaskState.INPUT_REQUIRED and (await self._engine.get(cursor.task)).last_seq == event.seq:
                        break
            task = await self._engine.get(cursor.task)
            result = _result(task, cursor.tool).model_dump(by_alias=True, mode="json", exclude_none=True)
            del result["resultType"]  # 2026-07-28's
            yield _frame(cursor, task.last_seq, {"id": cursor.request, "result": result})
        except SametaskError as error:
            yield _frame(cursor, cursor.seq, _failure(cursor.request, error))


def _result(task: Task, tool: str) -> t.CallToolResult:
    if tool == RESULT_TOOL:
        return tool_result(task.model_dump(mode="json"))
    if task.question is not None:
        # Its session may be gone, and with it the way to ask: the question stays open for whoever answers it.
        return unanswered(task, task.question)
    return final_result(task)


def _failure(request: str | int | None, error: SametaskError) -> dict[str, Any]:
    return {"id": request, "error": protocol_error(error).error.model_dump(mode="json", exclude_none=True)}


def _frame(cursor: Cursor, seq: int, message: dict[str, Any]) -> bytes:
    at = Cursor(cursor.task, seq, cursor.request, cursor.token, cursor.tool).encoded()
    return f"id: {at}\nevent: message\n".encode() + b"data: " + _line(message) + b"\n\n"


def _line(message: dict[str, Any]) -> bytes:
    return pydantic_core.to_json({"jsonrpc": "2.0", **message})
