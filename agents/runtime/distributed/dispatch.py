"""What DBOS does: it decides which run of which task begins in which process, and when.

A *run* is one DBOS workflow, `TASK.EPOCH`, in a queue of its agent's or, where its skill has limits, of its skill's own. What
the run does, it does through our own log; so DBOS stores who runs what, and nothing that a task says. Only public calls of
DBOS's are made, each in a thread. Its workflows live on a loop of its own, and hop to the engine's.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import anyio.to_thread
from dbos import DBOS, DBOSClient, DBOSConfig, Serializer

from ...contract import Skill
from ...errors import InvalidInput
from .schema import APPLICATION_VERSION, DBOS_SCHEMA, Place

Result = TypeVar("Result")

APPLICATION = "sametask"
KEPT_S = 3600.0
"""How long a run that is over stays in DBOS's tables, for whoever wonders what went on."""
SWEPT_COUNT = 1000


class Json(Serializer):
    """What DBOS stores of ours is JSON: a pickle from the database would be a way in."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=str)

    def deserialize(self, serialized_data: str) -> Any:
        return json.loads(serialized_data)

    def name(self) -> str:
        return "sametask_json"


class Takes(Protocol):
    """An engine, as far as runs are concerned."""

    @property
    def draining(self) -> bool: ...

    def takes(self, agent: str, skill: str) -> bool: ...

    async def run_here(self, n: int, epoch: int) -> None: ...

    async def put_back(self, n: int, epoch: int) -> None: ...


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """One queue. `poll_s`: how often a process looks for what may begin. `running`: how many of it one process runs."""

    name: str
    poll_s: float
    running: int
    concurrency: int | None = None
    starts: int | None = None
    per_s: float = 1.0


def queue_of(skill: Skill) -> str:
    """Skills without limits share their agent's queue, in the order of their priority."""
    limited = skill.limits.concurrency is not None or skill.limits.starts is not None
    return f"{skill.agent}.{skill.name}" if limited else skill.agent


def queues_of(skills: Iterable[Skill], poll_s: float, running: int) -> dict[str, QueueOptions]:
    """The queues of these skills by name. A process looks into one of them every `poll_s`, whatever their number."""
    found = {queue_of(skill): skill for skill in skills}
    made: dict[str, QueueOptions] = {}
    for name, skill in found.items():
        limits = skill.limits if name != skill.agent else None
        concurrency = limits.concurrency if limits else None
        made[name] = QueueOptions(
            name,
            poll_s * len(found),
            running if concurrency is None else min(running, concurrency),
            concurrency,
            limits.starts if limits else None,
            limits.per_s if limits else 1.0,
        )
    return made


def make_dbos_schema(place: Place) -> None:
    """Blocks. Only one process at a time may call it. Raises: Unavailable."""
    try:
        DBOS.migrate(place.url, schema=DBOS_SCHEMA)
    except Exception as error:
        # The wall between us and DBOS: it tells no class for a server that is away.
        raise place.unavailable(error) from None


