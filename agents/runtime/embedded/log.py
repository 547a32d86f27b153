"""What is written about tasks, and how it is read back: each function is one transaction's work on a connection.

The log is the truth: a task's state, result, question and progress are read from its events; the task's row only points at
them. Every write of a runner is fenced: it names the epoch in which the task was given to it, and a takeover starts a new one.
"""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from ...errors import KeyReused, NotWaiting, TaskFinished, UnknownTask
from ...events import (
    BODY,
    Artifact,
    ArtifactEmitted,
    ErrorInfo,
    Event,
    OpenQuestion,
    StateChanged,
    Task,
    TaskState,
)
from ..artifacts import merged
from ..journal import Asked, Attempts, Claim, Fenced, Past
from ..rows import TASK_COLUMNS, TASK_FROM, task_of
from ..submission import Submission

SUBMITTED = StateChanged(state=TaskState.SUBMITTED).model_dump_json()
WORKING = StateChanged(state=TaskState.WORKING).model_dump_json()
PAGE_COUNT = 256
PAGE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Taken:
    """A task that was given to this process to run, in `epoch`."""

    n: int
    epoch: int
    claim: Claim


@dataclass(frozen=True, slots=True)
class Stored:
    """What a write has added to a task's log, for those who follow it here. `body` is JSON."""

    seq: int
    at: float
    body: str

    def event(self) -> Event:
        return Event(seq=self.seq, at=self.at, body=BODY.validate_json(self.body))


NOTHING_TOLD = Stored(0, 0.0, "")
"""Of a write that adds nothing to the log, and that nobody waits for."""


def submit(db: sqlite3.Connection, new: Submission, owner: str, at: float) -> Taken | str:
    """Store a task in its first epoch. Shape: the claim on it; or the id of the task that has the key already. An `owner` that
    is none any more cannot keep it: it is anyone's then.

    Raises: KeyReused.
    """
    if new.key is not None:
        known = db.execute("SELECT n, id, digest, open, created_at FROM tasks WHERE key = ?", (new.key,)).fetchone()
        if known is not None:
            n, id_, digest, open_, created_at = known
            if open_ or at < created_at + new.key_lifetime_s:
                if digest != new.digest:
                    raise KeyReused(new.key)
                return id_
            db.execute("UPDATE tasks SET key = NULL, digest = NULL WHERE n = ?", (n,))
    deadline_at = None if new.deadline_s is None else at + new.deadline_s
    (n,) = db.execute(
        "INSERT INTO tasks(id, agent, skill, key, digest, origin, created_at, updated_at, deadline_at, owner, epoch,"
        " state, state_seq, last_seq)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT id FROM owners WHERE id = ?), 1, 'submitted', 1, 1) RETURNING n",
        (new.id, new.agent, new.skill, new.key, new.digest, new.origin, at, at, deadline_at, owner),
    ).fetchone()
    db.execute("INSERT INTO inputs VALUES(?, ?)", (n, new.input))
    db.execute("INSERT INTO events VALUES(?, 1, ?, 'state', NULL, ?)", (n, at, SUBMITTED))
    return Taken(n, 1, Claim(new.id, new.agent, new.skill, new.origin, deadline_at=deadline_at))


def append_state(db: sqlite3.Connection, n: int, epoch: int, body: StateChanged, at: float) -> None:
    """Raises: Fenced."""
    row = db.execute(
        "UPDATE tasks SET last_seq = last_seq + 1, state_seq = last_seq + 1, state = ?, updated_at = ?, open = ?,"
        " owner = CASE WHEN ? THEN owner END WHERE n = ? AND epoch = ? AND open = 1 RETURNING last_seq",
        (body.state.value, at, not body.state.terminal, not body.state.terminal, n, epoch),
    ).fetchone()
    _insert_event(db, n, row, at, "state", None, body.model_dump_json())


def append(db: sqlite3.Connection, n: int, epoch: int, *, kind: str, scope: str, body: str, at: float) -> Stored:
    """A `progress` or `artifact` event. Raises: Fenced."""
    progress = ", progress_seq = last_seq + 1" if kind == "progress" else ""
    row = db.execute(
        f"UPDATE tasks SET last_seq = last_seq + 1, updated_at = ?{progress}"
        " WHERE n = ? AND epoch = ? AND open = 1 RETURNING last_seq",
        (at, n, epoch),
    ).fetchone()
    return _insert_event(db, n, row, at, kind, scope, body)


