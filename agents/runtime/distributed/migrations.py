"""From one schema version to the next: what a database that an earlier release made is given when it is opened."""

from __future__ import annotations

from typing import LiteralString

FIRST = """
CREATE SCHEMA sametask;
CREATE TABLE sametask.about(version INT NOT NULL, dbos TEXT NOT NULL DEFAULT '');
INSERT INTO sametask.about VALUES(1);
CREATE TABLE sametask.tasks(
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, skill TEXT NOT NULL,
    queue TEXT NOT NULL, priority INT NOT NULL, key TEXT UNIQUE, digest BYTEA, origin TEXT NOT NULL,
    created_at DOUBLE PRECISION NOT NULL, updated_at DOUBLE PRECISION NOT NULL, state TEXT NOT NULL,
    state_seq BIGINT NOT NULL, progress_seq BIGINT NOT NULL DEFAULT 0, last_seq BIGINT NOT NULL,
    open BOOLEAN NOT NULL DEFAULT true, owner TEXT, epoch INT NOT NULL, cancel BOOLEAN NOT NULL DEFAULT false,
    deadline_at DOUBLE PRECISION) WITH (fillfactor = 70);
CREATE INDEX tasks_owned ON sametask.tasks(owner) WHERE open AND owner IS NOT NULL;
CREATE INDEX tasks_ended ON sametask.tasks(updated_at) WHERE NOT open;
CREATE TABLE sametask.inputs(task BIGINT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE sametask.events(
    task BIGINT NOT NULL, seq BIGINT NOT NULL, at DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL, scope TEXT,
    body TEXT NOT NULL, PRIMARY KEY(task, seq));
CREATE INDEX events_artifacts ON sametask.events(task, seq) WHERE kind = 'artifact';
CREATE TABLE sametask.steps(task BIGINT NOT NULL, path TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(task, path));
CREATE TABLE sametask.attempts(
    task BIGINT NOT NULL, path TEXT NOT NULL, count INT NOT NULL, next_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY(task, path));
CREATE TABLE sametask.questions(
    task BIGINT NOT NULL, request_id TEXT NOT NULL, path TEXT NOT NULL, body TEXT NOT NULL, answer TEXT,
    expires_at DOUBLE PRECISION, expired BOOLEAN NOT NULL DEFAULT false, PRIMARY KEY(task, request_id));
CREATE TABLE sametask.workers(
    id TEXT PRIMARY KEY, executor TEXT NOT NULL, beats BIGINT NOT NULL, lease_s DOUBLE PRECISION NOT NULL)
    WITH (fillfactor = 50);
CREATE TABLE sametask.webhooks(
    n BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task BIGINT NOT NULL, id TEXT NOT NULL, uid TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL, format TEXT NOT NULL, secret TEXT NOT NULL, headers TEXT NOT NULL, kept TEXT NOT NULL,
    cursor BIGINT NOT NULL, part INT NOT NULL DEFAULT 0, attempts INT NOT NULL DEFAULT 0,
    next_at DOUBLE PRECISION NOT NULL DEFAULT 0, failing_since DOUBLE PRECISION, last_error TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'active', active BOOLEAN NOT NULL DEFAULT true, owner TEXT, epoch INT NOT NULL DEFAULT 0,
    UNIQUE(task, id));
CREATE INDEX webhooks_active ON sametask.webhooks(next_at) WHERE active;
CREATE INDEX webhooks_owned ON sametask.webhooks(owner) WHERE owner IS NOT NULL;
"""
# The input has its own table: Postgres copies a row with every update, and the task's row changes with every event.

MIGRATIONS: dict[int, LiteralString] = {1: FIRST}
"""By version: what makes a database of the version before one of this version."""
