"""Store files as earlier releases made them: schema versions 1 to 3, each with a task that has ended and one that asks."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from sametask.agents.runtime.embedded.migrations import WEBHOOKS
from sametask.agents.runtime.embedded.schema import APPLICATION_ID

VERSIONS = (1, 2, 3)
SCHEMA_2 = (Path(__file__).parent / "schema_2.sql").read_text()
QUESTION = {"request_id": "q1", "text": "how many?", "answer_schema": {"type": "object"}}
LOGS = {
    ("done", 0): [{"state": "submitted"}, {"state": "working"}, {"state": "completed", "result": {"count": 1}}],
    ("asks", 1): [{"state": "submitted"}, {"state": "working"}, {"state": "input_required", "question": QUESTION}],
}


def make_old_store(path: Path, version: int, agent: str = "old", skill: str = "ask") -> None:
    """A file of that version with the tasks `done` and `asks`, whose process has died."""
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(SCHEMA_2 + (WEBHOOKS if version >= 3 else ""))
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={version}")
        db.execute("INSERT INTO owners VALUES('dead', 1e12)")
        for n, ((id_, open_), log) in enumerate(LOGS.items(), 1):
            db.execute(
                "INSERT INTO tasks VALUES(?, ?, ?, ?, NULL, NULL, '{}', 1, 1, ?, ?, 0, ?, ?, ?, 1, 0)",
                (n, id_, agent, skill, log[-1]["state"], len(log), len(log), open_, "dead" if open_ else None),
            )
            db.execute("INSERT INTO inputs VALUES(?, '{}')", (n,))
            for seq, body in enumerate(log, 1):
                body = json.dumps({"type": "state", **body})
                db.execute("INSERT INTO events VALUES(?, ?, ?, 'state', NULL, ?)", (n, seq, float(seq), body))
        db.execute("INSERT INTO questions VALUES(2, 'q1', '/?#1', '{\"type\": \"object\"}', NULL, 'how many?')")
        if version == 1:
            db.execute("ALTER TABLE questions DROP COLUMN text")
    db.close()
