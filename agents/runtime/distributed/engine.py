"""The distributed engine: tasks in one Postgres database, run by any number of processes on any number of machines.

Any process answers for any task. DBOS decides where a run of it begins (`dispatch.py`); its log is ours, and every write to it
names the epoch of the run. When a process dies, its neighbours bury it: its tasks get new epochs, and new runs in the queues.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Concatenate

import anyio
import anyio.to_thread
from pydantic import BaseModel

from ...contract import Origin, Roster, Skill
from ...errors import InvalidInput, NotWaiting, SametaskError, TaskFinished, Unavailable
from ...events import Event, OpenQuestion, Task
from ...retention import Pruned, Retention
from ..answers import accepted_json
from ..runner import Runner
from ..submission import submission
from . import log, presence
from .dispatch import Dispatcher, queue_of, queues_of
from .journal import PostgresJournal
from .log import Db
from .news import News, tell
from .retention import prune
from .schema import Place, place_of, prepare
from .store import Given, Result, Store
from .webhooks import PostgresWebhooks
from .writer import Writer


@dataclass(frozen=True)
class EngineSettings:
    """`lease_s`: how long a process that hangs keeps its tasks (a dead one loses them after two beats). `beat_s`: how often a
    process shows that it lives, and looks after its neighbours. `queue_poll_s`: how often it looks into a queue; each of its
    queues has its turn. `running`: how many tasks of one queue it runs at once. `follow_poll_s`: how late a follower hears of
    an event whose notification got lost, or of any where `listens` is false: in a process in which hardly anyone follows a
    task it is cheaper not to hear of every commit there is. `patience_s`: how long an operation waits for a server that is
    away. `connections`: how many it opens at most, besides one that listens and up to six of DBOS's.

    `cancel_grace_s`, `stop_grace_s`, `late_s` and `key_lifetime_s`: as the embedded engine's.
    """

    lease_s: float = 6.0
    beat_s: float = 1.0
    queue_poll_s: float = 0.05
    running: int = 64
    follow_poll_s: float = 1.0
    listens: bool = True
    patience_s: float = 10.0
    connections: int = 6
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 5.0
    late_s: float = 0.05
    key_lifetime_s: float = 24 * 3600.0


SWEEP_S = 60.0


class PostgresEngine:
    """Shape: satisfies `TaskEngine`, `KeepsWebhooks` and `Prunes`; made by `open`."""

    def __init__(self, place: Place, roster: Roster, settings: EngineSettings) -> None:
        self._place, self._roster, self._settings = place, roster, settings
        self._me = uuid.uuid4().hex
        self._queues = queues_of(roster.skills(), settings.queue_poll_s, settings.running)
        self._runners: dict[int, Runner[PostgresJournal]] = {}
        self._slots: dict[int, asyncio.Event] = {}
        self._stray: set[int] = set()
        self._followers: dict[int, set[asyncio.Event]] = {}
        self._draining = False
        self._lost_runs: set[str] = set()
        self._sweep_at = time.monotonic() + SWEEP_S
        self._store = Store(place, self._me, settings.connections, settings.patience_s)
        self._webhooks = PostgresWebhooks(self._store, self._me)
        self._watch = presence.Watch(2 * settings.beat_s)
        self._writer: Writer
        self._dispatcher: Dispatcher

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, roster: Roster, settings: EngineSettings = EngineSettings()
    ) -> AsyncGenerator[PostgresEngine]:
        """The engine on that database. Leaving the block is a shutdown, see `drain`.

        Raises: Unavailable, naming the database, when it cannot be reached or written, or was made by a newer release;
        InvalidInput for an address that is none, or a second engine of this process that cannot share its DBOS.
        """
        place = place_of(url)
        await anyio.to_thread.run_sync(prepare, place, abandon_on_cancel=True)
        engine = cls(place, roster, settings)
        async with contextlib.AsyncExitStack() as stack:
            await engine._store.open()
            stack.push_async_callback(engine._store.close)
            engine._writer = Writer(engine._store, engine._on_commit)
            stack.push_async_callback(engine._writer.close)
            news = News(place, engine._me, settings.listens)
            own = await stack.enter_async_context(news.connection())
            executor = Dispatcher.executor_here() or engine._me
            await engine._store.read(presence.arrive, engine._me, executor, settings.lease_s)
            engine._dispatcher = await Dispatcher.enter(place, executor, engine._queues, engine)
            stack.push_async_callback(engine._leave)
            tasks = [
                asyncio.create_task(news.listen(own, engine._hear, engine._reconnected), name="sametask-listen"),
                asyncio.create_task(engine._beat(), name="sametask-beat"),
            ]
            try:
                yield engine
            finally:
                with anyio.CancelScope(shield=True):
                    for task in tasks:
                        task.cancel()
                    await asyncio.wait(tasks)
                    await engine.drain()

    @property
    def roster(self) -> Roster:
        return self._roster

    @property
    def webhooks(self) -> PostgresWebhooks:
        return self._webhooks

    async def drain(self) -> None:
        """Shut down: refuse new tasks, end every open `events` with Unavailable, stop the skills and set their tasks free.
        None of this is a cancel: the tasks go on in other processes. A second call changes nothing.
        """
        if self._draining:
            return
        self._draining = True
        for n in list(self._followers):
            self._wake_followers(n)
        runners = list(self._runners.values())
        for runner in runners:
            runner.stop()
        if runners:
            await asyncio.wait([runner.task for runner in runners], timeout=self._settings.stop_grace_s)
        await self._writer.flush()
        with contextlib.suppress(Unavailable):  # then our neighbours bury us
            await self._store.write(presence.set_all_free, self._me, None, [])

    async def _leave(self) -> None:
        """Bury ourselves: nobody is to wait for us."""
        last = await self._dispatcher.leave(self)
        try:
            with contextlib.suppress(Exception):  # as in `_beat`; then our neighbours bury us
                runs = await self._dispatcher.pending_of(self._dispatcher.executor) if last else []
                await self._store.write(presence.set_all_free, self._me, None, runs)
                await self._dispatcher.give_up(runs)
                await self._store.read(presence.remove, self._me, None)
        finally:
            if last:
                self._dispatcher.close()

    async def submit(self, skill: Skill, request: BaseModel, *, key: str | None = None, origin: Origin | None = None) -> Task:
        if self._draining:
            raise Unavailable("the engine is shutting down; accepted: a retry in a while, with the same key")
        self._roster.skill(skill.agent, skill.name)
        new = submission(skill, request, key=key, origin=origin, key_lifetime_s=self._settings.key_lifetime_s)
        at = time.time()
        id_ = await self._store.read(log.submit, new, queue_of(skill), skill.limits.priority, at)
        if id_ != new.id:
            return await self.get(id_)
        return new.task(at)

    async def run(self, skill: Skill, request: BaseModel, *, origin: Origin | None = None, keep: bool = True) -> Task:
        """As the seam says; it is stored in any case, since it may run elsewhere."""
        task = await self.submit(skill, request, origin=origin)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.late_s):
                await self._end_of(task.id)
        return await self.get(task.id)

    async def get(self, task_id: str) -> Task:
        return await self._store.read(log.task, task_id)

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """As the seam says; and an engine that shuts down ends it with Unavailable, so that it never looks finished."""
        if after < 0:
            raise InvalidInput("after", after, "0 or the number of an event is accepted")
        n = await self._number(task_id)
        news = asyncio.Event()
        self._followers.setdefault(n, set()).add(news)
        try:
            while True:
                news.clear()
                if self._draining:
                    raise Unavailable("the engine is shutting down; the task is not finished")
                page = await self._store.read(log.page, n, after)
                for event in page:
                    yield event
                    after = event.seq
                    if event.final:
                        return
                if not page:
                    if await self._store.read(log.ended, task_id, after):
                        return
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._settings.follow_poll_s):
                            await news.wait()
        finally:
            self._followers[n].discard(news)
            if not self._followers[n]:
                del self._followers[n]

    async def _number(self, task_id: str) -> int:
        return await self._store.read(log.number, task_id)

    async def questions(self, task_id: str) -> tuple[OpenQuestion, ...]:
        return tuple(await self._store.read(log.open_questions, await self._number(task_id)))

    async def answer(self, task_id: str, request_id: str, value: Any) -> Task:
        task = await self.get(task_id)
        n = await self._number(task_id)
        schema = await self._store.read(log.answer_schema, n, request_id)
        if schema is None:
            raise NotWaiting(task_id, request_id, task.question.request_id if task.question else None)
        asked = await self._store.read(log.asked, n, request_id)
        if asked.answer is None and not task.state.terminal:
            text = accepted_json(value, schema)
            if (runner := self._runners.get(n)) is not None:
                runner.context.check_answer(request_id, text)
            await self._store.write(self._tell_owner, log.answer, n, request_id, text)
            self._on_commit({n})
        elif asked.answer is None:
            raise TaskFinished(task_id, task.state)
        return await self.get(task_id)

    async def cancel(self, task_id: str) -> Task:
        n = await self._number(task_id)
        if await self._store.write(self._tell_owner, log.cancel, n) is not None:
            runner = self._runners.get(n)
            if runner is not None:
                runner.cancel()
            try:
                async with asyncio.timeout(self._settings.cancel_grace_s):
                    await self._end_of(task_id)
            except TimeoutError:
                await self._store.write(self._tell, log.cancel_without_runner, n)
                if runner is not None:
                    runner.stop()
        self._on_commit({n})
        return await self.get(task_id)

    async def _end_of(self, task_id: str) -> None:
        async for _ in self.events(task_id, (await self.get(task_id)).last_seq):
            pass

    async def list(self, *, limit: int = 100, before: str | None = None) -> list[Task]:
        if not 1 <= limit <= 1000:
            raise InvalidInput("limit", limit, "1 to 1000 is accepted")
        below = None if before is None else await self._number(before)
        return await self._store.read(log.newest, limit, below)

    async def prune(self, retention: Retention) -> Pruned:
        return await prune(self._store, retention)

    async def _tell(self, db: Db, op: Any, n: int, *args: Any) -> Any:
        result = await op(db, n, *args)
        await log.notify(db, [n])
        return result

    async def _tell_owner(self, db: Db, op: Any, n: int, *args: Any) -> Any:
        """Also on the channel of the worker that runs the task, which `op` gives."""
        owner = await self._tell(db, op, n, *args)
        if owner is not None and owner != self._me:
            await tell(db, owner, n)
        return owner

    # What DBOS asks of us.

    @property
    def draining(self) -> bool:
        return self._draining

    def takes(self, agent: str, skill: str) -> bool:
        return not self._draining and agent in self._roster and skill in self._roster[agent].skills

    async def put_back(self, n: int, epoch: int) -> None:
        await self._persistently(log.put_back, n, epoch)

    async def run_here(self, n: int, epoch: int) -> None:
        """Take the task and run it; returns when it no longer takes anyone's place in its queue.

        Not before it is ours or known to be unwanted: a run that is over is not begun again, so that one that did nothing would
        leave its task to nobody.
        """
        if (runner := self._runners.get(n)) is not None:
            if runner.journal.epoch >= epoch:
                return
            runner.stop()  # it was taken from us, and we have not heard of it yet
            await asyncio.wait([runner.task], timeout=self._settings.stop_grace_s)
        taken = await self._persistently(self._claim, n, epoch)
        if taken is None:
            return
        try:
            past = await self._store.read(log.past, n)
        except SametaskError:
            return  # it is ours and does not run: see `_tick`
        if self._draining:
            return
        skill = self._roster.skill(taken.claim.agent, taken.claim.skill)
        slot = self._slots[n] = asyncio.Event()
        # One that waits for an answer takes nobody's place, unless the skill says how many there may be.
        on_ask = self._leave_queue if skill.limits.concurrency is None else _stay
        self._runners[n] = Runner(
            taken.claim,
            skill,
            None,
            past,
            lambda lose: PostgresJournal(self._store, self._writer, taken, lose, on_ask, self._wake_followers),
            self._on_end,
            self._settings.cancel_grace_s,
        )
        await slot.wait()

    async def _claim(self, db: Db, n: int, epoch: int) -> log.Taken | None:
        taken = await log.claim(db, n, epoch, self._me)
        if taken is None and not await presence.is_there(db, self._me):
            # We were buried while we stood still, and take nothing before we are there again.
            await self._arrive(db)
            taken = await log.claim(db, n, epoch, self._me)
        return taken

    async def _arrive(self, db: Db) -> None:
        await presence.arrive(db, self._me, self._dispatcher.executor, self._settings.lease_s)

    async def _persistently(
        self, query: Callable[Concatenate[Db, Given], Awaitable[Result]], *args: Given.args, **kwargs: Given.kwargs
    ) -> Result:
        """As the store's `read`, for as long as it takes."""
        while True:
            try:
                return await self._store.read(query, *args, **kwargs)
            except Unavailable:
                await asyncio.sleep(self._settings.beat_s)

    def _leave_queue(self, n: int) -> None:
        if (slot := self._slots.get(n)) is not None:
            slot.set()

    def _on_end(self, runner: Runner[PostgresJournal], error: Exception | None) -> None:
        n = runner.journal.n
        self._leave_queue(n)
        self._slots.pop(n, None)
        if self._runners.get(n) is runner:
            del self._runners[n]

    # What goes on beneath: commits, word from other processes, burials.

    def _on_commit(self, tasks: set[int]) -> None:
        self._webhooks.wake()
        for n in tasks:
            self._wake_followers(n)
            if (runner := self._runners.get(n)) is not None:
                runner.context.wake()

    def _wake_followers(self, n: int) -> None:
        for news in self._followers.get(n, ()):
            news.set()

    def _reconnected(self) -> None:
        """News may have been missed, and nobody could beat while the server was away."""
        self._watch.forget()
        self._on_commit({*self._followers, *self._runners})

    async def _hear(self, numbers: list[int], mine: bool) -> None:
        if mine:
            with contextlib.suppress(Unavailable):
                await self._check(numbers)
        else:
            self._webhooks.wake()
            for n in numbers:
                self._wake_followers(n)

    async def _check(self, numbers: list[int] | None = None) -> set[int]:
        """Are our tasks (or these of them) still ours, and wanted? Shape: those that are ours, and do not run."""
        runners = dict(self._runners) if numbers is None else {n: self._runners[n] for n in numbers if n in self._runners}
        standing = await self._store.read(log.standing, self._me, numbers)
        for n, runner in runners.items():
            epoch, cancel = standing.get(n, (0, False))
            if epoch != runner.journal.epoch:
                runner.stop()
            elif cancel:
                runner.cancel()
            else:
                runner.context.wake()
        return standing.keys() - runners.keys()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.beat_s)
            try:
                await self._tick()
            except Exception:
                # The wall: whatever Postgres or DBOS raised while the server was away, the next beat comes.
                continue

    async def _tick(self) -> None:
        """Show that we live, see to what went wrong here, and look after our neighbours."""
        if not await self._store.read(presence.beat, self._me):
            await self._store.read(self._arrive)
        # Ours at two beats, and not running: what it wrote could not be stored, or its start was lost. It begins again.
        stray = await self._check()
        if lost := self._stray & stray - self._runners.keys():
            await self._store.write(log.set_free, self._me, [*lost])
        self._stray = stray
        # What DBOS says is running here, twice, and is not: its start was lost to a broken connection.
        never_begun = await self._dispatcher.never_begun()
        if never := [*(self._lost_runs & never_begun)]:
            await self._store.write(log.run_again, never)
            await self._dispatcher.give_up(never)
        self._lost_runs = never_begun
        for neighbour in self._watch.gone(await self._store.read(presence.neighbours, self._me)):
            await self._bury(neighbour)
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + SWEEP_S
            await self._dispatcher.sweep()

    async def _bury(self, neighbour: presence.Neighbour) -> None:
        id_, executor, beats, _, _ = neighbour
        runs = await self._dispatcher.pending_of(executor)
        await self._store.read(presence.hang_up, id_, beats)
        if await self._store.write(presence.set_all_free, id_, beats, runs):
            self._webhooks.wake()
            await self._dispatcher.give_up(runs)
            await self._store.read(presence.remove, id_, beats)


def _stay(n: int) -> None:
    """It waits in its place."""