def _insert_event(
    db: sqlite3.Connection, n: int, row: tuple[int, ...] | None, at: float, kind: str, scope: str | None, body: str
) -> Stored:
    if row is None:
        raise Fenced
    db.execute("INSERT INTO events VALUES(?, ?, ?, ?, ?, ?)", (n, row[0], at, kind, scope, body))
    return Stored(row[0], at, body)


def start(db: sqlite3.Connection, n: int, epoch: int, *, at: float) -> Stored:
    """Tell that the task is being worked on, once in its life. Raises: Fenced."""
    row = db.execute(
        "UPDATE tasks SET last_seq = 2, state_seq = 2, state = 'working', updated_at = ?"
        " WHERE n = ? AND epoch = ? AND open = 1 AND state = 'submitted' RETURNING last_seq",
        (at, n, epoch),
    ).fetchone()
    if row is not None:
        return _insert_event(db, n, row, at, "state", None, WORKING)
    _fence(db, n, epoch)
    return NOTHING_TOLD


def record(db: sqlite3.Connection, n: int, epoch: int, *, path: str, value: str) -> Stored:
    """Record a step's value. Raises: Fenced."""
    insert = "INSERT INTO steps SELECT n, ?, ? FROM tasks WHERE n = ? AND epoch = ? AND open = 1"
    if db.execute(insert, (path, value, n, epoch)).rowcount == 0:
        raise Fenced
    return NOTHING_TOLD


def failed(db: sqlite3.Connection, n: int, epoch: int, *, path: str, attempts: Attempts) -> Stored:
    """Note that a step has failed that often. Raises: Fenced."""
    _fence(db, n, epoch)
    db.execute("INSERT OR REPLACE INTO attempts VALUES(?, ?, ?, ?)", (n, path, attempts.count, attempts.next_at))
    return NOTHING_TOLD


def ask(
    db: sqlite3.Connection, n: int, epoch: int, *, path: str, text: str, schema: dict[str, Any], expires_at: float | None
) -> Asked:
    """Ask the question of that path, or find that it was asked before. While others are open it waits its turn to be told:
    the log tells the first of them. Raises: Fenced.
    """
    _fence(db, n, epoch)
    known = db.execute("SELECT request_id FROM questions WHERE task = ? AND path = ?", (n, path)).fetchone()
    if known is not None:
        return asked(db, n, known[0])
    (count,) = db.execute("SELECT COUNT(*) FROM questions WHERE task = ?", (n,)).fetchone()
    question = OpenQuestion(request_id=f"q{count + 1}", text=text, answer_schema=schema)
    others = open_questions(db, n)
    row = (n, question.request_id, path, json.dumps(schema), text, expires_at)
    db.execute("INSERT INTO questions(task, request_id, path, schema, text, expires_at) VALUES(?, ?, ?, ?, ?, ?)", row)
    if not others:
        append_state(db, n, epoch, StateChanged(state=TaskState.INPUT_REQUIRED, question=question), time.time())
    return Asked(question.request_id, expires_at=expires_at)


def answer(db: sqlite3.Connection, n: int, request_id: str, value: str, me: str) -> None:
    """Store the first answer to a question that was asked; a later one changes nothing.

    Raises: UnknownTask, NotWaiting where the question has expired, TaskFinished.
    """
    row = db.execute("SELECT id, state, epoch, open FROM tasks WHERE n = ?", (n,)).fetchone()
    if row is None:
        raise UnknownTask(str(n))  # it was removed meanwhile
    id_, state, epoch, open_ = row
    known = asked(db, n, request_id)
    if known.answer is not None:
        return
    if not open_:
        raise TaskFinished(id_, state)
    waiting = open_questions(db, n)
    if known.expired:
        raise NotWaiting(id_, request_id, waiting[0].request_id if waiting else None)
    db.execute("UPDATE questions SET answer = ? WHERE task = ? AND request_id = ?", (value, n, request_id))
    _tell_next_question(db, n, epoch, request_id, waiting[0].request_id)
    _wake_owner(db, n, me)


def expire(db: sqlite3.Connection, n: int, epoch: int, *, request_id: str) -> Asked:
    """Close a question that has waited long enough, unless it was answered first. Raises: Fenced."""
    _fence(db, n, epoch)
    known = asked(db, n, request_id)
    if known.answer is None and not known.expired:
        told = open_questions(db, n)[0].request_id
        db.execute("UPDATE questions SET expired = 1 WHERE task = ? AND request_id = ?", (n, request_id))
        _tell_next_question(db, n, epoch, request_id, told)
    return asked(db, n, request_id)


