"""From one schema version to the next: what a file that an earlier release made is given when it is opened."""

from __future__ import annotations

QUESTION_TEXTS = """
ALTER TABLE questions ADD COLUMN text TEXT NOT NULL DEFAULT '';
UPDATE questions SET text = COALESCE((SELECT json_extract(e.body, '$.question.text') FROM events e
    WHERE e.task = questions.task AND e.kind = 'state'
    AND json_extract(e.body, '$.question.request_id') = questions.request_id), '');
"""

WEBHOOKS = """
CREATE TABLE webhooks(
    n INTEGER PRIMARY KEY AUTOINCREMENT, task INTEGER NOT NULL, id TEXT NOT NULL, uid TEXT NOT NULL UNIQUE, url TEXT NOT NULL,
    format TEXT NOT NULL, secret TEXT NOT NULL, headers TEXT NOT NULL, kept TEXT NOT NULL, cursor INTEGER NOT NULL,
    part INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL DEFAULT 0, failing_since REAL,
    last_error TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'active', active INTEGER NOT NULL DEFAULT 1,
    owner TEXT, epoch INTEGER NOT NULL DEFAULT 0, UNIQUE(task, id));
CREATE INDEX webhooks_active ON webhooks(next_at) WHERE active = 1;
"""

TIME_LIMITS = """
ALTER TABLE tasks ADD COLUMN deadline_at REAL;
ALTER TABLE questions ADD COLUMN expires_at REAL;
ALTER TABLE questions ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
CREATE TABLE attempts(
    task INTEGER NOT NULL, path TEXT NOT NULL, count INTEGER NOT NULL, next_at REAL NOT NULL, PRIMARY KEY(task, path))
    WITHOUT ROWID;
CREATE INDEX tasks_ended ON tasks(updated_at) WHERE open = 0;
DROP TABLE owners;
CREATE TABLE owners(id TEXT PRIMARY KEY, beats INTEGER NOT NULL, lease_s REAL NOT NULL) WITHOUT ROWID;
UPDATE tasks SET owner = NULL, epoch = epoch + 1 WHERE open = 1 AND owner IS NOT NULL;
UPDATE webhooks SET owner = NULL WHERE owner IS NOT NULL;
DELETE FROM wakeups;
"""
# No process of an earlier release has the file open: `schema._prepare` sees to it.

MIGRATIONS = {2: QUESTION_TEXTS, 3: WEBHOOKS, 4: TIME_LIMITS}
"""By version: what makes a file of the version before one of this version."""
