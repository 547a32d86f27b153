"""The client half: a connection for each request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from ...agents.errors import ConnectionLost, InvalidInput, SametaskError, TooLarge
from ...agents.events import Event, Task
from ..client import AgentInfo, ClientSettings

AGENTS = TypeAdapter(tuple[AgentInfo, ...])


class JsonLinesClient:
    def __init__(self, host: str, port: int, settings: ClientSettings) -> None:
        self.host, self.port, self.settings = host, port, settings

    async def discover(self) -> tuple[AgentInfo, ...]:
        return AGENTS.validate_python(await self._ask("discover"))

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        return await self._ask("call", agent=agent, skill=skill, request=dict(request))

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        return Task.model_validate(await self._ask("submit", agent=agent, skill=skill, request=dict(request), key=key))

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        asked = self._exchange("stream", agent=agent, skill=skill, request=dict(request), key=key)
        async with aclosing(asked) as messages:
            async for message in messages:
                if "method" in message:
                    yield Event.model_validate(message["params"])

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        async with aclosing(self._exchange("events", task_id=task_id, after=after)) as messages:
            async for message in messages:
                if "method" in message:
                    yield Event.model_validate(message["params"])

    async def get(self, task_id: str) -> Task:
        return Task.model_validate(await self._ask("get", task_id=task_id))

    async def wait(self, task_id: str) -> Task:
        return Task.model_validate(await self._ask("wait", task_id=task_id))

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        await self._ask("answer", task_id=task_id, request_id=request_id, value=value)

    async def cancel(self, task_id: str) -> None:
        await self._ask("cancel", task_id=task_id)

    async def _ask(self, method: str, **params: Any) -> Any:
        async with aclosing(self._exchange(method, **params)) as messages:
            return [message async for message in messages][-1]["result"]

    async def _exchange(self, method: str, **params: Any) -> AsyncGenerator[dict[str, Any]]:
        """What the server says to one request; the last message has the result."""
        try:
            line = json.dumps({"id": 1, "method": method, "params": params}, allow_nan=False).encode() + b"\n"
        except (TypeError, ValueError) as error:
            raise InvalidInput("request", method, f"a value that JSON can carry is accepted ({error})") from None
        try:
            async with asyncio.timeout(None if self.settings.as_library else self.settings.connect_timeout_s):
                reader, writer = await asyncio.open_connection(self.host, self.port, limit=self.settings.max_message_bytes)
        except (OSError, TimeoutError) as error:
            raise ConnectionLost(f"{self.host}:{self.port} cannot be reached ({error})") from error
        try:
            writer.write(line)
            while True:
                async with asyncio.timeout(self.settings.silence_limit_s):
                    message = json.loads(await reader.readline() or b"{}")
                if not message:
                    raise ConnectionLost("the server closed the connection before it had answered")
                if "error" in message:
                    raise SametaskError.from_json(message["error"])
                yield message
                if "result" in message:
                    return
        except json.JSONDecodeError:
            raise ConnectionLost("what the server said is no JSON") from None
        except ValueError:
            raise TooLarge("answer: the line is longer than is accepted") from None
        except (OSError, TimeoutError) as error:
            raise ConnectionLost(f"the connection was lost ({error})") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def connect(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[JsonLinesClient]:
    """Raises: InvalidInput when the address is not of the form `json-lines://HOST:PORT`."""
    parts = urlsplit(url)
    if parts.scheme != "json-lines" or not parts.hostname or not parts.port:
        raise InvalidInput("url", url, "accepted: json-lines://HOST:PORT")
    yield JsonLinesClient(parts.hostname, parts.port, settings)
