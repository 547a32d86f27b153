"""A2A as a2a-sdk has it: its DefaultRequestHandler, on its task store in memory or in a database.

The card and the forms of messages are those of `protocols/a2a`: the two servers differ in their handler and store alone.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any, cast

import grpc.aio
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler, GrpcHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskStore, TaskUpdater
from a2a.types import AgentInterface, a2a_pb2, a2a_pb2_grpc
from a2a.utils.constants import TransportProtocol
from starlette.applications import Starlette

from ...agents.contract import Origin, Roster
from ...agents.engine import TaskEngine
from ...agents.errors import InvalidInput, UnknownTask
from ...agents.events import TaskState
from ..a2a.card import PROTOCOL_VERSION, root_card
from ..a2a.errors import speaking_a2a
from ..a2a.jsonrpc import PATH
from ..a2a.requests import answer, skill_and_input
from ..a2a.translate import result_message, to_task, to_updates
from ..grpc_listening import listen_grpc
from ..listening import bind_socket, host_port, listen_http
from ..variants import Bind, Endpoint
from .running import Running


class SkillExecutor(AgentExecutor):
    """Runs skills for the SDK's handler; a run that asks is kept here until its task's next message."""

    def __init__(self, roster: Roster, origin: Origin) -> None:
        self._roster, self._origin = roster, origin
        self.running: dict[str, Running] = {}

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        task_id, context_id = str(context.task_id), str(context.context_id)
        with speaking_a2a():
            if context.current_task is not None:
                context_id = context.current_task.context_id  # the SDK makes up another one for a message without it
                running = self._known(task_id)
                after = len(running.events)
                question = running.task.question
                try:
                    running.answer(question.request_id if question else "", answer(context.message, question))
                except InvalidInput:
                    after -= 1  # an executor that raises fails its task, so the question is asked again
            else:
                skill, data = skill_and_input(self._roster, "", context.message)
                request = skill.parse(data)
                if not skill.long:
                    await event_queue.enqueue_event(result_message(await skill(request), context_id))
                    return
                running = self.running[task_id] = Running(skill, request, self._origin, task_id)
                await event_queue.enqueue_event(to_task(running.task, context_id, [context.message]))
                after = 0
        async for event in running.follow(after):
            if event.state is TaskState.CANCELED:
                return  # `cancel` has told it
            for update in to_updates(task_id, context_id, event):
                await event_queue.enqueue_event(update)
        if running.task.state.terminal:
            self.running.pop(task_id, None)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        task_id, context_id = str(context.task_id), str(context.context_id)
        with speaking_a2a():
            running = self._known(task_id)
        # Told before the run ends: the SDK closes the stream of a request whose `execute` has returned.
        await TaskUpdater(event_queue, task_id, context_id).cancel()
        await running.end()
        self.running.pop(task_id, None)

    def _known(self, task_id: str) -> Running:
        if task_id not in self.running:  # the store has the task, this process does not run it
            raise UnknownTask(task_id)
        return self.running[task_id]


@asynccontextmanager
async def serve(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """The engine's roster, its tasks in the SDK's InMemoryTaskStore. Raises: Unavailable when a port cannot be bound."""
    async with _serve(engine.roster, "stock-a2a-grpc", InMemoryTaskStore(), bind) as endpoint:
        yield endpoint


@asynccontextmanager
async def serve_database(engine: TaskEngine, bind: Bind) -> AsyncGenerator[Endpoint]:
    """The same on the SDK's DatabaseTaskStore, in a SQLite file beside `bind.store`. Raises: as `serve`."""
    from a2a.server.tasks import DatabaseTaskStore
    from sqlalchemy.ext.asyncio import create_async_engine

    path = bind.store.partition(":///")[2]
    with TemporaryDirectory(prefix="sametask-", ignore_cleanup_errors=True) as scratch:
        # Never `:memory:`, which is one connection for every session: one's rollback would undo what another writes.
        file = f"{path}.a2a" if path not in ("", ":memory:") else f"{scratch}/tasks.a2a"
        database = create_async_engine(f"sqlite+aiosqlite:///{file}")
        try:
            store = DatabaseTaskStore(database)
            await store.initialize()
            async with _serve(engine.roster, "stock-a2a-grpc-db", store, bind) as endpoint:
                yield endpoint
        finally:
            await database.dispose()


@asynccontextmanager
async def _serve(roster: Roster, variant: str, store: TaskStore, bind: Bind) -> AsyncGenerator[Endpoint]:
    logging.getLogger("a2a.server").setLevel(logging.CRITICAL)  # it logs every refused request on stderr, with a traceback
    bindings = (TransportProtocol.GRPC, TransportProtocol.JSONRPC)
    card = root_card(
        roster, [AgentInterface(protocol_binding=each, protocol_version=PROTOCOL_VERSION, url=bind.host) for each in bindings]
    )
    card.capabilities.push_notifications = False  # it is given no store for them
    executor = SkillExecutor(roster, Origin(variant))
    handler = DefaultRequestHandler(executor, store, card)

    def register(server: grpc.aio.Server) -> Sequence[str]:
        cast(Any, a2a_pb2_grpc).add_A2AServiceServicer_to_server(GrpcHandler(handler), server)
        return (a2a_pb2.DESCRIPTOR.services_by_name["A2AService"].full_name,)

    http = bind_socket(bind)
    try:
        async with listen_grpc(register, bind, 1) as grpc_address:
            card.supported_interfaces[0].url = bind.advertise.get("grpc") or grpc_address
            card.supported_interfaces[1].url = f"http://{bind.advertise.get('http') or host_port(http)}{PATH}"
            routes = [*create_agent_card_routes(card), *create_jsonrpc_routes(handler, PATH)]
            async with listen_http(Starlette(routes=routes), http) as http_address:
                yield Endpoint(f"http://{http_address}", {"http": http_address, "grpc": grpc_address})
    finally:
        http.close()
        for running in [*executor.running.values()]:
            await running.end()
        await handler.aclose()
