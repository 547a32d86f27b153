"""The client half, on httpx and httpx-sse. Its native recovery: `Last-Event-ID` on the event stream, and polling."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast
from urllib.parse import quote

import anyio
import httpx
import pydantic_core
from httpx_sse import EventSource

from ...agents.errors import ConnectionLost, InvalidInput, SametaskError, TooLarge, Unavailable, UnknownTask
from ...agents.events import Event, Task, TaskState
from ..client import AgentInfo, ClientSettings, SkillInfo, outcome
from ..errors import from_peer
from ..library_timeouts import scale_timeouts

LONGEST_WAIT_S = 30
_JSON = {"Content-Type": "application/json"}


class RestClient:
    def __init__(self, http: httpx.AsyncClient, settings: ClientSettings) -> None:
        self.http, self.settings = http, settings

    async def discover(self) -> tuple[AgentInfo, ...]:
        catalogue = json.loads(await self._exchange("GET", "/agents"))
        return tuple(
            AgentInfo(
                agent["name"],
                agent["description"],
                agent["version"],
                tuple(
                    SkillInfo(s["name"], s["description"], s["long"], s["input_schema"], s["output_schema"])
                    for s in agent["skills"]
                ),
            )
            for agent in catalogue["agents"]
        )

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        async with self._response("POST", _skill_path(agent, skill), _encode("input", dict(request))) as response:
            result = pydantic_core.from_json(await self._read(response))
        if response.status_code != 202:
            return result
        return outcome(await self.wait(result["id"]))

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        path = _skill_path(agent, skill)
        async with self._response("POST", path, _encode("input", dict(request)), _key_header(key)) as response:
            body = await self._read(response)
        if response.status_code != 202:
            raise _not_long(path)
        return Task.model_validate_json(body)

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        async for event in self._follow("POST", _skill_path(agent, skill), _key_header(key), _encode("input", dict(request))):
            yield event

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        resume = {"Last-Event-ID": str(after)} if after > 0 else {}
        path = f"{_task_path(task_id)}/events" + (f"?after={after}" if after < 0 else "")
        async for event in self._follow("GET", path, resume):
            yield event

    async def get(self, task_id: str) -> Task:
        return Task.model_validate_json(await self._exchange("GET", _task_path(task_id)))

    async def wait(self, task_id: str) -> Task:
        limit_s = self.settings.answer_limit_s
        wait_s = LONGEST_WAIT_S if limit_s is None else min(LONGEST_WAIT_S, int(limit_s / 2))
        while True:
            async with self._response("GET", _task_path(task_id), headers={"Prefer": f"wait={wait_s}"}) as response:
                task = Task.model_validate_json(await self._read(response))
            if task.state.terminal or task.state is TaskState.INPUT_REQUIRED:
                return task
            if wait_s == 0 or "Preference-Applied" not in response.headers:
                await anyio.sleep(self.settings.poll_interval_s)

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        path = f"{_task_path(task_id)}/answers/{quote(request_id, safe='')}"
        await self._exchange("PUT", path, _encode("answer", value))

    async def cancel(self, task_id: str) -> None:
        await self._exchange("POST", f"{_task_path(task_id)}/cancel")

    async def create_webhook(self, task_id: str, url: str) -> None:
        """Have the task's events sent there."""
        await self._exchange("POST", f"{_task_path(task_id)}/webhooks", _encode("url", {"url": url}))

    async def _exchange(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        async with self._response(method, path, content, headers) as response:
            return await self._read(response)

    async def _follow(
        self, method: str, path: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncGenerator[Event]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **headers}
        idle = None
        if not self.settings.as_library:
            idle = httpx.Timeout(self.settings.request_timeout_s, read=self.settings.idle_timeout_s)
        state: TaskState | None = None
        async with self._response(method, path, content, headers, idle) as response:
            if response.status_code == 204:
                return
            if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
                raise _not_long(path)
            with _transport_errors(unless=lambda: state is not None and state.terminal):
                async for message in EventSource(response).aiter_sse():
                    if not message.data:
                        continue  # a comment that kept the connection alive (WHATWG HTML 9.2.6: no data, no event)
                    if message.event == "problem":
                        raise _stopped(message.data)
                    event = Event.model_validate_json(message.data)
                    state = event.state if event.seq else None
                    yield event
        if state is None or not (state.terminal or state is TaskState.INPUT_REQUIRED):
            raise ConnectionLost("the event stream ended before the task did; the task may still be running")

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idle: httpx.Timeout | None = None,
    ) -> AsyncGenerator[httpx.Response]:
        request = self.http.build_request(
            method, path, content=content, headers={**(_JSON if content is not None else {}), **(headers or {})}
        )
        with _transport_errors():
            response = await self.http.send(request, stream=True)
            if idle is not None:
                # The head of an answer is owed within the request's time; only what follows may be silent for longer.
                request.extensions["timeout"].update(idle.as_dict())
        try:
            if response.status_code >= 400:
                raise _error(response.status_code, await self._read(response))
            yield response
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> bytes:
        limit = self.settings.max_message_bytes
        chunks: list[bytes] = []
        size = 0
        with _transport_errors():
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if size > limit:
                    raise TooLarge(f"response: more than {limit} bytes are not accepted; at most {limit} bytes")
                chunks.append(chunk)
        return b"".join(chunks)


