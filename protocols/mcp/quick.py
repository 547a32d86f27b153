"""The short way of a 2026-07-28 `tools/call` of a quick skill, in front of the SDK's application.

A quick skill answers at once and needs nothing of a session, and most calls to it look alike; the SDK's way of answering one
costs five times what the skill costs. Whatever is not plainly such a call, in its headers or its body, goes to the SDK as it
came, and so does every request that is to be refused: who is refused, and in which words, is decided there alone.

Source: MCP 2026-07-28, basic/transports, "Streamable HTTP", and server/tools, "Calling Tools".
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeGuard

import anyio
import mcp.types as t
import pydantic_core
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from ...agents.contract import Skill
from ...agents.errors import InvalidInput, SametaskError
from .content import tool_result
from .failures import tool_error
from .whole import again

_REVISION: Final = "2026-07-28"
_PREFIX: Final = "io.modelcontextprotocol/"
_SERVER_INFO: Final = _PREFIX + "serverInfo"
_VERSION, _INFO, _CAPABILITIES = _PREFIX + "protocolVersion", _PREFIX + "clientInfo", _PREFIX + "clientCapabilities"
_META: Final = frozenset({_VERSION, _INFO, _CAPABILITIES, "progressToken"})
_ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params"})
_PARAMS: Final = frozenset({"name", "arguments", "_meta"})
_WANTED: Final = {b"mcp-protocol-version": _REVISION.encode(), b"mcp-method": b"tools/call"}
_UNUSUAL: Final = frozenset(
    {b"origin", b"authorization", b"transfer-encoding", b"mcp-session-id", b"last-event-id", b"content-encoding"}
)

WATCH_S: Final = 0.05
"""From then on a skill that still works is watched: a client that leaves cancels it, as the revision says."""
PING_S: Final = 15.0
"""A silent answer becomes a stream with comments after this long, as in the SDK, so that no proxy cuts it."""
_KNOWN_COUNT: Final = 64


class QuickCalls:
    """ASGI middleware. `skills` are the quick skills by their tool's name; `hosts` the Host headers that are accepted without
    asking the SDK, all of them where it is None; `server` is what the SDK tells of itself in every result.
    """

    def __init__(
        self,
        app: ASGIApp,
        path: str,
        skills: Mapping[str, Skill],
        server: Mapping[str, str],
        hosts: Collection[str] | None,
        max_body_bytes: int,
    ) -> None:
        self._app, self._path, self._max_body_bytes = app, path, max_body_bytes
        self._skills = skills
        self._names = {name.encode(): name for name in skills if name.isascii()}
        self._hosts = None if hosts is None else {host.encode() for host in hosts}
        self._meta = {_SERVER_INFO: dict(server)}
        self._callers: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = self._asked(scope) if scope["type"] == "http" else None
        if name is None:
            await self._app(scope, receive, send)
            return
        messages = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        skill = self._skills[name]
        call = self._call(body, name, skill)
        if call is None:
            await self._app(scope, again(messages, receive), send)
            return
        request_id, request = call
        await _Answer(receive, send).give(request_id, self._run(skill, request))

    def _asked(self, scope: Scope) -> str | None:
        """The tool of the quick skill that the headers plainly ask for."""
        if scope["method"] != "POST" or scope["path"] != self._path:
            return None
        seen: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in seen or name in _UNUSUAL or name.startswith(b"mcp-param-"):
                return None
            seen[name] = value
        if any(seen.get(name) != value for name, value in _WANTED.items()):
            return None
        if seen.get(b"content-type") != b"application/json" or not _accepts_all(seen.get(b"accept", b"")):
            return None
        if self._hosts is not None and seen.get(b"host") not in self._hosts:
            return None
        if not seen.get(b"content-length", b"").isdigit() or int(seen[b"content-length"]) > self._max_body_bytes:
            return None
        return self._names.get(seen.get(b"mcp-name", b""))

    def _call(self, body: bytes, name: str, skill: Skill) -> tuple[int | str, Any] | None:
        """The call's id and the skill's input, where the body is plainly a call that is accepted."""
        try:
            said: Any = pydantic_core.from_json(body)
        except ValueError:
            return None
        if not _is_object(said) or said.keys() != _ENVELOPE or said["jsonrpc"] != "2.0" or said["method"] != "tools/call":
            return None
        request_id, params = said["id"], said["params"]
        if type(request_id) not in (int, str) or not _is_object(params) or not params.keys() <= _PARAMS:
            return None
        if params.get("name") != name or not self._is_caller(params.get("_meta")):
            return None
        try:
            return request_id, skill.parse(params.get("arguments") or {})
        except InvalidInput:
            return None

    def _is_caller(self, meta: Any) -> bool:
        """Whether the request says who calls in the form that the revision wants. What was found right is remembered."""
        if not _is_object(meta) or not meta.keys() <= _META or meta.get(_VERSION) != _REVISION or _CAPABILITIES not in meta:
            return False
        if "progressToken" in meta and type(meta["progressToken"]) not in (int, str):
            return False
        told = pydantic_core.to_json({name: value for name, value in meta.items() if name != "progressToken"})
        if told in self._callers:
            return True
        try:
            t.ClientCapabilities.model_validate(meta[_CAPABILITIES], by_name=False)
            if _INFO in meta:
                t.Implementation.model_validate(meta[_INFO], by_name=False)
        except ValidationError:
            return False
        if len(self._callers) < _KNOWN_COUNT:
            self._callers.add(told)
        return True

    async def _run(self, skill: Skill, request: Any) -> dict[str, Any]:
        try:
            result = tool_result(await skill(request))
        except SametaskError as error:
            result = tool_error(error)
        told = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        told["_meta"] = {**told.get("_meta", {}), **self._meta}
        return told


class _Answer:
    """The answer to one call, which is JSON unless it takes so long that it has to become a stream."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._streaming = False
        self._watching: asyncio.Task[None] | None = None

    async def give(self, request_id: int | str, running: Any) -> None:
        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as scope:
            timer = loop.call_later(WATCH_S, self._watch, scope)
            try:
                result = await running
            finally:
                timer.cancel()
                if self._watching is not None:
                    self._watching.cancel()
                    await asyncio.wait([self._watching])
            body = pydantic_core.to_json({"jsonrpc": "2.0", "id": request_id, "result": result})
            if self._streaming:
                body = b"event: message\r\ndata: " + body + b"\r\n\r\n"
            else:
                headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})

    def _watch(self, scope: anyio.CancelScope) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._attend(scope))

    async def _attend(self, scope: anyio.CancelScope) -> None:
        pinging = asyncio.create_task(self._ping())
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            scope.cancel()
        finally:
            pinging.cancel()
            await asyncio.wait([pinging])

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            if not self._streaming:
                self._streaming = True
                headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-transform")]
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._send({"type": "http.response.body", "body": b": ping\r\n\r\n", "more_body": True})


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def _accepts_all(accept: bytes) -> bool:
    """Whether both media types are accepted, said in the plain way."""
    return b";" not in accept and {b"application/json", b"text/event-stream"} <= {part.strip() for part in accept.split(b",")}
