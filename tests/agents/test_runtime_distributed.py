"""Servers and workers on one Postgres, as processes of their own, and what is done to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sametask.agents import Agent, Event, Limits, Roster, TaskContext, TaskState
from sametask.agents.errors import ConnectionLost, InvalidInput, SametaskError, TaskFinished, Unavailable
from sametask.agents.events import ArtifactEmitted, Progress, StateChanged
from sametask.agents.runtime import check_engine, open_engine
from sametask.agents.runtime.distributed import schema
from sametask.agents.runtime.distributed.log import Db
from sametask.agents.runtime.distributed.store import Store
from sametask.protocols.client import ClientSettings
from sametask.protocols.server_process import ServerOptions, ServerProcess, server_process
from sametask.protocols.variants import variants

from . import postgres
from .conftest import behind
from .opening import opened_at
from .voyager import Trip, agent

VOYAGER = str(Path(__file__).with_name("voyager.py"))
QUICK = "lease_s=1.5&beat_s=0.2"
PATIENT = ClientSettings()
HASTY = ClientSettings(connect_timeout_s=2.0, request_timeout_s=6.0, idle_timeout_s=2.0)
pytestmark = [pytest.mark.slow, pytest.mark.distributed]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def serving(url: str) -> contextlib.AbstractAsyncContextManager[ServerProcess]:
    return server_process(ServerOptions((variants()["rest"],), f"{url}?{QUICK}", (VOYAGER,)))


@asynccontextmanager
async def servers(url: str, count: int) -> AsyncGenerator[list[ServerProcess]]:
    async with AsyncExitStack() as stack:
        started = await asyncio.gather(*(stack.enter_async_context(serving(url)) for _ in range(count)))
        try:
            yield started
        finally:
            for server in started:  # one that is stopped cannot be asked to drain
                with contextlib.suppress(ProcessLookupError):
                    server.process.send_signal(signal.SIGCONT)


def client(server: ServerProcess, settings: ClientSettings = PATIENT) -> Any:
    return variants()["rest"].connect()(server.endpoints["rest"].url, settings)


async def followed(server: ServerProcess, task_id: str, after: int = 0) -> list[Event]:
    async with client(server) as there:
        return [event async for event in there.events(task_id, after)]


async def lines(ledger: Path, enough: Callable[[list[list[str]]], bool]) -> list[list[str]]:
    """What the ledger says, once it says enough."""
    async with asyncio.timeout(60):
        while True:
            if enough(found := read(ledger)):
                return found
            await asyncio.sleep(0.02)


def read(ledger: Path) -> list[list[str]]:
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def is_whole(events: list[Event], stops: int) -> None:
    """Nothing lost, nothing twice, nothing out of order."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    states = [event.body.state for event in events if isinstance(event.body, StateChanged)]
    assert states == [TaskState.SUBMITTED, TaskState.WORKING, TaskState.COMPLETED]
    told = [event.body.done for event in events if isinstance(event.body, Progress)]
    expected = [stop + part for stop in range(stops) for part in (0.25, 0.5)] + [*range(0, stops, 2)]
    assert Counter(told) == Counter(expected)
    for stop in range(stops):
        assert told.index(stop + 0.25) < told.index(stop + 0.5)
    diary = [event.body.artifact.parts[0].text for event in events if isinstance(event.body, ArtifactEmitted)]
    assert diary == [str(stop) for stop in range(0, stops, 2)]