@asynccontextmanager
async def connect(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[RestClient]:
    """A client of the REST server at `url`; its connections are opened as they are needed, and kept.

    Raises: InvalidInput when `url` is not an http or https URL.
    """
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidInput("url", url, f"accepted: http://HOST:PORT ({error})") from None
    if base.scheme not in ("http", "https") or not base.host:
        raise InvalidInput("url", url, "accepted: http://HOST:PORT or https://HOST[:PORT]")
    # Loading the certificate store costs more than a whole cold exchange, so only https pays for it.
    verify = base.scheme == "https"
    if settings.as_library:
        opened = httpx.AsyncClient(base_url=base, verify=verify)
        scale_timeouts(opened, settings.time_scale)
    else:
        timeout = httpx.Timeout(settings.request_timeout_s, connect=settings.connect_timeout_s)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        opened = httpx.AsyncClient(base_url=base, timeout=timeout, limits=limits, verify=verify)
    async with opened as http:
        yield RestClient(http, settings)


def _skill_path(agent: str, skill: str) -> str:
    return f"/agents/{quote(agent, safe='')}/skills/{quote(skill, safe='')}"


def _task_path(task_id: str) -> str:
    if not task_id:
        raise UnknownTask(task_id)  # the path would name the list of tasks
    return f"/tasks/{quote(task_id, safe='')}"


def _not_long(path: str) -> InvalidInput:
    return InvalidInput("skill", path.rpartition("/")[2], "a long skill is accepted; this one answers at once, so call it")


def _encode(field: str, value: Any) -> bytes:
    try:
        return pydantic_core.to_json(value)
    except (pydantic_core.PydanticSerializationError, ValueError) as error:
        raise InvalidInput(field, value, f"a value that JSON can carry is accepted ({error})") from None


def _key_header(key: str | None) -> dict[str, str]:
    """The key as a structured-field string (RFC 9651 section 3.3.3).

    Raises: InvalidInput for what such a string cannot hold.
    """
    if key is None:
        return {}
    if not re.fullmatch(r"[ -~]*", key):
        raise InvalidInput("key", key, "accepted: printable ASCII characters (RFC 9651 section 3.3.3)")
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return {"Idempotency-Key": f'"{escaped}"'}


@contextmanager
def _transport_errors(unless: Callable[[], bool] = lambda: False) -> Generator[None]:
    """What httpx raises when the peer is gone, as our own class; `unless` tells that there was nothing left to hear."""
    try:
        yield
    except httpx.TransportError as error:
        if not unless():
            raise ConnectionLost(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error


def _problem_in(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return cast(dict[str, Any], found) if isinstance(found, dict) else {}


def _error(status: int, body: bytes) -> SametaskError:
    """The error of an answer that is not a success; a server that is not ours is understood by its status."""
    said = _problem_in(body)
    detail = said.get("detail") or said.get("title") or body[:200].decode(errors="replace") or f"HTTP status {status}"
    return from_peer(str(detail), code=said.get("code"), details=said.get("details"), http=status)


def _stopped(data: str) -> SametaskError:
    """The error of a stream that the server had to stop; one that drains is a connection lost, to be resumed elsewhere."""
    said = _problem_in(data.encode())
    if said.get("code") == Unavailable.code:
        return ConnectionLost(str(said.get("detail", "the server stopped the stream")))
    return from_peer(
        str(said.get("detail", "the server stopped the stream")), code=said.get("code"), details=said.get("details")
    )
