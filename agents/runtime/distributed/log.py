"""What is written about tasks, and how it is read back: each function is one statement, or one transaction's work.

The log is the truth, as in the embedded engine. Every write of a runner names the epoch in which the task was given to it. A
task that is set free gets a new epoch and, in the same transaction, a new *run* in DBOS's queue (`dbos.enqueue_workflow`, its
documented SQL function): so a task that is open is either some worker's or on its way to one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import AsyncConnection

from ...errors import KeyReused, NotWaiting, TaskFinished, UnknownTask
from ...events import BODY, ArtifactEmitted, Event, OpenQuestion, StateChanged, Task, TaskState
from ..artifacts import merged
from ..journal import Asked, Attempts, Claim, Fenced, Past
from ..rows import TASK_COLUMNS, TASK_FROM, task_of
from ..submission import Submission

Db = AsyncConnection[tuple[Any, ...]]

PAGE_COUNT = 256
PAGE_BYTES = 2**20

CANCELED = StateChanged(state=TaskState.CANCELED).model_dump_json()

_ENQUEUE: LiteralString = """sametask_dbos.enqueue_workflow(
    workflow_name => 'run_task', queue_name => f.queue, workflow_id => f.id || '.' || f.epoch, priority => f.priority,
    positional_args => ARRAY[to_json(f.n), to_json(f.epoch), to_json(f.agent), to_json(f.skill)],
    delay_until_epoch_ms => {delay}, application_name => 'sametask')"""
_ENQUEUE_NOW: LiteralString = _ENQUEUE.replace("{delay}", "NULL")
_ENQUEUE_LATER: LiteralString = _ENQUEUE.replace("{delay}", "(extract(epoch FROM clock_timestamp()) * 1000)::bigint + 1000")


@dataclass(frozen=True, slots=True)
class Taken:
    """A task that was given to this process to run, in `epoch`. `state` is where the last run left it."""

    n: int
    epoch: int
    state: str
    claim: Claim


_SUBMIT: LiteralString = f"""
WITH f AS (
    INSERT INTO tasks(id, agent, skill, queue, priority, key, digest, origin, created_at, updated_at, deadline_at, epoch,
        state, state_seq, last_seq)
    VALUES(%(id)s, %(agent)s, %(skill)s, %(queue)s, %(priority)s, %(key)s, %(digest)s, %(origin)s, %(at)s, %(at)s,
        %(deadline_at)s, 1, 'submitted', 1, 1)
    ON CONFLICT DO NOTHING RETURNING n, id, agent, skill, queue, priority, epoch),
i AS (INSERT INTO inputs SELECT n, %(input)s FROM f),
e AS (INSERT INTO events SELECT n, 1, %(at)s, 'state', NULL, %(body)s FROM f)
SELECT {_ENQUEUE_NOW} FROM f
"""


async def submit(db: Db, new: Submission, queue: str, priority: int, at: float) -> str:
    """Store a task, and put its first run into that queue. Shape: its id, or that of the task that has the key already."""
    values = {
        "id": new.id, "agent": new.agent, "skill": new.skill, "queue": queue, "priority": priority, "key": new.key,
        "digest": new.digest, "origin": new.origin, "at": at, "input": new.input,
        "deadline_at": None if new.deadline_s is None else at + new.deadline_s,
        "body": StateChanged(state=TaskState.SUBMITTED).model_dump_json(),
    }  # fmt: skip
    while True:
        if await _one(db, _SUBMIT, values) is not None or new.key is None:
            return new.id  # no row: it was stored by an attempt whose answer got lost
        known = await _one(db, "SELECT n, id, digest, open, created_at FROM tasks WHERE key = %s", (new.key,))
        if known is None:
            continue  # its key has just become free
        n, id_, digest, open_, created_at = known
        if id_ == new.id or open_ or at < created_at + new.key_lifetime_s:
            if bytes(digest) != new.digest:
                raise KeyReused(new.key)
            return id_
        await db.execute("UPDATE tasks SET key = NULL, digest = NULL WHERE n = %s AND key = %s", (n, new.key))


# Who runs it.


async def claim(db: Db, n: int, epoch: int, me: str) -> Taken | None:
    """Take the task for its run of that epoch; None where that run is no longer wanted, or `me` has been buried."""
    # The lock is one that a burial waits for, and a beat does not.
    row = await _one(
        db,
        "WITH me AS (SELECT id FROM workers WHERE id = %s FOR KEY SHARE)"
        " UPDATE tasks SET owner = me.id FROM me WHERE n = %s AND epoch = %s AND open"
        " AND (owner IS NULL OR owner = me.id) RETURNING tasks.id, agent, skill, origin, cancel, deadline_at, state",
        (me, n, epoch),
    )
    if row is None:
        return None
    id_, agent, skill, origin, cancel_, deadline_at, state = row
    return Taken(n, epoch, state, Claim(id_, agent, skill, origin, cancel_, deadline_at))


async def put_back(db: Db, n: int, epoch: int) -> None:
    """Nobody here serves the skill of that run: let another worker have it, after a moment."""
    await db.execute(
        "WITH f AS (UPDATE tasks SET epoch = epoch + 1 WHERE n = %s AND epoch = %s AND open AND owner IS NULL"
        f" RETURNING n, id, agent, skill, queue, priority, epoch) SELECT {_ENQUEUE_LATER} FROM f",
        (n, epoch),
    )


async def set_free(db: Db, owner: str, only: Sequence[int] | None = None) -> None:
    """Give up a worker's open tasks (or `only` those), each with a new run; one that was to be canceled ends here."""
    ended = await _all(
        db,
        "UPDATE tasks SET owner = NULL, epoch = epoch + 1 WHERE open AND owner = %(owner)s AND cancel"
        " AND (%(only)s::bigint[] IS NULL OR n = ANY(%(only)s)) RETURNING n, epoch",
        {"owner": owner, "only": only},
    )
    for n, epoch in ended:
        await append_state(db, n, epoch, StateChanged(state=TaskState.CANCELED))
    freed = await _all(
        db,
        "WITH f AS (UPDATE tasks SET owner = NULL, epoch = epoch + 1 WHERE open AND owner = %(owner)s AND NOT cancel"
        " AND (%(only)s::bigint[] IS NULL OR n = ANY(%(only)s))"
        f" RETURNING n, id, agent, skill, queue, priority, epoch) SELECT {_ENQUEUE_NOW}, f.n FROM f",
        {"owner": owner, "only": only},
    )
    await notify(db, [n for n, *_ in ended] + [n for *_, n in freed])


