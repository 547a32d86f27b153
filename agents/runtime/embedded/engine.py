"""The embedded engine: tasks on one SQLite file, run by any number of processes on one host.

A task belongs to one process at a time, in an epoch. When that process dies, another one that has the file open takes its
tasks over at once and runs their skills again; what was recorded and told before is not done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import os
import sqlite3
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio.to_thread
from pydantic import BaseModel

from ...contract import Origin, Roster, Skill
from ...errors import InvalidInput, NotWaiting, SametaskError, TaskFinished, Unavailable
from ...events import Event, OpenQuestion, Task
from ...retention import Pruned, Retention
from ..answers import accepted_json
from ..journal import NOTHING, Claim, Past
from ..runner import Runner
from ..submission import Submission, submission
from . import log, owners
from .following import Follower
from .journal import LateJournal, SqliteJournal
from .locks import OwnerLock
from .retention import prune
from .schema import connect, unavailable
from .store import Store
from .webhooks import SqliteWebhooks


@dataclass(frozen=True)
class EngineSettings:
    """`lease_s`: how long a process that hangs keeps its tasks (a dead one loses them at once). `poll_s`: how soon word from
    another process is heard; `follow_poll_s`: the same while someone follows a task that runs in another process.
    `cancel_grace_s`: how long a skill may take to stop before its task is ended without it. `stop_grace_s`: the same when the
    engine shuts down. `synchronous`: FULL survives a power cut, NORMAL only the death of the process. `late_s`: how long a
    task that nobody was told of may stay in memory. `key_lifetime_s`: how long an idempotency key names its task, at least.
    """

    lease_s: float = 30.0
    poll_s: float = 0.2
    follow_poll_s: float = 0.05
    cancel_grace_s: float = 5.0
    stop_grace_s: float = 5.0
    synchronous: str = "FULL"
    late_s: float = 0.05
    key_lifetime_s: float = 24 * 3600.0


class SqliteEngine:
    """Shape: satisfies `TaskEngine`; made by `open`."""

    def __init__(
        self,
        path: Path,
        connections: tuple[sqlite3.Connection, sqlite3.Connection],
        lock: OwnerLock,
        roster: Roster,
        settings: EngineSettings,
    ) -> None:
        self._roster, self._settings, self._lock = roster, settings, lock
        self._me = lock.id
        self._served = json.dumps([f"{skill.agent}.{skill.name}" for skill in roster.skills()])
        self._runners: dict[int, Runner[SqliteJournal]] = {}
        self._late: set[Runner[LateJournal]] = set()
        self._watch = owners.Watch()
        self._followers: dict[int, set[Follower]] = {}
        self._given_up: set[int] = set()
        self._nudge = asyncio.Event()
        self._draining = False
        self._renew_at = 0.0
        self._seen_version = 0
        self._store = Store(path, *connections, self._on_commit)
        self._webhooks = SqliteWebhooks(self._store, self._me)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, path: str, roster: Roster, settings: EngineSettings = EngineSettings()) -> AsyncGenerator[SqliteEngine]:
        """The engine on that file; `:memory:` is a private file that is removed with the engine. Tasks that a dead process
        left are running again when the block is entered. Leaving it is a shutdown, see `drain`.

        Raises: Unavailable, naming the path, when the file cannot be written, is not ours, or was made by a newer release.
        """
        async with contextlib.AsyncExitStack() as stack:
            synchronous = settings.synchronous
            if path == ":memory:":
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sametask-", ignore_cleanup_errors=True))
                path, synchronous = f"{folder}/tasks.db", "OFF"
            file = Path(os.path.abspath(os.path.expanduser(path)))  # noqa: ASYNC240 - a word about the path, not the disk
            connections = await anyio.to_thread.run_sync(connect, file, synchronous)
            try:
                lock = OwnerLock(file)
            except OSError as error:
                for connection in connections:
                    connection.close()
                raise unavailable(file, error) from None
            stack.callback(lock.release)
            engine = cls(file, connections, lock, roster, settings)
            stack.callback(engine._store.close)
            await engine._tick()
            beat = asyncio.create_task(engine._beat(), name="sametask-beat")
            try:
                yield engine
            finally:
                with anyio.CancelScope(shield=True):
                    beat.cancel()
                    await asyncio.wait([beat])
                    await engine.drain()

    @property
    def roster(self) -> Roster:
        return self._roster

    @property
    def webhooks(self) -> SqliteWebhooks:
        return self._webhooks

    async def drain(self) -> None:
        """Shut down: refuse new tasks, end every open `events` with Unavailable, stop the skills and set their tasks free.
        None of this is a cancel: the tasks stay as they are, for the next process that opens the file. Called on leaving
        the block that `open` gives; a second call changes nothing.
        """
        if self._draining:
            return
        self._draining = True
        for n in list(self._followers):
            self._wake_followers(n)
        runners = [*self._runners.values(), *self._late]
        for runner in runners:
            runner.stop()
        if runners:
            await asyncio.wait([runner.task for runner in runners], timeout=self._settings.stop_grace_s)
        with contextlib.suppress(Unavailable):  # then the lock, which goes with us, says that we are gone
            await self._store.write(lambda db: owners.bury(db, self._me))

    async def submit(self, skill: Skill, request: BaseModel, *, key: str | None = None, origin: Origin | None = None) -> Task:
        new = self._submission(skill, request, key, origin)
        at = time.time()

        context = contextvars.copy_context()  # the skill's first run is given the caller's

        def launch(stored: log.Taken | str) -> None:
            if not isinstance(stored, str):
                context.run(self._launch, stored, skill, request, NOTHING)

        # A caller that goes away meanwhile must not leave a task behind that is ours and that nobody runs.
        stored = await self._store.write(lambda db: log.submit(db, new, self._me, at), then=launch)
        if isinstance(stored, str):
            return await self.get(stored)
        return new.task(at)

    async def run(self, skill: Skill, request: BaseModel, *, origin: Origin | None = None, keep: bool = True) -> Task:
        new = self._submission(skill, request, None, origin)
        claim = Claim(new.id, new.agent, new.skill, new.origin)
        if skill.deadline_s is not None:
            claim = replace(claim, deadline_at=time.time() + skill.deadline_s)
        runner = Runner(
            claim,
            skill,
            request,
            NOTHING,
            lambda lose: LateJournal(self._store, new, self._me, lose, self._kept),
            self._on_end,
            self._settings.cancel_grace_s,
        )
        journal = runner.journal
        self._late.add(runner)
        runner.task.add_done_callback(lambda _: self._late.discard(runner))
        try:
            await journal.settled(runner.task, self._settings.late_s)
            if keep or not journal.ended:
                await journal.keep()
            if journal.ended:
                return journal.task()
        except asyncio.CancelledError:
            journal.keep_soon()  # the caller that went away loses its answer, never the task
            raise
        except SametaskError:
            runner.stop()
            raise
        return await self.get(new.id)

    def _submission(self, skill: Skill, request: BaseModel, key: str | None, origin: Origin | None) -> Submission:
        if self._draining:
            raise Unavailable("the engine is shutting down; accepted: a retry in a while, with the same key")
        self._roster.skill(skill.agent, skill.name)
        return submission(skill, request, key=key, origin=origin, key_lifetime_s=self._settings.key_lifetime_s)

    async def get(self, task_id: str) -> Task:
        return self._store.read(log.task, task_id)

    async def events(self, task_id: str, after: int = 0) -> AsyncIterator[Event]:
        """As the seam says; and an engine that shuts down ends it with Unavailable, so that it never looks finished."""
        if after < 0:
            raise InvalidInput("after", after, "0 or the number of an event is accepted")
        n = self._number(task_id)
        follower = Follower(self._store, n)
        self._followers.setdefault(n, set()).add(follower)
        if not self._runs(n):
            self._nudge.set()
        try:
            while True:
                page = follower.page(after)
                if self._draining:
                    raise Unavailable("the engine is shutting down; the task is not finished")
                for event in page:
                    yield event
                    after = event.seq
                    if event.final:
                        return
                if not page:
                    if not self._runs(n) and self._store.read(log.ended, task_id, after):
                        return
                    await follower.wait()
        finally:
            self._followers[n].discard(follower)
            if not self._followers[n]:
                del self._followers[n]

    def _number(self, task_id: str) -> int:
        return self._store.read(log.number, task_id)

    async def questions(self, task_id: str) -> tuple[OpenQuestion, ...]:
        n = self._number(task_id)
        return tuple(self._store.read(log.open_questions, n))

    async def answer(self, task_id: str, request_id: str, value: Any) -> Task:
        task = await self.get(task_id)
        n = self._number(task_id)
        schema = self._store.read(log.answer_schema, n, request_id)
        if schema is None:
            raise NotWaiting(task_id, request_id, task.question.request_id if task.question else None)
        asked = self._store.read(log.asked, n, request_id)
        if asked.answer is None and not task.state.terminal:
            text = accepted_json(value, schema)
            if (runner := self._runners.get(n)) is not None:
                runner.context.check_answer(request_id, text)
            await self._store.write(lambda db: log.answer(db, n, request_id, text, self._me), n)
        elif asked.answer is None:
            raise TaskFinished(task_id, task.state)
        return await self.get(task_id)

    async def cancel(self, task_id: str) -> Task:
        n = self._number(task_id)

        def interrupt(_: bool) -> None:
            if (runner := self._runners.get(n)) is not None:
                runner.cancel()

        if not await self._store.write(lambda db: log.cancel(db, n, self._me), n, interrupt):
            try:
                async with asyncio.timeout(self._settings.cancel_grace_s):
                    await self._end_of(task_id)
            except TimeoutError:
                await self._store.write(lambda db: log.cancel_without_runner(db, n, self._me), n)
                if (runner := self._runners.get(n)) is not None:
                    runner.stop()
        return await self.get(task_id)

    async def _end_of(self, task_id: str) -> None:
        async for _ in self.events(task_id, (await self.get(task_id)).last_seq):
            pass

    async def list(self, *, limit: int = 100, before: str | None = None) -> list[Task]:
        if not 1 <= limit <= 1000:
            raise InvalidInput("limit", limit, "1 to 1000 is accepted")
        below = None if before is None else self._number(before)
        return self._store.read(log.newest, limit, below)

    async def prune(self, retention: Retention) -> Pruned:
        return await prune(self._store, retention)

    # What goes on beneath: commits, word from other processes, takeovers.

    def _on_commit(self, changed: dict[int, list[Any]]) -> None:
        self._webhooks.wake()
        for n, results in changed.items():
            if any(result is not log.NOTHING_TOLD for result in results):
                self._wake_followers(n, results)
            if (runner := self._runners.get(n)) is not None and not all(isinstance(each, log.Stored) for each in results):
                runner.context.wake()  # what a runner itself writes answers no question

    def _wake_followers(self, n: int, results: Sequence[Any] = ()) -> None:
        for follower in self._followers.get(n, ()):
            follower.hear(results)

    def _runs(self, n: int) -> bool:
        """True while what the task tells is told here first."""
        return (runner := self._runners.get(n)) is not None and not runner.context.closed

    async def _beat(self) -> None:
        while True:
            follows_others = any(not self._runs(n) for n in self._followers)
            pause_s = self._settings.follow_poll_s if follows_others else self._settings.poll_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._nudge.wait()
                    # Someone began to follow: look again how often to look, but never more often than that.
                    await asyncio.sleep(self._settings.follow_poll_s)
            self._nudge.clear()
            with contextlib.suppress(Unavailable, sqlite3.Error):  # the disk may be full now and not in a while
                await self._tick()

    async def _tick(self) -> None:
        """Hear what other processes wrote, hold the lease, and take over what nobody runs."""
        reader = self._store.reader
        (version,) = reader.execute("PRAGMA data_version").fetchone()
        if version != self._seen_version:
            self._seen_version = version
            self._webhooks.wake()
            for n in [n for n in self._followers if not self._runs(n)]:
                self._wake_followers(n)
        if self._draining:
            return
        if time.monotonic() >= self._renew_at:
            await self._store.write(lambda db: owners.renew(db, self._me, self._settings.lease_s), then=self._renewed)
            self._renew_at = time.monotonic() + self._settings.lease_s / 3
        if owners.has_wakeups(reader, self._me):
            self._hear(await self._store.write(lambda db: owners.take_wakeups(db, self._me)))
        await self._bury_the_dead(reader)
        if self._given_up:
            given_up = frozenset(self._given_up)
            await self._store.write(lambda db: owners.set_free(db, self._me, given_up))
            self._given_up -= given_up
        if not self._draining and owners.has_free(reader, self._served):
            for taken in await self._store.write(lambda db: owners.claim(db, self._me, self._served)):
                try:
                    past = self._store.read(log.past, taken.n)
                except Unavailable:
                    self._given_up.add(taken.n)  # it must not be ours and yet not run; the others are run meanwhile
                else:
                    self._launch(taken, self._roster.skill(taken.claim.agent, taken.claim.skill), None, past)

    def _renewed(self, held: bool) -> None:
        if not held:  # the tasks that were ours until then; those that are ours again by now are told of after it
            for runner in self._runners.values():
                runner.stop()

    def _hear(self, wakeups: list[tuple[int, int, bool, bool]]) -> None:
        for n, epoch, cancel, ours in wakeups:
            self._wake_followers(n)
            runner = self._runners.get(n)
            if runner is None:
                continue
            if not ours or epoch != runner.journal.epoch:
                runner.stop()
                continue
            if cancel:
                runner.cancel()
            runner.context.wake()  # also then: a skill that carries on over its cancel may wait for an answer

    async def _bury_the_dead(self, reader: sqlite3.Connection) -> None:
        others = owners.others(reader, self._me)
        for owner, _, _ in others:
            if self._lock.is_dead(owner):
                await self._store.write(lambda db, owner=owner: owners.bury(db, owner))
                self._lock.sweep(owner)
        for owner, beats in self._watch.expired(others):
            await self._store.write(lambda db, owner=owner, beats=beats: owners.bury(db, owner, beats))

    def _launch(self, taken: log.Taken, skill: Skill, request: BaseModel | None, past: Past) -> None:
        if not self._draining:
            self._runners[taken.n] = Runner(
                taken.claim,
                skill,
                request,
                past,
                lambda lose: SqliteJournal(self._store, taken.n, taken.epoch, lose),
                self._on_end,
                self._settings.cancel_grace_s,
            )

    def _kept(self, journal: LateJournal) -> None:
        """A task that ran in memory has a row now."""
        for runner in self._late:
            if runner.journal is journal:
                self._late.discard(runner)
                self._runners[journal.n] = runner
                return

    def _on_end(self, runner: Runner[Any], error: Exception | None) -> None:
        n = runner.journal.n
        if not n:
            return
        if self._runners.get(n) is runner:
            del self._runners[n]
        if isinstance(error, SametaskError):  # it could not be written: begin again when it can
            self._given_up.add(n)
            self._nudge.set()
        if n in self._followers:  # they follow another process's task from now on, unless it has ended
            self._wake_followers(n)
            self._nudge.set()