async def test_any_server_answers_for_any_task(url, ledger):
    trip = {"name": "t", "ledger": str(ledger)}
    async with servers(url, 3) as (a, b, c), client(a) as on_a, client(c) as on_c:
        task = await on_a.submit("voyager", "cross", trip)
        assert (await followed(b, task.id))[-1].state is TaskState.INPUT_REQUIRED
        await on_a.answer(task.id, "q1", {"ok": True})
        asked = await on_c.wait(task.id)
        assert asked.question.request_id == "q2"
        await on_c.answer(task.id, "q2", {"ok": False})
        events = await followed(b, task.id)
        assert [event.state for event in events[-2:]] == ["working", "completed"]
        assert (await on_a.get(task.id)).result == events[-1].body.result

        circling = await on_a.submit("voyager", "circle", trip)
        stream = asyncio.create_task(followed(b, circling.id))
        await lines(ledger, lambda found: any("circling" in line for line in found))
        await on_c.cancel(circling.id)
        assert (await stream)[-1].state is TaskState.CANCELED
        await lines(ledger, lambda found: any("stopped" in line for line in found))


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
async def test_when_the_server_that_runs_it_goes_another_carries_on_and_streams_elsewhere_too(url, ledger, fate):
    async with servers(url, 2) as pair:
        async with client(pair[0]) as there:
            trip = {"name": "t", "ledger": str(ledger), "stops": 40, "pause_s": 0.1}
            task = await there.submit("voyager", "travel", trip)
        found = await lines(ledger, lambda found: len(found) >= 4)
        runs, other = sorted(pair, key=lambda server: str(server.pid) != found[0][3])
        async with client(other) as there:
            events: list[Event] = []
            async with asyncio.timeout(60):
                async for event in there.events(task.id):
                    if len(events) == 3:
                        runs.process.send_signal(fate)
                    events.append(event)
        is_whole(events, 40)
        executed = read(ledger)
        if fate == signal.SIGSTOP:  # it may do no harm now: another task on it comes after whatever it still had to do
            runs.process.send_signal(signal.SIGCONT)
            async with client(runs) as there:
                more = await there.submit("voyager", "travel", {"name": "u", "ledger": str(ledger), "stops": 2})
                assert (await there.wait(more.id)).state is TaskState.COMPLETED
        assert await followed(other, task.id) == events
        assert len({line[3] for line in executed}) == 2