async def run_again(db: Db, runs: Iterable[str]) -> None:
    """Runs that DBOS gave to a process which never took the task: make a new run of each that is still wanted."""
    pairs = [run.rpartition(".") for run in runs]
    await db.execute(
        "WITH f AS (UPDATE tasks t SET epoch = t.epoch + 1 FROM unnest(%s::text[], %s::int[]) AS lost(id, epoch)"
        " WHERE t.id = lost.id AND t.epoch = lost.epoch AND t.open AND t.owner IS NULL"
        f" RETURNING t.n, t.id, t.agent, t.skill, t.queue, t.priority, t.epoch) SELECT {_ENQUEUE_NOW} FROM f",
        ([id_ for id_, _, _ in pairs], [int(epoch) for _, _, epoch in pairs]),
    )


async def standing(db: Db, me: str, only: Sequence[int] | None) -> dict[int, tuple[int, bool]]:
    """The open tasks of this worker (or `only` those of these): epoch, and whether a cancel was asked for."""
    found = await _all(
        db,
        "SELECT n, epoch, cancel FROM tasks WHERE open AND owner = %(me)s"
        " AND (%(only)s::bigint[] IS NULL OR n = ANY(%(only)s))",
        {"me": me, "only": only},
    )
    return {n: (epoch, cancel_) for n, epoch, cancel_ in found}


# What a running task writes. Many tasks' writes are one batch, see `writer.py`.


async def append_state(db: Db, n: int, epoch: int, body: StateChanged) -> None:
    """Raises: Fenced."""
    ended = body.state.terminal
    row = await _one(
        db,
        "WITH t AS (UPDATE tasks SET last_seq = last_seq + 1, state_seq = last_seq + 1, state = %s, updated_at = %s,"
        " open = %s, owner = CASE WHEN %s THEN NULL ELSE owner END WHERE n = %s AND epoch = %s AND open"
        " RETURNING n, last_seq, updated_at)"
        " INSERT INTO events SELECT n, last_seq, updated_at, 'state', NULL, %s FROM t RETURNING seq",
        (body.state.value, time.time(), not ended, ended, n, epoch, body.model_dump_json()),
    )
    if row is None:
        raise Fenced


