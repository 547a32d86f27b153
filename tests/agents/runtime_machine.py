"""A machine that interleaves everything that can happen to the embedded engine, and what must hold whatever happens.

The engines are the real ones, several on one real file. What is the machine's own: the clock, so that it is told when time
passes; the queue before each writer thread and the disk behind it, so that a write waits, fails or is lost with its process at
a chosen place; and the skill, which carries out a program that the machine adds to and which starts over, as any skill does,
when its task is run again. So a run of the machine depends on nothing but the choices that hypothesis made.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import json
import queue
import sqlite3
import tempfile
import threading
import types
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pydantic import BaseModel, Field
from sametask.agents import Agent, Artifact, Question, Rejected, Retry, Roster, Task, TaskContext, TaskState, TextPart
from sametask.agents.errors import InvalidInput, KeyReused, NotWaiting, TaskFinished, Unavailable
from sametask.agents.events import BODY, ArtifactEmitted, Event, Progress, StateChanged
from sametask.agents.runtime.embedded.engine import EngineSettings, SqliteEngine

RUNTIME = "sametask.agents.runtime"
CLOCKS = ["context", "runner", "embedded.engine", "embedded.journal", "embedded.log", "embedded.owners"]
LEASE_S, GRACE_S, DEADLINE_S, LATE_S = 30.0, 5.0, 100.0, 0.05
NEVER_S = 1e12
MOST_TASKS, MOST_ENGINES = 6, 3


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1e6  # asyncio adds a nanosecond to it, which is to make a difference

    def time(self) -> float:
        return self.now

    monotonic = time


class Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        super().__init__()

    def time(self) -> float:
        return self.clock.now

    @property
    def quiet(self) -> bool:
        return not self._ready  # type: ignore[attr-defined]


class Queue:
    """The queue before a writer thread, whose door can be shut."""

    def __init__(self) -> None:
        self.loop, self.empty = asyncio.get_running_loop(), asyncio.Event()
        self.changed, self.items = threading.Condition(), deque[Any]()
        self.shut = self.idle = False
        self.first_batch = self.taken = self.left = 0

    def put(self, item: Any) -> None:
        with self.changed:
            self.items.append(item)
            self.idle = self.shut
            self.changed.notify()

    def get(self) -> Any:
        with self.changed:
            while self.shut or not self.items:
                self._rest()
                self.changed.wait()
            self.taken = 1
            return self._next()

    def get_nowait(self) -> Any:
        with self.changed:
            if self.shut or not self.items or self.taken == self.first_batch:
                self.first_batch = 0
                raise queue.Empty
            self.taken += 1
            return self._next()

    def _next(self) -> Any:
        item, self.idle = self.items.popleft(), False
        self.left -= 1
        self.shut = self.shut or self.left == 0
        if item is None:
            self._rest()  # for ever
        return item

    def _rest(self) -> None:
        self.idle = True
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self.empty.set)

    def open(self) -> None:
        """Let the writes through, and those to come."""
        self._open(0, 0)

    def open_in_two(self, first_batch: int) -> None:
        """Let those that wait now through in two transactions, the first of so many writes; then shut the door again."""
        if self.items:
            self._open(first_batch, len(self.items))

    def _open(self, first_batch: int, left: int) -> None:
        with self.changed:
            self.shut, self.first_batch, self.left, self.idle = False, first_batch, left, not self.items
            self.changed.notify()

    async def settled(self) -> None:
        while not self.idle:
            self.empty.clear()
            if not self.idle:
                await self.empty.wait()


class Disk:
    """A writer's connection that fails so many commits, as a full disk does."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection, self.failing = connection, 0

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.failing:
            self.failing -= 1
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()


# What the skill is told to do.


@dataclass(frozen=True)
class Tell:
    artifact: bool = False


@dataclass(frozen=True)
class Block:
    """Wait until the machine opens the way. A `stubborn` one cannot be interrupted."""

    stubborn: bool = False


@dataclass(frozen=True)
class Step:
    name: str
    body: tuple[Any, ...] = ()
    fails: int = 0
    attempts: int = 1