class Fleet:
    """Three servers, one of which may be gone, or stand still."""

    def __init__(self, url: str, seed: int, database: postgres.Private | None = None) -> None:
        self.url, self.chance, self._database = url, random.Random(seed), database
        self.up: dict[int, ServerProcess] = {}
        self.done = asyncio.Event()
        self.faults: list[str] = []

    async def keep(self, place: int) -> None:
        """A server in this place: when it ends, the next one."""
        while not self.done.is_set():
            # While Postgres is down a server does not start: it says so, and ends.
            with contextlib.suppress(Unavailable):
                await self._serve(place)

    async def _serve(self, place: int) -> None:
        async with serving(self.url) as server:
            self.up[place] = server
            ended = [asyncio.create_task(server.process.wait()), asyncio.create_task(self.done.wait())]
            await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
            for each in ended:
                each.cancel()
            del self.up[place]

    async def harm(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(self.chance.uniform(0.3, 1.2))
            while len(self.up) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            victim = self.chance.choice(list(self.up.values()))
            fault = self.chance.choice(["kill", "kill", "pause", "stall"])
            self.faults.append(fault)
            if self._database is not None and len(self.faults) in (2, 5):
                self.faults[-1] = self.chance.choice(["fast", "immediate"])
                await self._database.restart(self.faults[-1])
            elif fault == "kill":
                victim.process.kill()
                await victim.process.wait()
            else:  # shorter, and longer, than its lease
                victim.process.send_signal(signal.SIGSTOP)
                await asyncio.sleep(0.4 if fault == "pause" else 3.0)
                victim.process.send_signal(signal.SIGCONT)

    async def ask(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        """What one of the servers says, whichever can."""
        while True:
            if self.up:
                server = self.chance.choice(list(self.up.values()))
                with contextlib.suppress(ConnectionLost, Unavailable):
                    async with client(server, HASTY) as there:
                        return await call(there)
            await asyncio.sleep(0.05)

    async def see_through(self, skill: str, trip: dict[str, Any]) -> list[Event]:
        """One task from its submit to its end, by a client that moves from server to server."""
        task = await self.ask(lambda there: there.submit("voyager", skill, trip, key=trip["name"]))
        events: list[Event] = []
        while not (events and events[-1].final):
            after = len(events)
            events += await self.ask(lambda there, after=after: self._some(there, task.id, after))
            if skill == "circle" and len(events) > 3:
                with contextlib.suppress(TaskFinished):
                    await self.ask(lambda there: there.cancel(task.id))
            elif events and events[-1].state is TaskState.INPUT_REQUIRED:
                asked = events[-1].body.question.request_id
                await self.ask(lambda there, asked=asked: there.answer(task.id, asked, {"ok": True}))
        return events

    async def _some(self, there: Any, task_id: str, after: int) -> list[Event]:
        found: list[Event] = []
        with contextlib.suppress(ConnectionLost, Unavailable):
            async with contextlib.aclosing(there.events(task_id, after)) as stream:
                async for event in stream:
                    found.append(event)
                    if len(found) > 40 or (len(found) > 5 and self.chance.random() < 0.05):
                        break
        return found


async def test_servers_that_die_and_stand_still_lose_repeat_and_reorder_nothing(url, ledger):
    await storm(Fleet(url, 1), ledger, 8)


@pytest.mark.parametrize("seed", [2, 3])
async def test_nor_do_they_when_postgres_is_restarted_and_crashes_under_them(ledger, seed):
    async with postgres.private() as database:
        await storm(Fleet(database.url, seed, database), ledger, 6)


async def storm(fleet: Fleet, ledger: Path, harm_count: int) -> None:
    stops = 24
    trips = [("travel", f"travel-{n}") for n in range(8)]
    trips += [("cross", f"cross-{n}") for n in range(4)] + [("circle", f"circle-{n}") for n in range(3)]
    async with asyncio.timeout(150), asyncio.TaskGroup() as group:
        for place in range(3):
            group.create_task(fleet.keep(place))
        harm = group.create_task(fleet.harm(harm_count))
        tasks = {
            name: group.create_task(
                fleet.see_through(skill, {"name": name, "ledger": str(ledger), "stops": stops, "pause_s": 0.25})
            )
            for skill, name in trips
        }
        await harm
        logs = {name: await task for name, task in tasks.items()}
        fleet.done.set()
    executed = read(ledger)
    tokens = {(name, stop): [line[2] for line in executed if line[:2] == [name, stop]] for name, stop, *_ in executed}
    with behind(fleet.url) as db:
        stored = db.execute("SELECT t.key, e.seq FROM tasks t JOIN events e ON e.task = t.n ORDER BY t.n, e.seq").fetchall()
        assert db.execute("SELECT COUNT(*) FROM tasks WHERE open OR owner IS NOT NULL").fetchone() == (0,)
        assert db.execute("SELECT COUNT(*) FROM steps").fetchone() == (8 * stops + 4,)
    for name, events in logs.items():
        assert [event.seq for event in events] == [seq for key, seq in stored if key == name]
        if name.startswith("travel"):
            is_whole(events, stops)
            visits = events[-1].body.result["visits"]
            assert all(visit in tokens[name, str(stop)] for stop, visit in enumerate(visits))
        elif name.startswith("cross"):
            states = [event.state for event in events]
            assert states == ["submitted", "working", "input_required", "working", "input_required", "working", "completed"]
        else:
            assert events[-1].state is TaskState.CANCELED
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert len(fleet.faults) == harm_count


@asynccontextmanager
async def worker(
    url: str, *, files: tuple[str, ...] = (VOYAGER,), started_by: tuple[str, ...] = ("-m", "sametask.console.main")
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`sametask worker`, once it says that it works."""
    line = [sys.executable, "-P", *started_by, "worker", *files, "--engine", url]
    process = await asyncio.create_subprocess_exec(*line, stderr=asyncio.subprocess.PIPE)
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            said = (await process.stderr.readline()).decode()
        assert said.startswith("working (process "), said
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        _, rest = await process.communicate()
        assert rest.decode() == "draining; unfinished tasks go on in other processes\n"
        assert process.returncode == 0


async def test_workers_share_the_tasks_and_keep_a_skills_limit_among_them(url, ledger, follow):
    async with worker(url), worker(url), opened_at(url, agent) as engine:
        for n in range(12):
            trip = Trip(name=f"t{n}", ledger=str(ledger), pause_s=0.2)
            last = await engine.submit(agent.skills["lane"], trip)
        for task in await engine.list():
            assert (await follow(engine, task.id))[-1].state is TaskState.COMPLETED
        assert last.state is TaskState.SUBMITTED
    running, most = 0, 0
    found = read(ledger)
    for _, what, *_ in found:
        running += 1 if what == "begin" else -1
        most = max(most, running)
    assert most == 2
    assert len(found) == 24


WATCHED = """
import json, os, sys
seen = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        address = args[:2] if event == "socket.getaddrinfo" else args[1]
        os.write(seen, (json.dumps([event, address]) + "\\n").encode())
sys.addaudithook(note)
sys.modules["uvloop"] = None  # its connections would be C's
from sametask.console.main import main
main()
"""
CALLER = """
import asyncio
from sametask.agents import Agent, TaskContext
agent = Agent("caller", description="connects to where it is told")
@agent.skill
async def connect(port: int, task: TaskContext) -> int:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return port
"""


async def test_nothing_leaves_a_worker_but_to_postgres(url, tmp_path: Path):
    """What Python connects to, looks up or sends to: libpq's own connections are C's, and go where the engine's URL says."""
    seen, called = tmp_path / "seen", asyncio.Event()
    (tmp_path / "caller.py").write_text(CALLER)
    idle = Agent("caller", description="takes one of the tasks, so that others go to the worker")

    @idle.skill
    async def connect(port: int, task: TaskContext) -> int:
        await asyncio.Event().wait()
        return port

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        called.set()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        watched = worker(url, files=(str(tmp_path / "caller.py"),), started_by=("-c", WATCHED, str(seen)))
        async with watched, opened_at(url, idle, running=1) as engine:
            for _ in range(3):
                await engine.submit(idle.skills["connect"], idle.skills["connect"].parse({"port": port}))
            async with asyncio.timeout(60):
                await called.wait()
    noted = [json.loads(line) for line in seen.read_text().splitlines()]
    connected = [address for event, address in noted if event == "socket.connect"]
    assert ["127.0.0.1", port] in connected, "what an agent does is seen"
    database = psycopg.conninfo.conninfo_to_dict(url)
    hosts = {"127.0.0.1", "localhost", str(database["host"])}
    allowed = {port, int(database.get("port") or 5432)}
    for _, address in noted:
        assert isinstance(address, str) or (address[0] in hosts and int(address[1]) in allowed), address


async def test_events_are_stored_in_batches_and_a_resume_finds_its_place_inside_one(url, follow, look):
    clerk = Agent("clerk", description="")

    @clerk.skill(long=True)
    async def tell(count: int, task: TaskContext) -> int:
        for n in range(count):
            await task.progress(n + 1, count)
        return count

    async with opened_at(url, clerk) as engine:
        task = await engine.submit(clerk.skills["tell"], clerk.skills["tell"].parse({"count": 200}))
        events = await follow(engine, task.id)
        ((transactions, rows),) = look("SELECT COUNT(DISTINCT xmin::text), COUNT(*) FROM events")
        assert rows == len(events) == 203
        assert transactions < rows / 10
        (batch,) = look("SELECT MIN(seq), MAX(seq) FROM events GROUP BY xmin::text ORDER BY COUNT(*) DESC LIMIT 1")
        assert batch[1] - batch[0] > 10
        for after in range(batch[0], batch[1]):
            assert await follow(engine, task.id, after) == events[after:]


async def test_a_worker_that_drains_gives_back_what_it_runs(url, ledger, follow):
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(worker(url))
        async with opened_at(url, Agent("bystander", description=""), agent, running=1) as engine:
            trip = Trip(name="t", ledger=str(ledger), stops=20, pause_s=0.2)
            task = await engine.submit(agent.skills["travel"], trip)
            await lines(ledger, lambda found: len(found) >= 2)
            first.terminate()
            events = await follow(engine, task.id)
    is_whole(events, 20)


async def test_of_those_that_wait_the_lowest_priority_begins_first(url, follow):
    begun: list[str] = []
    gate = asyncio.Event()
    clerk = Agent("clerk", description="")

    @clerk.skill
    async def block(name: str, task: TaskContext) -> str:
        begun.append(name)
        await gate.wait()
        return name

    @clerk.skill(limits=Limits(priority=5))
    async def urgent(name: str, task: TaskContext) -> str:
        begun.append(name)
        return name

    @clerk.skill(long=True)
    async def usual(name: str) -> str:
        begun.append(name)
        return name

    async with opened_at(url, clerk, running=1) as engine:

        async def submit(skill: str, name: str) -> str:
            made = clerk.skills[skill]
            return (await engine.submit(made, made.parse({"name": name}))).id

        first = await submit("block", "first")
        await follow(engine, first, until=lambda event: event.state is TaskState.WORKING)
        waiting = [await submit("usual", f"usual {n}") for n in range(3)]
        waiting += [await submit("urgent", f"urgent {n}") for n in range(3)]
        gate.set()
        for task_id in waiting:
            await follow(engine, task_id)
    assert begun == ["first", "urgent 0", "urgent 1", "urgent 2", "usual 0", "usual 1", "usual 2"]


async def test_no_more_begin_in_a_period_than_the_limit_says_and_all_that_is_stored_is_json(url, follow, look):
    clerk = Agent("clerk", description="")

    @clerk.skill(limits=Limits(starts=2, per_s=1.5), long=True)
    async def write(text: str) -> str:
        return text

    async with opened_at(url, clerk) as engine:
        skill = clerk.skills["write"]
        tasks = [await engine.submit(skill, skill.parse({"text": str(n)})) for n in range(5)]
        for task in tasks:
            await follow(engine, task.id)
    rows = look(
        "SELECT s.started_at_epoch_ms, s.serialization, s.application_version, i.inputs, o.output"
        " FROM sametask_dbos.workflow_status s JOIN sametask_dbos.workflow_input i USING (workflow_uuid)"
        " LEFT JOIN sametask_dbos.workflow_output o USING (workflow_uuid) ORDER BY s.started_at_epoch_ms"
    )
    begun = [row[0] for row in rows]
    assert all(begun[n + 2] - begun[n] >= 1490 for n in range(3))
    assert {row[1] for row in rows} == {"portable_json"}
    assert {row[2] for row in rows} == {schema.APPLICATION_VERSION} == {"sametask-1"}
    for row in rows:
        assert json.loads(row[3])["positionalArgs"][2:] == ["clerk", "write"]
        assert row[4] is None or json.loads(row[4]) is None


async def test_a_question_leaves_its_place_in_the_queue_to_others(url, follow, ledger):
    async with opened_at(url, agent, running=1) as engine:
        asks = [await engine.submit(agent.skills["cross"], Trip(name=str(n), ledger=str(ledger))) for n in range(3)]
        for task in asks:
            await follow(engine, task.id, until=lambda event: event.state is TaskState.INPUT_REQUIRED)


async def test_a_database_of_a_newer_release_is_refused_and_one_that_an_older_one_uses_is_not_touched(url, look, monkeypatch):
    async with opened_at(url, agent):
        monkeypatch.setattr(schema, "SCHEMA_VERSION", 2)
        monkeypatch.setitem(schema.MIGRATIONS, 2, "ALTER TABLE sametask.about ADD COLUMN more TEXT")
        with pytest.raises(Unavailable, match="in use by 1 processes of an earlier release; accepted: once those have stopped"):
            check_engine(url)
        assert look("SELECT version FROM about") == [(1,)]
    check_engine(url)
    assert look("SELECT version, more FROM about") == [(2, None)]
    monkeypatch.undo()
    with pytest.raises(Unavailable, match="has schema version 2, made by a newer release; accepted: up to 1"):
        check_engine(url)


async def test_engines_of_one_process_share_its_dbos_but_not_over_two_databases(url, prepared, follow):
    other, there = Agent("other", description=""), asyncio.Event()

    @other.skill
    async def wait(text: str, task: TaskContext) -> str:
        await task.progress(1)
        await there.wait()
        return text

    async def begun(engine: Any) -> str:
        handle = await engine.submit(other.skills["wait"], other.skills["wait"].parse({"text": "x"}))
        await follow(engine, handle.id, until=lambda event: isinstance(event.body, Progress))
        return handle.id

    async with opened_at(url, other) as first:
        running = await begun(first)
        with postgres.database(prepared) as elsewhere, pytest.raises(InvalidInput, match="one database per process"):
            async with opened_at(elsewhere, agent):
                pass
        async with opened_at(url, agent), opened_at(url, Agent("bystander", description="")) as last:
            # What was running when DBOS began to look into more queues still is.
            tasks = [running, await begun(first)]
            there.set()
            for task_id in tasks:
                events = await follow(last, task_id)
                assert [event.state for event in events] == ["submitted", "working", None, "completed"]


async def test_a_run_that_a_draining_engine_was_given_goes_to_one_that_comes_after_it(url, follow):
    there, runs = asyncio.Event(), []

    crew = Agent("crew", description="")

    @crew.skill(long=True)
    async def row(times: int) -> int:
        runs.append(times)
        there.set()
        if len(runs) == 1:
            await asyncio.Event().wait()
        return len(runs)

    skill = crew.skills["row"]
    async with opened_at(url, crew) as drained:
        handle = await drained.submit(skill, skill.parse({"times": 1}))
        await asyncio.wait_for(there.wait(), 20)
        await drained.drain()
        async with asyncio.timeout(20):
            while f"{handle.id}.2" not in drained._dispatcher._running:  # noqa: ASYNC110 - it is DBOS's thread that takes it
                await asyncio.sleep(0.01)
        async with opened_at(url, crew) as other:
            assert (await follow(other, handle.id))[-1].body.result == {"result": 2}


async def test_a_cancel_that_comes_together_with_a_connection_is_a_cancel(url):
    """What is cancelled once, at a shutdown, would otherwise go on for ever, and the shutdown wait for it."""
    store = Store(schema.place_of(url), "nobody", size=1, patience_s=5.0)
    await store.open()
    try:
        for pause in range(20):  # among them is the moment in which the waiter has its connection and has not gone on
            async with store.connection():
                waiting = asyncio.create_task(store.read(select_one))
                while not store._pool.get_stats().get("requests_waiting"):  # noqa: ASYNC110 - the pool sets no event
                    await asyncio.sleep(0)
            for _ in range(pause):
                await asyncio.sleep(0)
            if waiting.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await waiting
    finally:
        await store.close()


async def select_one(db: Db) -> None:
    await db.execute("SELECT 1")


async def test_one_that_stopped_in_the_middle_of_a_pipeline_keeps_its_tasks_from_nobody(url, ledger):
    """Its statements are sent and their end is not, so that Postgres takes the session for one that works, without a limit."""

    async def canceled_meanwhile(session: psycopg.AsyncConnection[Any]) -> None:
        async with session, session.pipeline():
            await session.execute("UPDATE tasks SET updated_at = updated_at")
            session.pgconn.send_flush_request()
            assert session.pgconn.flush() == 0
            async with opened_at(url, Agent("bystander", description="")) as other, asyncio.timeout(20):
                assert (await other.cancel(task.id)).state is TaskState.CANCELED

    async with opened_at(url, agent, beat_s=3600.0, lease_s=0.5) as stands_still:
        task = await stands_still.submit(agent.skills["circle"], Trip(name="t", ledger=str(ledger)))
        await lines(ledger, lambda found: len(found) == 1)
        session = await psycopg.AsyncConnection.connect(schema.place_of(url).session_of(stands_still._me))
        with pytest.raises(psycopg.OperationalError, match=r"lost|closed|terminating"):
            await canceled_meanwhile(session)


async def test_a_server_that_is_not_there_is_one_line_without_the_password():
    address = "postgresql://me:secret@127.0.0.1:1/tasks"
    with pytest.raises(Unavailable, match=r"store: postgresql://me@127.0.0.1:1/tasks cannot be used") as refused:
        async with open_engine(address, Roster([agent])):
            pass
    assert "secret" not in str(refused.value.to_json())
    with pytest.raises(InvalidInput, match="postgresql://USER@HOST:PORT/DATABASE is accepted") as refused:
        check_engine("postgresql://me:secret@host/tasks?colour=red")
    assert "secret" not in str(refused.value.to_json())
    with pytest.raises(InvalidInput, match="lease_s: a number of seconds") as refused:
        check_engine(f"{address}?lease_s=soon")
    assert "secret" not in str(refused.value.to_json())


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"accepted: after pip install sametask\[distributed\]"):
        open_engine("postgresql://localhost/tasks", Roster([]))
    with pytest.raises(SametaskError, match=r"pip install sametask\[distributed\]"):
        check_engine("postgres://localhost/tasks")