async def ask(db: Db, n: int, epoch: int, *, path: str, text: str, schema: dict[str, Any], expires_at: float | None) -> Asked:
    """Ask the question of that path, or find that it was asked before. While others are open it waits its turn to be told:
    the log tells the first of them. Raises: Fenced.
    """
    await _lock(db, n, epoch)
    known = await _one(db, "SELECT request_id FROM questions WHERE task = %s AND path = %s", (n, path))
    if known is not None:
        return await asked(db, n, known[0])
    row = await _one(db, "SELECT COUNT(*) FROM questions WHERE task = %s", (n,))
    question = OpenQuestion(request_id=f"q{(row or (0,))[0] + 1}", text=text, answer_schema=schema)
    others = await open_questions(db, n)
    await db.execute(
        "INSERT INTO questions(task, request_id, path, body, expires_at) VALUES(%s, %s, %s, %s, %s)",
        (n, question.request_id, path, question.model_dump_json(), expires_at),
    )
    if not others:
        await append_state(db, n, epoch, StateChanged(state=TaskState.INPUT_REQUIRED, question=question))
    return Asked(question.request_id, expires_at=expires_at)


async def answer(db: Db, n: int, request_id: str, value: str) -> str | None:
    """Store the first answer to a question that was asked; a later one changes nothing. Shape: the worker to be woken.

    Raises: UnknownTask, NotWaiting where the question has expired, TaskFinished.
    """
    row = await _one(db, "SELECT id, state, epoch, open, owner FROM tasks WHERE n = %s FOR UPDATE", (n,))
    if row is None:
        raise UnknownTask(str(n))  # it was removed meanwhile
    id_, state, epoch, open_, owner = row
    known = await asked(db, n, request_id)
    if known.answer is not None:
        return None
    if not open_:
        raise TaskFinished(id_, state)
    waiting = await open_questions(db, n)
    if known.expired:
        raise NotWaiting(id_, request_id, waiting[0].request_id if waiting else None)
    await db.execute("UPDATE questions SET answer = %s WHERE task = %s AND request_id = %s", (value, n, request_id))
    await _tell_next_question(db, n, epoch, request_id, waiting[0].request_id)
    return owner


async def expire(db: Db, n: int, epoch: int, request_id: str) -> Asked:
    """Close a question that has waited long enough, unless it was answered first. Raises: Fenced."""
    await _lock(db, n, epoch)
    known = await asked(db, n, request_id)
    if known.answer is None and not known.expired:
        told = (await open_questions(db, n))[0].request_id
        await db.execute("UPDATE questions SET expired = true WHERE task = %s AND request_id = %s", (n, request_id))
        await _tell_next_question(db, n, epoch, request_id, told)
    return await asked(db, n, request_id)


async def _tell_next_question(db: Db, n: int, epoch: int, closed: str, told: str) -> None:
    """The one that was told is closed: tell the next, or that the task works again."""
    if closed == told:
        left = await open_questions(db, n)
        next_one = StateChanged(state=TaskState.INPUT_REQUIRED, question=left[0]) if left else None
        await append_state(db, n, epoch, next_one or StateChanged(state=TaskState.WORKING))


async def cancel(db: Db, n: int) -> str | None:
    """Ask for the task's end. Shape: the worker that is to stop it, None where it is canceled already (nobody ran it).

    Raises: TaskFinished when it ended otherwise, UnknownTask when it was removed.
    """
    row = await _one(db, "SELECT id, state, epoch, open, owner FROM tasks WHERE n = %s FOR UPDATE", (n,))
    if row is None:
        raise UnknownTask(str(n))
    id_, state, epoch, open_, owner = row
    if not open_:
        if state != TaskState.CANCELED:
            raise TaskFinished(id_, state)
        return None
    if owner is None:
        await append_state(db, n, epoch, StateChanged(state=TaskState.CANCELED))
        return None
    await db.execute("UPDATE tasks SET cancel = true WHERE n = %s", (n,))
    return owner


async def cancel_without_runner(db: Db, n: int) -> None:
    """End a task whose runner does not stop; whatever that still writes is fenced."""
    row = await _one(db, "UPDATE tasks SET epoch = epoch + 1 WHERE n = %s AND open RETURNING epoch", (n,))
    if row is not None:
        await append_state(db, n, row[0], StateChanged(state=TaskState.CANCELED))


async def notify(db: Db, numbers: Sequence[int]) -> None:
    """Tell every process that follows, once this commits, that these tasks have changed."""
    for start in range(0, len(numbers), 400):  # a payload is under 8000 bytes
        payload = ",".join(map(str, numbers[start : start + 400]))
        await db.execute("SELECT pg_notify('sametask', %s)", (payload,))


async def _lock(db: Db, n: int, epoch: int) -> None:
    row = await _one(db, "SELECT 1 FROM tasks WHERE n = %s AND epoch = %s AND open FOR UPDATE", (n, epoch))
    if row is None:
        raise Fenced


# Reading; each is bounded.

_TASK: LiteralString = f"SELECT {TASK_COLUMNS} {TASK_FROM} "