@dataclass(frozen=True)
class Parallel:
    """Steps of different names, or questions."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Ask:
    timeout_s: float | None = None


@dataclass(frozen=True)
class End:
    state: TaskState


SIMPLE = st.sampled_from([Tell(), Tell(), Tell(artifact=True), Block(), Block(), Block(stubborn=True), Ask(), Ask(50.0)])


def steps_of(items: st.SearchStrategy[Any], names: str) -> st.SearchStrategy[Step]:
    bodies = st.lists(items, max_size=3).map(lambda items: (Tell(), *items))
    failing = st.sampled_from([(0, 1), (0, 1), (0, 3), (1, 1), (1, 3), (2, 3), (3, 3)])
    return st.builds(lambda name, body, f: Step(name, body, *f), st.sampled_from(names), bodies, failing)


STEPS = steps_of(SIMPLE | steps_of(SIMPLE, "xy"), "ab")
PARALLEL = st.tuples(steps_of(SIMPLE, "p"), steps_of(SIMPLE, "q")) | st.just((Ask(), Ask())) | st.just((Ask(20.0), Ask(60.0)))
ENDS = [TaskState.COMPLETED, TaskState.COMPLETED, TaskState.FAILED, TaskState.REJECTED]
COMMANDS = SIMPLE | STEPS | STEPS | PARALLEL.map(Parallel) | st.sampled_from(ENDS).map(End)


class Place:
    """Where in a task something is done: the paths that the contract of `RunningContext` promises, worked out once more."""

    def __init__(self, path: str) -> None:
        self.path, self.counts = path, Counter[str]()

    def child(self, name: str) -> str:
        self.counts[name] += 1
        return f"{self.path}/{name}#{self.counts[name]}"


def attempt_scope(path: str, attempt: int) -> str:
    return path if attempt == 1 else f"{path}~{attempt}"


def all_told(program: Iterable[Any], place: Place, told: Counter[str]) -> Counter[str]:
    """How much each scope tells when the whole program is carried out."""
    for command in program:
        if isinstance(command, Tell):
            told[place.path] += 1
        elif isinstance(command, Parallel):
            all_told(command.parts, place, told)
        elif isinstance(command, Step):
            path = place.child(command.name)
            for attempt in range(1, min(command.fails + 1, command.attempts) + 1):
                all_told(command.body, Place(attempt_scope(path, attempt)), told)
    return told


class Request(BaseModel):
    label: int


class Reply(BaseModel):
    value: int = Field(ge=0)


class Flaky(Exception):
    pass


@dataclass
class Job:
    """What the model knows of a task. `label` is its input, and so known before its id is."""

    label: int
    skill: str
    program: list[Any] = field(default_factory=list)
    id: str | None = None
    never: bool = False  # its caller was told that it does not exist
    cancel: bool = False
    waiting: dict[asyncio.Event, None] = field(default_factory=dict)  # in order: a set's is another one in every run
    blocked: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    executed: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    returned: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, Any] = field(default_factory=dict)
    offered: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    row: Row | None = None

    @property
    def complete(self) -> bool:
        return bool(self.program) and isinstance(self.program[-1], End)

    def news(self) -> None:
        for event in self.waiting:
            event.set()

    async def change(self) -> None:
        event = asyncio.Event()
        self.waiting[event] = None
        try:
            await event.wait()
        finally:
            del self.waiting[event]


@dataclass(frozen=True)
class Row:
    """A task as the file has it, read past the engine."""

    n: int
    id: str
    open: bool
    cancel: bool
    last_seq: int
    log: tuple[tuple[int, str, str | None, str], ...]
    steps: dict[str, str]
    attempts: dict[str, int]
    questions: dict[str, tuple[str, str | None, bool]]

    @property
    def events(self) -> list[Any]:
        return [BODY.validate_json(body) for *_, body in self.log]

    @property
    def waiting(self) -> list[str]:
        if not self.open:
            return []
        return [rid for rid, (_, answer, expired) in self.questions.items() if answer is None and not expired]


def read_rows(db: sqlite3.Connection) -> dict[int, Row]:
    """Every stored task, by its label."""
    rows: dict[int, Row] = {}
    query = "SELECT n, id, open, cancel, last_seq, body FROM tasks JOIN inputs ON task = n"
    for n, id_, open_, cancel, last_seq, body in db.execute(query).fetchall():
        label = json.loads(body)["label"]
        assert label not in rows, f"two tasks of one submit: {label}"
        asked = db.execute("SELECT request_id, text, answer, expired FROM questions WHERE task = ?", (n,)).fetchall()
        rows[label] = Row(
            n,
            id_,
            bool(open_),
            bool(cancel),
            last_seq,
            tuple(db.execute("SELECT seq, kind, scope, body FROM events WHERE task = ? ORDER BY seq", (n,)).fetchall()),
            dict(db.execute("SELECT path, value FROM steps WHERE task = ?", (n,)).fetchall()),
            dict(db.execute("SELECT path, count FROM attempts WHERE task = ?", (n,)).fetchall()),
            {rid: (text, answer, bool(gone)) for rid, text, answer, gone in sorted(asked, key=lambda a: int(a[0][1:]))},
        )
    return rows


@dataclass(eq=False)
class Node:
    """An engine, as a process has one."""

    engine: SqliteEngine
    leave: Callable[..., Coroutine[Any, Any, Any]]
    queue: Queue
    disk: Disk
    dead: bool = False
    draining: bool = False

    @property
    def closed(self) -> bool:
        return self.engine._store._closed


@dataclass(eq=False)
class Call:
    """Something that a client has asked of an engine, or follows. `excused`: Unavailable is an answer that it may get."""

    kind: str
    node: Node
    job: Job | None
    task: asyncio.Task[Any]
    given: Any = None
    excused: bool = False
    got: list[Event] = field(default_factory=list)


_node: ContextVar[Node] = ContextVar("node")


class Run:
    """One run of a task's skill."""

    def __init__(self, machine: RuntimeMachine, job: Job, context: TaskContext) -> None:
        self.machine, self.job, self.context, self.node = machine, job, context, _node.get()
        stored = read_rows(machine.db).get(job.label)
        self.recorded = dict(stored.steps) if stored else {}
        self.failed = Counter(stored.attempts if stored else {})
        self.entered: set[str] = set()
        self.told: Counter[str] = Counter()

    async def perform(self) -> TaskState:
        body = Place("")
        for number in itertools.count():
            while number >= len(self.job.program):
                await self.job.change()
            command = self.job.program[number]
            if isinstance(command, End):
                return command.state
            await self._do(command, body)
        raise AssertionError

    async def _do(self, command: Any, place: Place) -> None:
        match command:
            case Tell():
                await self._tell(place.path, command.artifact)
            case Block():
                await self._block(f"{place.path} {place.child('block')}", command.stubborn)
            case Step():
                await self._step(command, place.child(command.name))
            case Ask():
                await self._ask(command, place.child("?"))
            case Parallel():
                await asyncio.gather(*(self._do(part, place) for part in command.parts))

    async def _tell(self, scope: str, artifact: bool) -> None:
        index = self.told[scope]
        self.told[scope] += 1
        text = f"{scope}|{index}"
        if artifact:
            part = TextPart(text=text)
            await self.context.emit(Artifact(name=scope or "body", parts=(part,), append=index % 3 != 0, last=False))
        else:
            await self.context.progress(index, text=text)

    async def _block(self, key: str, stubborn: bool) -> None:
        while key not in self.job.opened:
            self.job.blocked.add(key)
            try:
                await self.job.change()
            except asyncio.CancelledError:
                if not stubborn or self.node.dead:
                    raise
            if self.node.dead:
                raise asyncio.CancelledError

    async def _step(self, command: Step, path: str) -> None:
        machine, job = self.machine, self.job

        async def work() -> int:
            machine.must(path not in self.recorded, f"{path} was recorded, and is executed again")
            attempt = self.failed[path] + 1
            scope = attempt_scope(path, attempt)
            machine.must(scope not in self.entered, f"{scope} is executed twice in one run")
            self.entered.add(scope)
            place = Place(scope)
            for part in command.body:
                await self._do(part, place)
            if attempt <= command.fails:
                self.failed[path] += 1
                raise Flaky
            value = next(machine.values)
            job.executed[path].add(value)
            return value

        retry = Retry(command.attempts, first_delay_s=1, factor=2) if command.attempts > 1 else None
        try:
            value = await self.context.step(command.name, work, retry=retry)
        except Flaky:
            machine.must(command.fails >= command.attempts, f"{path} was not tried again")
            return
        machine.must(value in job.executed[path], f"{path} gives {value}, which it never had")
        machine.must(job.returned.setdefault(path, value) == value, f"{path} gives another value than before")

    async def _ask(self, command: Ask, path: str) -> None:
        try:
            outcome: Any = (await self.context.ask(Question(path, Reply), timeout_s=command.timeout_s)).value
        except TimeoutError:
            outcome = "expired"
            self.machine.must(command.timeout_s is not None, f"{path} expired, and has no timeout")
        self.machine.must(self.job.outcomes.setdefault(path, outcome) == outcome, f"{path} is given another answer than before")


