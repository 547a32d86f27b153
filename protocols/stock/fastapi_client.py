"""The client half of `stock-fastapi`: that of REST, less what the service does not have."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from ...agents.events import Event, Snapshot, Task
from ..client import ClientSettings, NotOffered
from ..rest import client as rest

NO_KEY = "the service has no idempotency keys: FastAPI brings none, and the team has written none"


class FastApiClient(rest.RestClient):
    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        if key is not None:
            raise NotOffered(NO_KEY)
        return await super().submit(agent, skill, request)

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        """Two exchanges: the task, then its events."""
        task = await self.submit(agent, skill, request, key=key)
        yield Event(seq=0, at=task.updated_at, body=Snapshot(task=task))
        async with aclosing(cast("AsyncGenerator[Event]", self.events(task.id))) as events:
            async for event in events:
                yield event


@asynccontextmanager
async def connect(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[FastApiClient]:
    """Raises: as REST's."""
    async with rest.connect(url, settings) as client:
        yield FastApiClient(client.http, settings)