async def number(db: Db, task_id: str) -> int:
    """The task's row number. Raises: UnknownTask."""
    row = None if "\0" in task_id else await _one(db, "SELECT n FROM tasks WHERE id = %s", (task_id,))
    if row is None:
        raise UnknownTask(task_id)
    return row[0]


async def task(db: Db, task_id: str) -> Task:
    """The task as it stands, with its artifacts put together. Raises: UnknownTask."""
    row = None if "\0" in task_id else await _one(db, _TASK + "WHERE t.id = %s", (task_id,))
    if row is None:
        raise UnknownTask(task_id)
    chunks = "SELECT body FROM events WHERE task = %s AND kind = 'artifact' AND seq <= %s ORDER BY seq"
    rows = await _all(db, chunks, (row[0], row[6]))
    return task_of(row, merged(ArtifactEmitted.model_validate_json(body).artifact for (body,) in rows))


async def newest(db: Db, limit: int, below: int | None) -> list[Task]:
    """The newest tasks first, without their artifacts; only those older than row number `below`, where it is given."""
    rows = await _all(db, _TASK + "WHERE t.n < %s ORDER BY t.n DESC LIMIT %s", (below or 2**62, limit))
    return [task_of(row) for row in rows]


async def page(db: Db, n: int, after: int) -> list[Event]:
    """The next stored events above `after`: at least one where there is one, and a bounded number of bytes."""
    rows = await _all(
        db,
        "SELECT seq, at, body FROM (SELECT *, SUM(LENGTH(body)) OVER (ORDER BY seq) - LENGTH(body) AS before FROM"
        " (SELECT seq, at, body FROM events WHERE task = %s AND seq > %s ORDER BY seq LIMIT %s) AS few) AS sized"
        " WHERE before <= %s ORDER BY seq",
        (n, after, PAGE_COUNT, PAGE_BYTES),
    )
    return [Event(seq=seq, at=at, body=BODY.validate_json(body)) for seq, at, body in rows]


async def ended(db: Db, task_id: str, after: int) -> bool:
    """True when nothing above `after` is stored and nothing will be. Raises: UnknownTask where it was removed."""
    row = await _one(db, "SELECT open, last_seq FROM tasks WHERE id = %s", (task_id,))
    if row is None:
        raise UnknownTask(task_id)
    return not row[0] and row[1] <= after


async def input_json(db: Db, n: int) -> str:
    row = await _one(db, "SELECT body FROM inputs WHERE task = %s", (n,))
    if row is None:
        raise Fenced
    return row[0]


async def past(db: Db, n: int) -> Past:
    """What earlier runs have recorded and told. A scope tells in order, so a count says which of its events are told."""
    counts = "SELECT scope, COUNT(*) FROM events WHERE task = %s AND scope IS NOT NULL GROUP BY scope"
    steps = await _all(db, "SELECT path, value FROM steps WHERE task = %s", (n,))
    told = await _all(db, counts, (n,))
    failed = await _all(db, "SELECT path, count, next_at FROM attempts WHERE task = %s", (n,))
    return Past(dict(steps), dict(told), {path: Attempts(count, next_at) for path, count, next_at in failed})


async def open_questions(db: Db, n: int) -> list[OpenQuestion]:
    """Those that wait for an answer, in the order in which they were asked."""
    rows = await _all(
        db,
        "SELECT q.body FROM questions q JOIN tasks t ON t.n = q.task AND t.open"
        " WHERE q.task = %s AND q.answer IS NULL AND NOT q.expired ORDER BY LENGTH(q.request_id), q.request_id",
        (n,),
    )
    return [OpenQuestion.model_validate_json(body) for (body,) in rows]


async def asked(db: Db, n: int, request_id: str) -> Asked:
    """The question as it stands. Raises: Fenced where the task never asked it."""
    query = "SELECT answer, expires_at, expired FROM questions WHERE task = %s AND request_id = %s"
    row = await _one(db, query, (n, request_id))
    if row is None:
        raise Fenced
    return Asked(request_id, row[0], row[1], row[2])


async def answer_schema(db: Db, n: int, request_id: str) -> dict[str, Any] | None:
    """What an answer to the question must fit, None if it was never asked."""
    if "\0" in request_id:
        return None
    row = await _one(db, "SELECT body FROM questions WHERE task = %s AND request_id = %s", (n, request_id))
    return None if row is None else json.loads(row[0])["answer_schema"]


async def _one(db: Db, query: LiteralString, values: Any) -> tuple[Any, ...] | None:
    return await (await db.execute(query, values)).fetchone()


async def _all(db: Db, query: LiteralString, values: Any) -> list[tuple[Any, ...]]:
    return await (await db.execute(query, values)).fetchall()