def _tell_next_question(db: sqlite3.Connection, n: int, epoch: int, closed: str, told: str) -> None:
    """The one that was told is closed: tell the next, or that the task works again."""
    if closed == told:
        left = open_questions(db, n)
        next_one = StateChanged(state=TaskState.INPUT_REQUIRED, question=left[0]) if left else None
        append_state(db, n, epoch, next_one or StateChanged(state=TaskState.WORKING), time.time())


def finish(db: sqlite3.Connection, n: int, epoch: int, *, body: StateChanged, at: float) -> Stored:
    """The task's end. A cancel that was accepted before it wins over any other outcome. Raises: Fenced."""
    row = db.execute(
        "UPDATE tasks SET last_seq = last_seq + 1, state_seq = last_seq + 1, updated_at = ?, open = 0, owner = NULL,"
        " state = CASE cancel WHEN 1 THEN 'canceled' ELSE ? END WHERE n = ? AND epoch = ? AND open = 1"
        " RETURNING last_seq, cancel",
        (at, body.state.value, n, epoch),
    ).fetchone()
    ending = StateChanged(state=TaskState.CANCELED) if row is not None and row[1] else body
    return _insert_event(db, n, row, at, "state", None, ending.model_dump_json())


def cancel(db: sqlite3.Connection, n: int, me: str) -> bool:
    """Ask for the task's end. Shape: True where it is canceled already (nobody was running it).

    Raises: TaskFinished when it ended otherwise, UnknownTask when it was removed.
    """
    row = db.execute("SELECT id, state, epoch, open, owner FROM tasks WHERE n = ?", (n,)).fetchone()
    if row is None:
        raise UnknownTask(str(n))
    id_, state, epoch, open_, owner = row
    if not open_:
        if state != TaskState.CANCELED:
            raise TaskFinished(id_, state)
        return True
    if owner is None:
        append_state(db, n, epoch, StateChanged(state=TaskState.CANCELED), time.time())
        return True
    db.execute("UPDATE tasks SET cancel = 1 WHERE n = ?", (n,))
    _wake_owner(db, n, me)
    return False


def cancel_without_runner(db: sqlite3.Connection, n: int, me: str) -> None:
    """End a task whose runner does not stop; whatever that still writes is fenced, and who follows it there is told."""
    _wake_owner(db, n, me)
    (epoch,) = db.execute("UPDATE tasks SET epoch = epoch + 1 WHERE n = ? RETURNING epoch", (n,)).fetchone()
    try:
        append_state(db, n, epoch, StateChanged(state=TaskState.CANCELED), time.time())
    except Fenced:
        return  # it ended meanwhile


def _wake_owner(db: sqlite3.Connection, n: int, me: str) -> None:
    db.execute(
        "INSERT OR IGNORE INTO wakeups SELECT owner, n FROM tasks WHERE n = ? AND owner IS NOT NULL AND owner <> ?", (n, me)
    )


def _fence(db: sqlite3.Connection, n: int, epoch: int) -> str:
    row = db.execute("SELECT state FROM tasks WHERE n = ? AND epoch = ? AND open = 1", (n, epoch)).fetchone()
    if row is None:
        raise Fenced
    return row[0]


# Reading. These run on the event loop, so each is bounded.

_TASK = f"SELECT {TASK_COLUMNS} {TASK_FROM} "


def number(db: sqlite3.Connection, task_id: str) -> int:
    """The task's row number. Raises: UnknownTask."""
    row = db.execute("SELECT n FROM tasks WHERE id = ?", (task_id,)).fetchone()
    if row is None:
        raise UnknownTask(task_id)
    return row[0]


def task(db: sqlite3.Connection, task_id: str) -> Task:
    """The task as it stands, with its artifacts put together. Raises: UnknownTask."""
    row = db.execute(_TASK + "WHERE t.id = ?", (task_id,)).fetchone()
    if row is None:
        raise UnknownTask(task_id)
    return task_of(row, _artifacts(db, row[0], row[6]))


def newest(db: sqlite3.Connection, limit: int, below: int | None) -> list[Task]:
    """The newest tasks first, without their artifacts; only those older than row number `below`, where it is given."""
    where = "" if below is None else "WHERE t.n < :below "
    rows = db.execute(_TASK + where + "ORDER BY t.n DESC LIMIT :limit", {"below": below, "limit": limit})
    return [_listed(row) for row in rows]