PICK, SOME = st.integers(0, 11), st.lists(COMMANDS, max_size=3)
KEYS = st.sampled_from([None, None, "k", "l"])


class RuntimeMachine(RuleBasedStateMachine):
    """Every rule is one thing that happens; what must hold is looked at after each, and the end is in `teardown`."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.clock = Clock()
        for module in CLOCKS:
            self.stack.enter_context(mock.patch(f"{RUNTIME}.{module}.time", self.clock))
        shut = types.SimpleNamespace(SimpleQueue=Queue, Empty=queue.Empty)
        self.stack.enter_context(mock.patch(f"{RUNTIME}.embedded.store.queue", shut))
        self.path = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "tasks.db"
        self.loop = Loop(self.clock)
        self.loop.set_exception_handler(self._note)
        self.jobs: list[Job] = []
        self.keys: dict[str, Job] = {}
        self.nodes: list[Node] = []
        self.calls: list[Call] = []
        self.graves: list[Any] = []
        self.values = itertools.count(1)
        self.violations: list[str] = []
        self.agent = self._agent()

    def _agent(self) -> Agent:
        agent = Agent("driven", description="does what the machine says")

        async def plain(request: Request, task: TaskContext) -> Request:
            try:
                state = await Run(self, self.jobs[request.label], task).perform()
            except asyncio.CancelledError:
                if request.label % 2:
                    raise
                return request  # as if nothing had happened
            if state is TaskState.REJECTED:
                raise Rejected("as told")
            if state is TaskState.FAILED:
                raise ValueError("as told")
            return request

        async def timed(request: Request, task: TaskContext) -> Request:
            return await plain(request, task)

        agent.skill(plain)
        agent.skill(deadline_s=DEADLINE_S)(timed)
        return agent

    def must(self, holds: bool, what: str) -> None:
        """Also said within a skill, where raising would only fail its task."""
        if not holds:
            self.violations.append(what)

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # What a killed process was doing is never finished.
        self.must("destroyed but it is pending" in context["message"], f"on the loop: {context}")

    # What can happen.

    @initialize()
    def first(self) -> None:
        self.do(self._start())
        self.do(self._start())
        self.db = sqlite3.connect(self.path, isolation_level=None)
        self.stack.callback(self.db.close)

    @precondition(lambda self: len(self.nodes) < MOST_ENGINES)
    @rule()
    def start(self) -> None:
        self.do(self._start())

    async def _start(self) -> None:
        settings = EngineSettings(
            lease_s=LEASE_S, poll_s=NEVER_S, follow_poll_s=NEVER_S, cancel_grace_s=GRACE_S, stop_grace_s=GRACE_S,
            late_s=LATE_S, synchronous="OFF",
        )  # fmt: skip
        opened = SqliteEngine.open(str(self.path), Roster([self.agent]), settings)
        node = Node(None, opened.__aexit__, None, None)  # type: ignore[arg-type]
        _node.set(node)
        node.engine = await opened.__aenter__()
        store: Any = node.engine._store
        node.queue, node.disk = store._queue, Disk(store._writer)
        store._writer = node.disk
        self.nodes.append(node)

    @precondition(lambda self: self.nodes)
    @rule(pick=PICK, key=KEYS, skill=st.sampled_from(["plain", "plain", "timed"]), commands=SOME, hung_up=st.booleans())
    def submit(self, pick: int, key: str | None, skill: str, commands: list[Any], hung_up: bool) -> None:
        job = self.keys.get(key) if key else None
        if job is None:
            if len(self.jobs) == MOST_TASKS:
                return
            job = self._job(skill)
            self._feed(job, commands)
        if key:
            self.keys[key] = job
        self._submit(self._node(pick), job, key, hung_up)

    def _job(self, skill: str) -> Job:
        self.jobs.append(Job(len(self.jobs), skill))
        return self.jobs[-1]

    def _submit(self, node: Node, job: Job, key: str | None, hung_up: bool) -> None:
        skill = self.agent.skills[job.skill]
        self.call("submit", node, job, node.engine.submit(skill, Request(label=job.label), key=key), hung_up=hung_up)

    @precondition(lambda self: self.nodes and any(job.row for job in self.keys.values()))
    @rule(pick=PICK)
    def submit_another_with_the_same_key(self, pick: int) -> None:
        node, (key, job) = self._node(pick), self._of([(k, j) for k, j in self.keys.items() if j.row], pick)
        skill = self.agent.skills[job.skill]
        self.call("reuse", node, None, node.engine.submit(skill, Request(label=-1), key=key))

    @precondition(lambda self: self.nodes and len(self.jobs) < MOST_TASKS)
    @rule(pick=PICK, keep=st.booleans(), commands=SOME, hung_up=st.booleans())
    def run(self, pick: int, keep: bool, commands: list[Any], hung_up: bool) -> None:
        node, job = self._node(pick), self._job("plain")
        self._feed(job, commands)
        skill = self.agent.skills[job.skill]
        running = node.engine.run(skill, Request(label=job.label), keep=keep)
        self.call("run", node, job, running, keep, hung_up=hung_up)

    @precondition(lambda self: any(call.kind != "tick" for call in self.calls))
    @rule(pick=PICK)
    def hang_up(self, pick: int) -> None:
        self._of([call for call in self.calls if call.kind != "tick"], pick).task.cancel()
        self.do()

    @precondition(lambda self: any(not job.complete for job in self.jobs))
    @rule(pick=PICK, commands=st.lists(COMMANDS, min_size=1, max_size=3))
    def feed(self, pick: int, commands: list[Any]) -> None:
        self._feed(self._of([job for job in self.jobs if not job.complete], pick), commands)
        self.do()

    def _feed(self, job: Job, commands: Iterable[Any]) -> None:
        for command in commands:
            if not job.complete:
                job.program.append(command)
        job.news()

    @precondition(lambda self: any(job.blocked for job in self.jobs))
    @rule(pick=PICK)
    def unblock(self, pick: int) -> None:
        job, key = self._of([(job, key) for job in self.jobs for key in sorted(job.blocked)], pick)
        self._unblock(job, key)
        self.do()

    def _unblock(self, job: Job, key: str) -> None:
        job.blocked.discard(key)
        job.opened.add(key)
        job.news()

    @precondition(lambda self: self.nodes and any(job.row and job.row.questions for job in self.jobs))
    @rule(pick=PICK, which=PICK, values=st.lists(st.integers(-1, 3), min_size=1, max_size=2))
    def answer(self, pick: int, which: int, values: list[int]) -> None:
        job = self._of([job for job in self.jobs if job.row and job.row.questions], which)
        assert job.row
        request_id = self._of([*(job.row.waiting * 3), *job.row.questions, "q99"], which)
        for value in values:
            self._answer(self._node(pick), job, request_id, value)

    def _answer(self, node: Node, job: Job, request_id: str, value: int) -> None:
        assert job.row
        if value >= 0:
            job.offered[request_id].add(value)
        asked = node.engine.answer(job.row.id, request_id, {"value": value})
        self.call("answer", node, job, asked, (request_id, value))

    @precondition(lambda self: self.nodes and any(job.id for job in self.jobs))
    @rule(pick=PICK, which=PICK, hung_up=st.booleans())
    def cancel(self, pick: int, which: int, hung_up: bool) -> None:
        node, job = self._node(pick), self._of([job for job in self.jobs if job.id], which)
        assert job.id
        self.call("cancel", node, job, node.engine.cancel(job.id), hung_up=hung_up)

    @precondition(lambda self: self.nodes and any(job.id for job in self.jobs))
    @rule(pick=PICK, which=PICK)
    def follow(self, pick: int, which: int) -> None:
        self._follow(self._node(pick), self._of([job for job in self.jobs if job.id], which))

    def _follow(self, node: Node, job: Job) -> None:
        got: list[Event] = []

        async def following() -> None:
            assert job.id
            async for event in node.engine.events(job.id):
                got.append(event)

        self.call("follow", node, job, following(), got=got)

    @precondition(lambda self: self.nodes)
    @rule(pick=PICK)
    def tick(self, pick: int) -> None:
        """What the engine does by itself every now and then."""
        self._tick(self._node(pick))

    def _tick(self, node: Node) -> None:
        async def tick() -> None:
            with contextlib.suppress(Unavailable, sqlite3.Error):
                await node.engine._tick()

        if not any(call.kind == "tick" and call.node is node for call in self.calls):
            self.call("tick", node, None, tick())

    @rule(seconds=st.sampled_from([LATE_S, LATE_S, 1.0, 3.0, GRACE_S + 1, LEASE_S / 2, LEASE_S + 1, 2 * LEASE_S + 1]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.do()

    @precondition(lambda self: any(not node.queue.shut for node in self.nodes))
    @rule(pick=PICK)
    def hold_writes(self, pick: int) -> None:
        self._of([node for node in self.nodes if not node.queue.shut], pick).queue.shut = True

    @precondition(lambda self: any(node.queue.shut for node in self.nodes))
    @rule(pick=PICK, failing=st.integers(0, 2), first_batch=st.integers(0, 4))
    def let_writes_go(self, pick: int, failing: int, first_batch: int) -> None:
        """With `failing`, as many transactions fail, the first of them of `first_batch` writes."""
        self._let_go(self._of([node for node in self.nodes if node.queue.shut], pick), failing, first_batch)

    def _let_go(self, node: Node, failing: int, first_batch: int) -> None:
        node.disk.failing = failing
        for call in self.calls:
            call.excused |= failing > 0
        node.queue.open_in_two(first_batch)
        self.do()
        node.disk.failing = 0
        node.queue.open()
        self.do()

    @precondition(lambda self: self.nodes and any(job.row and job.row.open and not job.complete for job in self.jobs))
    @rule(pick=PICK, commands=SOME, failing=st.integers(1, 2), first_batch=st.integers(1, 4))
    def stumble(self, pick: int, commands: list[Any], failing: int, first_batch: int) -> None:
        """A write fails when others that follow from it wait behind it already."""
        job = self._of([job for job in self.jobs if job.row and job.row.open and not job.complete], pick)
        for key in sorted(job.blocked):
            self._unblock(job, key)
        self.do()
        for node in self.nodes:
            node.queue.shut = True
        self._feed(job, [Tell(), Tell(), *commands])
        self.do()
        for node in [*self.nodes]:
            self._let_go(node, failing if node.queue.items else 0, first_batch)

    @precondition(lambda self: len(self.nodes) > 1)
    @rule(pick=PICK)
    def hang(self, pick: int) -> None:
        """An engine is stopped for longer than its lease, while the others go on; then it wakes, and knows nothing of it."""
        hanging = self._node(pick)
        for job in [job for job in self.jobs if job.id and job.row and job.row.waiting]:
            self._follow(hanging, job)
        others = [node for node in self.nodes if node is not hanging]
        for seconds in (0.0, LEASE_S + 1, 0.0):
            self.clock.now += seconds
            self.do()  # what was due is done before anyone looks round
            for node in others:
                self._tick(node)

    @precondition(lambda self: self.nodes)
    @rule(pick=PICK, written=st.integers(0, 8), noticed=st.booleans())
    def crash(self, pick: int, written: int, noticed: bool) -> None:
        """The process is killed when as many of the writes that waited are on the disk; nobody was told of them."""
        self.do(self._crash(self._node(pick), written))
        if not self.nodes:
            self.do(self._start())
        elif noticed:
            for node in self.nodes:
                self._tick(node)

    async def _crash(self, node: Node, written: int) -> None:
        store: Any = node.engine._store
        # What was awaited is never told; it is kept from the collector, which would end it in the middle of something else.
        store._closed, store._committed = True, lambda *done: self.graves.append(done)
        self.graves.append([*node.queue.items])
        with node.queue.changed:
            node.queue.items = deque([*itertools.islice(node.queue.items, written), None])
        node.queue.open()
        store._thread.join()
        store._reader.close()
        store._writer.close()
        fcntl.flock(node.engine._lock._fd, fcntl.LOCK_UN)
        node.dead = True
        await self._bury(node)
        self.path.with_name(f"{self.path.name}-owner-{node.engine._me}").touch()  # a kill leaves it

    async def _bury(self, node: Node) -> None:
        self.nodes.remove(node)
        for call in [call for call in self.calls if call.node is node]:
            call.excused = True
            call.task.cancel()
        for job in self.jobs:
            job.news()
        await node.leave(None, None, None)

    @precondition(lambda self: self.nodes)
    @rule(pick=PICK, leave=st.booleans())
    def shut_down(self, pick: int, leave: bool) -> None:
        """Without `leave` it takes no more tasks, but its process lives on for a while."""
        node = self._node(pick)
        if not leave:
            self._drain(node, node.engine.drain)
            return
        self._drain(node, lambda: node.leave(None, None, None))
        self.nodes.remove(node)
        node.dead = True
        for job in self.jobs:  # those that would not stop
            job.news()
        self.do()
        if not self.nodes:
            self.do(self._start())

    def _drain(self, node: Node, drained: Callable[[], Coroutine[Any, Any, None]]) -> None:
        for call in self.calls:
            call.excused |= call.node is node
        if node.draining:  # it closes its file at once, for which it waits in its own thread
            node.queue.open()
            self.do()
        node.draining = True
        leaving = self.loop.create_task(drained())
        self.do()
        node.queue.open()
        self.do()
        if not leaving.done():
            self.clock.now += GRACE_S
            self.do()
        self.must(leaving.done(), "a shutdown hangs")

    # How it is carried out.

    def _node(self, pick: int) -> Node:
        return self._of(self.nodes, pick)

    @staticmethod
    def _of(found: list[Any], pick: int) -> Any:
        return found[pick % len(found)]

    def call(
        self,
        kind: str,
        node: Node,
        job: Job | None,
        asked: Coroutine[Any, Any, Any],
        given: Any = None,
        *,
        got: list[Event] | None = None,
        hung_up: bool = False,
    ) -> None:
        """With `hung_up` the caller is gone before its first write is done."""

        async def begin() -> None:
            _node.set(node)
            excused = node.draining
            self.calls.append(Call(kind, node, job, self.loop.create_task(asked), given, excused, [] if got is None else got))

        shut = node.queue.shut
        node.queue.shut |= hung_up
        self.do(begin())
        if hung_up:
            if self.calls and self.calls[-1].node is node and self.calls[-1].kind == kind:
                self.calls[-1].task.cancel()
                self.do()
            if not shut:
                node.queue.open()
                self.do()

    def do(self, what: Coroutine[Any, Any, None] | None = None) -> None:
        """Carry it out, until nothing moves any more; then look at everything."""

        async def settle() -> None:
            if what is not None:
                await what
            calm = 0
            while calm < 3:
                await asyncio.sleep(0)
                for node in self.nodes:
                    await node.queue.settled()
                calm = calm + 1 if self.loop.quiet else 0

        self.loop.run_until_complete(settle())
        if hasattr(self, "db"):
            self.check()

    # What must hold.

    def check(self) -> None:
        rows = read_rows(self.db)
        for label, row in rows.items():
            self._check_row(self.jobs[label], row)
        for job in self.jobs:
            self.must(job.row is None or job.label in rows, f"task {job.label} is gone")
        for call in [call for call in self.calls if call.task.done()]:
            self.calls.remove(call)
            self._check_call(call)
        for job in self.jobs:
            self.must(not (job.never and job.row), f"task {job.label} was refused, and yet it is stored")
            self.must(job.id is None or job.row is not None, f"task {job.label} has a handle, and is not stored")
        for call in self.calls:
            if call.kind == "follow":
                self._check_follower(call)
        for node in self.nodes:
            if not node.closed:
                self.loop.run_until_complete(self._check_seam(node))
        assert not self.violations, "; ".join(self.violations)

    def _check_row(self, job: Job, row: Row) -> None:
        label, before, job.row = job.label, job.row, row
        if before is not None:
            self.must(row.log[: len(before.log)] == before.log, f"{label}: what was told has changed")
            self.must(before.steps.items() <= row.steps.items(), f"{label}: what was recorded has changed")
            self.must(before.open or row.log == before.log, f"{label}: it was ended, and goes on")
            for rid, (text, answer, expired) in before.questions.items():
                closed = answer is not None or expired
                self.must(
                    row.questions[rid] == (text, answer, expired) or not closed, f"{label}: the outcome of {rid} has changed"
                )
        self.must(job.id in (None, row.id), f"{label}: it has another id")
        self.must([seq for seq, *_ in row.log] == list(range(1, row.last_seq + 1)), f"{label}: its log is not dense")
        states = [body.state for body in row.events if isinstance(body, StateChanged)]
        self.must(states[0] is TaskState.SUBMITTED, f"{label}: begins as {states[0]}")
        self.must(TaskState.SUBMITTED not in states[1:], f"{label}: is submitted twice")
        self.must(not any(state.terminal for state in states[:-1]), f"{label}: more than one end")
        last = row.events[-1]
        ended = isinstance(last, StateChanged) and last.state.terminal
        self.must(ended == states[-1].terminal != row.open, f"{label}: an end that is not the last event")
        told: Counter[str] = Counter()
        for body, (_, _, scope, _) in zip(row.events, row.log, strict=True):
            if isinstance(body, StateChanged):
                continue
            text = body.text if isinstance(body, Progress) else body.artifact.parts[0].text
            self.must(text == f"{scope}|{told[str(scope)]}", f"{label}: {text!r} in place of {scope}|{told[str(scope)]}")
            told[str(scope)] += 1
        due = all_told(job.program, Place(""), Counter())
        self.must(told <= due, f"{label}: told more than it has to tell")
        self.must(all(int(v) in job.executed[p] for p, v in row.steps.items()), f"{label}: a value that no step had")
        self.must(
            all(row.steps.get(path) == str(value) for path, value in job.returned.items()) or job.id is None,
            f"{label}: a value that was given is not recorded",
        )
        if row.open:
            job.cancel |= row.cancel
            waiting = row.waiting
            wanted = [TaskState.INPUT_REQUIRED] if waiting else [TaskState.SUBMITTED, TaskState.WORKING]
            self.must(states[-1] in wanted, f"{label}: is {states[-1]} with {waiting} open")
            question = next(body.question for body in reversed(row.events) if isinstance(body, StateChanged))
            self.must(not waiting or question.request_id == waiting[0], f"{label}: tells another question than the first")
        else:
            self._check_end(job, last, told, due)
        for rid, (text, answer, expired) in row.questions.items():
            given = None if answer is None else json.loads(answer)["value"]
            self.must(given is None or given in job.offered[rid], f"{label}: {rid} has an answer that nobody gave")
            self.must(not (answer and expired), f"{label}: {rid} is answered and expired")
            seen = job.outcomes.get(text)
            self.must(seen is None or seen == ("expired" if expired else given), f"{label}: was given another answer to {rid}")

    def _check_end(self, job: Job, end: StateChanged, told: Counter[str], due: Counter[str]) -> None:
        if job.cancel:
            self.must(end.state is TaskState.CANCELED, f"{job.label}: a cancel was accepted, and it ends as {end.state}")
        elif end.error is not None and end.error.code == "deadline_exceeded":
            self.must(job.skill == "timed", f"{job.label}: has no deadline, and exceeded it")
        elif end.state is not TaskState.CANCELED:
            wanted = job.program[-1].state if job.complete else None
            self.must(end.state is wanted, f"{job.label}: ends as {end.state} ({end.error}), not as {wanted}")
            self.must(told == due, f"{job.label}: ends with {due - told} not told")
            self.must(end.result == ({"label": job.label} if wanted is TaskState.COMPLETED else None), "another's result")

    def _check_call(self, call: Call) -> None:
        job = call.job
        if call.task.cancelled():
            return
        error = call.task.exception()
        if isinstance(error, Unavailable):
            self.must(call.excused, f"{call.kind}: {error}")
            if job is not None and call.kind in ("submit", "run") and not call.node.draining:
                job.never = job not in self.keys.values()  # or another submit of it may have been accepted
            return
        match call.kind:
            case "submit" | "run" if error is None and job is not None:
                self._check_handle(job, call.task.result(), stored=call.kind == "submit" or call.given)
            case "reuse":
                self.must(isinstance(error, KeyReused), "another input was accepted under the same key")
            case "cancel" if job is not None:
                assert job.row
                if error is None:
                    self.must(call.task.result().state is TaskState.CANCELED, f"{job.label}: canceled, and it goes on")
                else:
                    self.must(isinstance(error, TaskFinished), f"cancel: {error!r}")
                self.must(
                    (error is None) == (job.row.events[-1].state is TaskState.CANCELED), f"{job.label}: cancel says {error!r}"
                )
            case "answer" if job is not None:
                self._check_answer(job, *call.given, error)
            case "follow":
                self._check_follower(call)
                self.must(error is None and call.got[-1].final, f"a follower ends without the end: {error!r}")
            case "tick":
                self.must(error is None, f"the engine's own work ends with {error!r}")
            case _:
                self.must(False, f"{call.kind}: {error!r}")

    def _check_handle(self, job: Job, task: Task, stored: bool) -> None:
        if job.row is None and not stored:
            end = job.program[-1] if job.complete else None
            told = all_told(job.program, Place(""), Counter())
            self.must(isinstance(end, End) and task.state is end.state, f"{job.label}: ran in memory to {task.state}")
            self.must(task.last_seq == 3 + told.total(), f"{job.label}: ran in memory to event {task.last_seq}")
            job.never = True
            return
        self.must(job.id in (None, task.id), f"{job.label}: the same key gave another task")
        job.id = task.id

    def _check_answer(self, job: Job, request_id: str, value: int, error: BaseException | None) -> None:
        assert job.row
        text, answer, expired = job.row.questions.get(request_id, (None, None, False))
        match error:
            case None:
                self.must(answer is not None, f"{job.label}: an answer to {request_id} was accepted, and is not stored")
            case InvalidInput():
                self.must(value < 0, f"{job.label}: {value} was refused")
            case NotWaiting():
                self.must(text is None or expired, f"{job.label}: {request_id} was refused, and it is open")
            case TaskFinished():
                self.must(not job.row.open and answer is None, f"{job.label}: {request_id} was refused as finished")
            case _:
                self.must(False, f"answer: {error!r}")

    def _check_follower(self, call: Call) -> None:
        assert call.job is not None
        assert call.job.row is not None
        seen = [(event.seq, event.body) for event in call.got]
        log = [(seq, BODY.validate_json(body)) for seq, _, _, body in call.job.row.log]
        self.must(seen == log[: len(seen)], f"{call.job.label}: a follower is told something else than the log")

    async def _check_seam(self, node: Node) -> None:
        """What a client is told of each task is what its log says."""
        for job in self.jobs:
            if (row := job.row) is None:
                continue
            states = [body for body in row.events if isinstance(body, StateChanged)]
            progress = [body for body in row.events if isinstance(body, Progress)]
            artifacts: dict[str, tuple[Any, ...]] = {}
            for chunk in (body.artifact for body in row.events if isinstance(body, ArtifactEmitted)):
                artifacts[chunk.name] = (artifacts.get(chunk.name, ()) if chunk.append else ()) + chunk.parts
            task, questions = await node.engine.get(row.id), await node.engine.questions(row.id)
            self.must(
                (task.state, task.result, task.error, task.question, task.progress, task.last_seq)
                == (*(getattr(states[-1], name) for name in ("state", "result", "error", "question")),
                    progress[-1] if progress else None, row.last_seq),
                f"{job.label}: get() and its log differ",
            )  # fmt: skip
            self.must({a.name: a.parts for a in task.artifacts} == artifacts, f"{job.label}: its artifacts and its log differ")
            self.must([q.request_id for q in questions] == row.waiting, f"{job.label}: questions() says {questions}")

    # The end: everyone is let go on, and everything must end.

    def teardown(self) -> None:
        try:
            if hasattr(self, "db"):
                assert not self.violations, "; ".join(self.violations)
                self._let_everything_end()
        finally:
            self._clean_up()

    def _let_everything_end(self) -> None:
        for node in self.nodes:
            node.queue.open()
            self.do()
        if all(node.draining for node in self.nodes):
            self.do(self._start())
        before, still = None, 0
        for _ in range(500):
            if still == 12:  # by now every lease has run out
                break
            for job in self.jobs:
                if not job.complete:
                    self._feed(job, [End(TaskState.COMPLETED)])
                for key in sorted(job.blocked):
                    self._unblock(job, key)
            self.do()
            healthy = next(node for node in self.nodes if not node.draining)
            for job in self.jobs:
                for rid in job.row.waiting if job.row else ():
                    self._answer(healthy, job, rid, 1)
            for node in [*self.nodes]:
                self._tick(node)
            if not self.calls and all(job.row is None or not job.row.open for job in self.jobs):
                break
            self.clock.now += 4
            self.do()
            now = [(job.row, len(job.opened)) for job in self.jobs], len(self.calls)
            before, still = now, still + 1 if before == now else 0
        hung = [(call.kind, call.job and call.job.label) for call in self.calls]
        left = [job.label for job in self.jobs if job.row is not None and job.row.open]
        assert not left, f"tasks that never end: {left}; {hung}"
        assert not hung, f"callers that are never told: {hung}"

    def _clean_up(self) -> None:
        async def clean() -> None:
            for node in [*self.nodes]:
                if not node.closed:
                    await self._crash(node, 0)
            while others := asyncio.all_tasks() - {asyncio.current_task()}:  # what is cancelled may begin something
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)

        for job in self.jobs:
            job.opened |= job.blocked
        with self.stack:
            self.stack.callback(self.loop.close)
            self.loop.run_until_complete(clean())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