class Dispatcher:
    """The one DBOS of this process (it cannot have two), shared by the engines that are open here.

    Raises: InvalidInput where an engine on another database is open already.
    """

    _here: ClassVar[Dispatcher | None] = None

    def __init__(self, place: Place, executor: str) -> None:
        self.executor = executor
        self._place = place
        self._queues: dict[str, QueueOptions] = {}
        self._changing, self._launched = asyncio.Lock(), False
        self._engines: list[Takes] = []
        self._entered = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._running: set[str] = set()
        self._client = DBOSClient(
            system_database_url=place.url,
            dbos_system_schema=DBOS_SCHEMA,
            serializer=Json(),
            system_database_pool_size=2,
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,  # it would block for up to a minute; whoever calls tries again
        )

    @classmethod
    async def enter(cls, place: Place, executor: str, queues: dict[str, QueueOptions], engine: Takes) -> Dispatcher:
        here = cls._here
        if here is None:
            here = cls._here = Dispatcher(place, executor)
        elif here._place.url != place.url:
            accepted = "one database per process is accepted, and it is not the one of the engine that is open already"
            raise InvalidInput("engine", str(place), accepted)
        here._engines.append(engine)
        here._entered.set()
        here._entered = asyncio.Event()
        try:
            async with here._changing:
                if not here._launched or not queues.keys() <= here._queues.keys():
                    here._queues |= queues
                    await anyio.to_thread.run_sync(here._launch)
        except BaseException as error:
            if await here.leave(engine):
                here.close()
            if isinstance(error, Exception):  # as above
                raise place.unavailable(error) from None
            raise
        return here

    @classmethod
    def executor_here(cls) -> str | None:
        """What DBOS calls this process, where an engine is open already."""
        return None if cls._here is None else cls._here.executor

    async def leave(self, engine: Takes) -> bool:
        """The last one to leave closes it. Shape: whether it did; what was given to this process meanwhile never began."""
        self._engines.remove(engine)
        if self._engines:
            return False
        try:
            await anyio.to_thread.run_sync(functools.partial(DBOS.destroy, destroy_registry=True))
        finally:
            Dispatcher._here = None
        return True

    def close(self) -> None:
        """Of one that was left by all."""
        self._client.destroy()

    def _launch(self) -> None:
        """Begin, or begin anew: which queues DBOS looks into it is told only once. Runs that are under way go on."""
        if self._launched:
            self._launched = False
            DBOS.destroy(destroy_registry=True)
        # A queue's thread may take a run from it while DBOS shuts down, and has nowhere to begin it (see `never_begun`).
        warnings.filterwarnings("ignore", message="coroutine 'execute_dequeued_workflow", category=RuntimeWarning)
        for queue in self._queues.values():  # before DBOS looks which there are: it looks again only after a second
            self._client.register_queue(
                queue.name,
                global_concurrency=queue.concurrency,
                worker_concurrency=queue.running,
                limiter=None if queue.starts is None else {"limit": queue.starts, "period": queue.per_s},
                polling_interval_sec=queue.poll_s,
            )
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": self._place.url,
            "dbos_system_schema": DBOS_SCHEMA,
            "application_version": APPLICATION_VERSION,
            "executor_id": self.executor,
            "serializer": Json(),
            "run_migrations": False,
            "use_listen_notify": False,  # nothing of ours waits for DBOS's notifications, and it costs a connection
            "enable_otlp": False,
            "log_level": "CRITICAL",
            "sys_db_pool_size": 4,
            "sys_db_idle_transaction_timeout_sec": 3.0,
        }
        DBOS(config=config)
        DBOS.workflow(name="run_task")(self._workflow())
        DBOS.listen_queues([*self._queues])
        DBOS.launch()
        self._launched = True

    def _workflow(self) -> Callable[..., Any]:
        async def run_task(n: int, epoch: int, agent: str, skill: str) -> None:
            run = str(DBOS.workflow_id)
            self._running.add(run)
            try:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._run(n, epoch, agent, skill), self._loop))
            finally:
                self._running.discard(run)

        return run_task

    async def _run(self, n: int, epoch: int, agent: str, skill: str) -> None:
        while True:
            for engine in reversed(self._engines):
                if engine.takes(agent, skill):
                    await engine.run_here(n, epoch)
                    return
            for engine in self._engines:
                if not engine.draining:
                    await engine.put_back(n, epoch)
                    return
            # This process leaves, and gives it back then; or another engine of it comes first.
            await self._entered.wait()

    async def pending_of(self, executor: str) -> list[str]:
        """The runs that were given to that process and are not over."""
        found = await self._call(
            self._client.list_workflows, status="PENDING", executor_id=executor, load_input=False, load_output=False
        )
        return [status.workflow_id for status in found]

    async def never_begun(self) -> set[str]:
        """Runs that were given to this process, and that it knows nothing of."""
        return set(await self.pending_of(self.executor)) - set(self._running)

    async def give_up(self, runs: list[str]) -> None:
        """They are over, and take no one's place in a queue."""
        if runs:
            await self._call(self._client.cancel_workflows, runs)

    async def sweep(self) -> None:
        """Forget runs that have been over for `KEPT_S`."""
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - KEPT_S))
        over = await self._call(
            self._client.list_workflows,
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before,
            limit=SWEPT_COUNT,
            load_input=False,
            load_output=False,
        )
        if over:
            await self._call(self._client.delete_workflows, [status.workflow_id for status in over])

    async def _call(self, function: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
        return await anyio.to_thread.run_sync(functools.partial(function, *args, **kwargs), abandon_on_cancel=True)