def _listed(row: tuple[Any, ...]) -> Task:
    """One that cannot be read does not hide the others."""
    try:
        return task_of(row)
    except ValueError as error:
        _, id_, agent, skill, created_at, updated_at, last_seq, _, _, state = row
        info = ErrorInfo(code="unavailable", message=f"store: the task's row is damaged ({str(error).splitlines()[0]})")
        return Task(
            id=id_, agent=agent, skill=skill, state=TaskState(state), error=info, created_at=created_at,
            updated_at=updated_at, last_seq=last_seq,
        )  # fmt: skip


def _artifacts(db: sqlite3.Connection, n: int, last_seq: int) -> tuple[Artifact, ...]:
    rows = db.execute("SELECT body FROM events WHERE task = ? AND kind = 'artifact' AND seq <= ? ORDER BY seq", (n, last_seq))
    return merged(ArtifactEmitted.model_validate_json(body).artifact for (body,) in rows)


def page(db: sqlite3.Connection, n: int, after: int) -> tuple[list[Event], bool]:
    """The next stored events above `after`, and whether there may be more of them.

    Shape: at least one event where there is one, and a bounded number of bytes.
    """
    found: list[Event] = []
    size_bytes, more = 0, False
    rows = db.execute("SELECT seq, at, body FROM events WHERE task = ? AND seq > ? ORDER BY seq", (n, after))
    for seq, at, body in rows:
        found.append(Event(seq=seq, at=at, body=BODY.validate_json(body)))
        size_bytes += len(body)
        if more := len(found) == PAGE_COUNT or size_bytes > PAGE_BYTES:
            break
    rows.close()  # an unfinished cursor would hold its snapshot, and with it the WAL
    return found, more


def ended(db: sqlite3.Connection, task_id: str, after: int) -> bool:
    """True when nothing above `after` is stored and nothing will be. Raises: UnknownTask where it was removed."""
    row = db.execute("SELECT open, last_seq FROM tasks WHERE id = ?", (task_id,)).fetchone()
    if row is None:
        raise UnknownTask(task_id)
    return not row[0] and row[1] <= after


def input_json(db: sqlite3.Connection, n: int) -> str:
    return db.execute("SELECT body FROM inputs WHERE task = ?", (n,)).fetchone()[0]


def past(db: sqlite3.Connection, n: int) -> Past:
    """What earlier runs have recorded and told. A scope tells in order, so a count says which of its events are told."""
    steps = dict(db.execute("SELECT path, value FROM steps WHERE task = ?", (n,)).fetchall())
    counts = "SELECT scope, COUNT(*) FROM events WHERE task = ? AND scope IS NOT NULL GROUP BY scope"
    failed = db.execute("SELECT path, count, next_at FROM attempts WHERE task = ?", (n,)).fetchall()
    attempts = {path: Attempts(count, next_at) for path, count, next_at in failed}
    return Past(steps, dict(db.execute(counts, (n,)).fetchall()), attempts)


def open_questions(db: sqlite3.Connection, n: int) -> list[OpenQuestion]:
    """Those that wait for an answer, in the order in which they were asked."""
    rows = db.execute(
        "SELECT request_id, text, schema FROM questions JOIN tasks t ON t.n = task AND t.open = 1"
        " WHERE task = ? AND answer IS NULL AND expired = 0 ORDER BY LENGTH(request_id), request_id",
        (n,),
    )
    return [OpenQuestion(request_id=row[0], text=row[1], answer_schema=json.loads(row[2])) for row in rows]


def asked(db: sqlite3.Connection, n: int, request_id: str) -> Asked:
    """The question as it stands. Raises: Fenced where the task never asked it."""
    query = "SELECT answer, expires_at, expired FROM questions WHERE task = ? AND request_id = ?"
    row = db.execute(query, (n, request_id)).fetchone()
    if row is None:
        raise Fenced
    return Asked(request_id, row[0], row[1], bool(row[2]))


def answer_schema(db: sqlite3.Connection, n: int, request_id: str) -> dict[str, Any] | None:
    """What an answer to the question must fit, None if it was never asked."""
    row = db.execute("SELECT schema FROM questions WHERE task = ? AND request_id = ?", (n, request_id)).fetchone()
    return None if row is None else json.loads(row[0])
