"""Raw calls over each of A2A's bindings, with no client of the SDK's or ours between the test and the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import httpx
from a2a.types import a2a_pb2, a2a_pb2_grpc
from a2a.utils.errors import A2A_ERROR_MAPPING, JSON_RPC_ERROR_CODE_MAP, A2AError
from a2a.utils.grpc_status import status_from_call
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.rpc import error_details_pb2

BINDINGS = ("GRPC", "JSONRPC", "HTTP+JSON")
A2A_DOMAIN, OURS = "a2a-protocol.org", "sametask"

_ANSWERS: dict[str, type[Message]] = {
    "SendMessage": a2a_pb2.SendMessageResponse,
    "ListTasks": a2a_pb2.ListTasksResponse,
    "GetTaskPushNotificationConfig": a2a_pb2.TaskPushNotificationConfig,
    "ListTaskPushNotificationConfigs": a2a_pb2.ListTaskPushNotificationConfigsResponse,
}


@dataclass
class RawError(Exception):
    """What a server said: its code (a gRPC status' name, a JSON-RPC code, an HTTP status), A2A's reason, ours, our details."""

    code: Any
    message: str
    theirs: str = ""
    ours: str = ""
    details: dict[str, str] = field(default_factory=dict)


def code_of(binding: str, error: type[A2AError]) -> Any:
    """The code that the specification's table gives that error on a binding."""
    if binding == "JSONRPC":
        return JSON_RPC_ERROR_CODE_MAP[error]
    return A2A_ERROR_MAPPING[error].grpc_status if binding == "GRPC" else A2A_ERROR_MAPPING[error].http_code


class Raw:
    """`call` makes a unary call; `first` gives the first response of a stream, and leaves it. Every call is sent with the
    `parameters`, A2A's service parameters, and `told` holds those that the last one was answered with, by lower-case name.
    """

    binding: str

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.told: dict[str, str] = {}

    def _headers(self, version: str | None) -> dict[str, str]:
        return self.parameters if version is None else {"A2A-Version": version, **self.parameters}

    async def call(self, method: str, request: Message, version: str | None = "1.0") -> Message:
        raise NotImplementedError

    async def first(self, method: str, request: Message, version: str | None = "1.0") -> Message:
        async for response in self.stream(method, request, version):
            return response
        raise AssertionError("the stream was empty")

    def stream(self, method: str, request: Message, version: str | None = "1.0") -> AsyncGenerator[Message]:
        raise NotImplementedError


class RawGrpc(Raw):
    binding = "GRPC"

    def __init__(self, channel: grpc.aio.Channel) -> None:
        super().__init__()
        self.stub: Any = a2a_pb2_grpc.A2AServiceStub(channel)

    async def call(self, method: str, request: Message, version: str | None = "1.0") -> Message:
        call = getattr(self.stub, method)(request, metadata=self._metadata(version))
        try:
            self.told = {name: str(value) for name, value in await call.initial_metadata()}
            return await call
        except grpc.aio.AioRpcError as error:
            raise _of_grpc(error) from None

    async def stream(self, method: str, request: Message, version: str | None = "1.0") -> AsyncGenerator[Message]:
        call = getattr(self.stub, method)(request, metadata=self._metadata(version))
        try:
            self.told = {name: str(value) for name, value in await call.initial_metadata()}
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise _of_grpc(error) from None
        finally:
            call.cancel()

    def _metadata(self, version: str | None) -> list[tuple[str, str]]:
        return [(name.lower(), value) for name, value in self._headers(version).items()]


class RawJsonRpc(Raw):
    binding = "JSONRPC"

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        super().__init__()
        self.http, self.url = http, url

    async def call(self, method: str, request: Message, version: str | None = "1.0") -> Message:
        response = await self.http.post(self.url, json=_rpc(method, request), headers=self._headers(version))
        self.told = dict(response.headers)
        answer = _rpc_result(response.json())
        return ParseDict(answer or {}, _answer_type(method, request)())

    async def stream(self, method: str, request: Message, version: str | None = "1.0") -> AsyncGenerator[Message]:
        asked = _rpc(method, request)
        async with self.http.stream("POST", self.url, json=asked, headers=self._headers(version)) as response:
            self.told = dict(response.headers)
            if response.headers["content-type"] == "application/json":
                _rpc_result(json.loads(await response.aread()))
            async for _, data in _frames(response):
                yield ParseDict(_rpc_result(data), a2a_pb2.StreamResponse())


class RawHttp(Raw):
    binding = "HTTP+JSON"

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        super().__init__()
        self.http, self.url = http, url

    def _request(self, method: str, request: Any, version: str | None) -> httpx.Request:
        body = MessageToDict(request)
        task = f"/tasks/{getattr(request, 'id', '')}"
        configs = f"/tasks/{getattr(request, 'task_id', '')}/pushNotificationConfigs"
        config = f"{configs}/{getattr(request, 'id', '')}"
        at = {
            "SendMessage": ("POST", "/message:send"),
            "SendStreamingMessage": ("POST", "/message:stream"),
            "GetTask": ("GET", task),
            "ListTasks": ("GET", "/tasks"),
            "CancelTask": ("POST", f"{task}:cancel"),
            "SubscribeToTask": ("POST", f"{task}:subscribe"),
            "CreateTaskPushNotificationConfig": ("POST", configs),
            "GetTaskPushNotificationConfig": ("GET", config),
            "ListTaskPushNotificationConfigs": ("GET", configs),
            "DeleteTaskPushNotificationConfig": ("DELETE", config),
            "GetExtendedAgentCard": ("GET", "/extendedAgentCard"),
        }
        verb, path = at[method]
        tenant = f"/{request.tenant}" if request.tenant else ""
        given: dict[str, Any] = {"json": body} if verb == "POST" else {"params": body}
        return self.http.build_request(verb, self.url + tenant + path, headers=self._headers(version), **given)

    async def call(self, method: str, request: Message, version: str | None = "1.0") -> Message:
        response = await self.http.send(self._request(method, request, version))
        self.told = dict(response.headers)
        if response.status_code != 200:
            raise _of_http(response.json())
        return ParseDict(response.json(), _answer_type(method, request)())

    async def stream(self, method: str, request: Message, version: str | None = "1.0") -> AsyncGenerator[Message]:
        response = await self.http.send(self._request(method, request, version), stream=True)
        self.told = dict(response.headers)
        try:
            if response.status_code != 200:
                raise _of_http(json.loads(await response.aread()))
            async for event, data in _frames(response):
                if event == "error":
                    raise _of_http(data)
                yield ParseDict(data, a2a_pb2.StreamResponse())
        finally:
            await response.aclose()


@asynccontextmanager
async def raw_of(binding: str, listeners: Any) -> AsyncGenerator[Raw]:
    """Raw calls to our server of these listeners."""
    if binding == "GRPC":
        async with grpc.aio.insecure_channel(listeners["grpc"]) as channel:
            yield RawGrpc(channel)
        return
    async with httpx.AsyncClient(timeout=20) as http:
        base = f"http://{listeners['http']}/a2a"
        yield RawJsonRpc(http, base) if binding == "JSONRPC" else RawHttp(http, base + "/v1")


def _rpc(method: str, request: Message) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": MessageToDict(request)}


def _rpc_result(answer: Any) -> Any:
    assert answer["jsonrpc"] == "2.0"
    if "error" in answer:
        error = answer["error"]
        assert answer["id"] in (7, None)
        raise _raw_error(error["code"], error["message"], error["data"])
    assert answer["id"] == 7
    return answer["result"]


def _of_http(body: Any) -> RawError:
    error = body["error"]
    return _raw_error(error["code"], error["message"], error["details"])


def _raw_error(code: Any, message: str, details: list[Any]) -> RawError:
    (info,) = [detail for detail in details if detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"]
    assert info["domain"] == A2A_DOMAIN
    metadata = dict(info["metadata"])
    ours = metadata.pop("reason") if metadata.pop("domain", "") == OURS else ""
    return RawError(code, message, info["reason"], ours, metadata)


def _of_grpc(error: grpc.aio.AioRpcError) -> RawError:
    raw = RawError(error.code().name, error.details() or "")
    status = status_from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if not detail.Unpack(info):
            continue
        if info.domain == A2A_DOMAIN:
            raw.theirs = info.reason
        else:
            assert info.domain == OURS
            raw.ours, raw.details = info.reason, dict(info.metadata)
    return raw


async def _frames(response: httpx.Response) -> AsyncGenerator[tuple[str, Any]]:
    event = ""
    async for line in response.aiter_lines():
        name, _, rest = line.partition(": ")
        if name == "event":
            event = rest
        elif name == "data":
            yield event, json.loads(rest)
            event = ""


def _answer_type(method: str, request: Message) -> type[Message]:
    if method in _ANSWERS:
        return _ANSWERS[method]
    return type(request) if "PushNotification" in method else a2a_pb2.Task
