"""An AgentClient over an engine in the same process; what every protocol adapter is compared with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput
from ...agents.events import Event, Snapshot, Task, TaskState
from ...agents.runtime import open_engine
from ...agents.team import team
from ..client import AgentInfo, ClientSettings, SkillInfo, outcome


class InprocClient:
    def __init__(self, engine: TaskEngine) -> None:
        self.engine = engine

    async def discover(self) -> tuple[AgentInfo, ...]:
        return tuple(
            AgentInfo(
                agent.name,
                agent.description,
                agent.version,
                tuple(SkillInfo(s.name, s.description, s.long, s.input_schema, s.output_schema) for s in agent.skills.values()),
            )
            for agent in self.engine.roster.values()
        )

    async def call(self, agent: str, skill: str, request: Mapping[str, Any]) -> Any:
        found = self.engine.roster.skill(agent, skill)
        if found.long:
            task = await self.engine.run(found, found.parse(dict(request)), keep=False)
            return outcome(task if task.state.terminal else await self.wait(task.id))
        return await found(found.parse(dict(request)))

    async def submit(self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None) -> Task:
        found = self.engine.roster.skill(agent, skill)
        parsed = found.parse(dict(request))
        if not found.long:
            raise InvalidInput("skill", skill, "a long skill is accepted; this one answers at once, so call it")
        return await self.engine.submit(found, parsed, key=key)

    async def stream(
        self, agent: str, skill: str, request: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncIterator[Event]:
        task = await self.submit(agent, skill, request, key=key)
        yield Event(seq=0, at=task.created_at, body=Snapshot(task=task))
        async for event in self.events(task.id):
            yield event

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        async with aclosing(cast("AsyncGenerator[Event]", self.engine.events(task_id, after))) as events:
            async for event in events:
                yield event
                if event.state is TaskState.INPUT_REQUIRED:
                    task = await self.engine.get(task_id)
                    if task.state is TaskState.INPUT_REQUIRED and task.last_seq == event.seq:
                        return

    async def get(self, task_id: str) -> Task:
        return await self.engine.get(task_id)

    async def wait(self, task_id: str) -> Task:
        task = await self.engine.get(task_id)
        if not task.state.terminal and task.state is not TaskState.INPUT_REQUIRED:
            async for _ in self.events(task_id, task.last_seq):
                pass
            task = await self.engine.get(task_id)
        return task

    async def answer(self, task_id: str, request_id: str, value: Any) -> None:
        await self.engine.answer(task_id, request_id, value)

    async def cancel(self, task_id: str) -> None:
        await self.engine.cancel(task_id)


@asynccontextmanager
async def connect(url: str, settings: ClientSettings = ClientSettings()) -> AsyncGenerator[InprocClient]:
    """`inproc:ENGINE_URL` opens that engine here, with the bundled agents."""
    async with open_engine(url.removeprefix("inproc:") or "sqlite:///:memory:", team()) as engine:
        yield InprocClient(engine)
