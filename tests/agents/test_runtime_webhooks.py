"""Webhooks in the store: files of the release before, and who delivers which of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from sametask.agents import Agent, TaskContext
from sametask.agents.errors import Conflict, Unavailable, UnknownTask, UnknownWebhook
from sametask.agents.events import StateChanged, TaskState
from sametask.agents.runtime import log, schema
from sametask.agents.webhooks import KeepsWebhooks, Webhook, WebhookState

NOW = 1000.0
FORMATS = ("json",)

clerk = Agent("clerk", description="Writes a line.")


@clerk.skill
async def write(text: str, task: TaskContext) -> str:
    await task.progress(1, 1, text)
    return text


async def done(engine, follow) -> str:
    task = await engine.submit(clerk.skills["write"], clerk.skills["write"].parse({"text": "x"}))
    await follow(engine, task.id)
    return task.id


def hook(task_id: str, id_: str = "h", **more) -> Webhook:
    return Webhook(id_, task_id, "https://one.example/", "json", "whsec_x", (("Authorization", "y"),), {"a": [1]}, **more)


def version_2(path: Path) -> None:
    """A file as the release before made it, with a task that had ended."""
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(schema.SCHEMA)
        db.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        db.execute("PRAGMA user_version=2")
        n, _ = log.submit(db, log.Submission("old", "clerk", "write", None, None, json.dumps({}), '{"text": "x"}'), "o")
        log.append_state(db, n, 1, StateChanged(state=TaskState.COMPLETED, result="x"))
    db.close()


async def test_a_file_of_the_release_before_is_upgraded_with_all_that_it_holds(open_store, store, follow):
    version_2(store)
    async with open_store(clerk) as engine:
        assert isinstance(engine, KeepsWebhooks)
        assert (await engine.get("old")).result == "x"
        await engine.webhooks.set(hook("old"))
        await done(engine, follow)
    async with open_store(clerk) as engine:
        assert [each.id for each in await engine.webhooks.list("old")] == ["h"]
    with sqlite3.connect(store) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema.SCHEMA_VERSION,) == (3,)
    db.close()


async def test_an_upgraded_file_has_the_schema_of_a_new_one(open_store, store, tmp_path):
    version_2(store)
    found = []
    for path in (store, tmp_path / "new.db"):
        for connection in schema.connect(path, "FULL"):
            connection.close()
        with sqlite3.connect(path) as db:
            found.append(db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall())
        db.close()
    assert found[0] == found[1]


async def test_two_that_open_an_old_file_at_once_upgrade_it_once(store):
    version_2(store)
    opened = await asyncio.gather(*(asyncio.to_thread(schema.connect, store, "FULL") for _ in range(8)))
    for connections in opened:
        for connection in connections:
            connection.close()


async def test_one_is_kept_as_it_was_given_and_replaced_at_its_position(open_store, follow):
    async with open_store(clerk) as engine:
        task_id = await done(engine, follow)
        kept = await engine.webhooks.set(hook(task_id))
        assert (kept.url, kept.headers, kept.kept, kept.cursor) == (
            "https://one.example/",
            (("Authorization", "y"),),
            {"a": [1]},
            0,
        )
        (claim,) = await engine.webhooks.claim(FORMATS, 9, NOW)
        assert await engine.webhooks.accepted(claim, 2, 1, WebhookState.ACTIVE)
        again = await engine.webhooks.set(Webhook("h", task_id, "https://two.example/", "json"))
        assert (again.url, again.uid, again.cursor, again.part) == ("https://two.example/", kept.uid, 2, 1)
        # Whoever was delivering it is out.
        assert not await engine.webhooks.accepted(claim, 3, 0, WebhookState.ACTIVE)
        assert (await engine.webhooks.get(task_id, "h")).cursor == 2


async def test_each_is_given_to_one_process_and_those_of_a_dead_one_to_another(open_store, follow):
    async with open_store(clerk) as one, open_store(clerk) as other:
        task_id = await done(one, follow)
        for name in ("a", "b"):
            await one.webhooks.set(hook(task_id, name))
        (mine,) = await one.webhooks.claim(FORMATS, 1, NOW)
        (theirs,) = await other.webhooks.claim(FORMATS, 9, NOW)
        assert {mine.hook.id, theirs.hook.id} == {"a", "b"}
        assert await one.webhooks.claim(FORMATS, 9, NOW) == await other.webhooks.claim(FORMATS, 9, NOW) == []
        assert await one.webhooks.accepted(mine, 1, 0, WebhookState.ACTIVE)
        await one.drain()
        (taken,) = await other.webhooks.claim(FORMATS, 9, NOW)
        assert (taken.hook.id, taken.hook.cursor) == (mine.hook.id, 1)
        assert not await one.webhooks.accepted(mine, 3, 0, WebhookState.ACTIVE)
        assert (await other.webhooks.get(task_id, mine.hook.id)).cursor == 1


async def test_a_process_that_hangs_loses_what_it_was_delivering(open_store, follow, monkeypatch):
    async with open_store(clerk, lease_s=0.05, poll_s=3600.0, follow_poll_s=3600.0) as hanging, open_store(clerk) as other:
        hanging._lock.release()  # so that only the lease tells
        task_id = await done(other, follow)
        await other.webhooks.set(hook(task_id))
        (lost,) = await hanging.webhooks.claim(FORMATS, 9, NOW)
        async with asyncio.timeout(20):
            with other.webhooks.news() as news:
                while not (found := await other.webhooks.claim(FORMATS, 9, NOW)):
                    news.clear()
                    await news.wait()
        assert found[0].n == lost.n
        assert found[0].epoch > lost.epoch
        assert not await hanging.webhooks.accepted(lost, 3, 0, WebhookState.ACTIVE)
        hanging._lock = type(hanging._lock)(hanging._store.path)


async def test_what_is_due_is_given_in_its_order_and_what_has_nothing_to_tell_is_not(open_store, follow):
    async with open_store(clerk) as engine:
        task_id = await done(engine, follow)
        last = (await engine.get(task_id)).last_seq
        await engine.webhooks.set(hook(task_id, "told", cursor=last))
        await engine.webhooks.set(hook(task_id, "first"))
        await engine.webhooks.set(Webhook("foreign", task_id, "https://x.example/", "other"))
        (claim,) = await engine.webhooks.claim(FORMATS, 9, NOW)
        assert claim.hook.id == "first"
        assert await engine.webhooks.postpone(claim, NOW + 5, "answered 500", NOW, WebhookState.ACTIVE)
        assert engine.webhooks.next_due(FORMATS, NOW) == NOW + 5
        assert await engine.webhooks.claim(FORMATS, 9, NOW + 4) == []
        (claim,) = await engine.webhooks.claim(FORMATS, 9, NOW + 5)
        waiting = claim.hook
        assert (waiting.attempts, waiting.last_error, waiting.failing_since) == (1, "answered 500", NOW)
        assert await engine.webhooks.accepted(claim, last, 0, WebhookState.DELIVERED)
        await engine.webhooks.release(claim, NOW)
        assert engine.webhooks.next_due(FORMATS, 0.0) is None
        assert (await engine.webhooks.get(task_id, "first")).attempts == 0


async def test_what_is_not_there_is_named_and_deleting_it_changes_nothing(open_store, follow):
    async with open_store(clerk) as engine:
        task_id = await done(engine, follow)
        with pytest.raises(UnknownWebhook, match="'nope' is not known"):
            await engine.webhooks.get(task_id, "nope")
        await engine.webhooks.delete(task_id, "nope")
        for call in (engine.webhooks.list("none"), engine.webhooks.get("none", "h"), engine.webhooks.delete("none", "h"),
                     engine.webhooks.set(hook("none"))):  # fmt: skip
            with pytest.raises(UnknownTask):
                await call
        for n in range(16):
            await engine.webhooks.set(hook(task_id, str(n)))
        with pytest.raises(Conflict, match="at most 16"):
            await engine.webhooks.set(hook(task_id, "more"))
        await engine.webhooks.set(hook(task_id, "3"))
        assert repr(await engine.webhooks.get(task_id, "3")).count("whsec") == 0


async def test_a_store_that_cannot_be_read_is_unavailable_and_not_an_end(open_store, follow):
    async with open_store(clerk) as engine:
        task_id = await done(engine, follow)
        await engine.webhooks.set(hook(task_id))
        await engine.webhooks._store.write(lambda db: db.execute("ALTER TABLE webhooks RENAME TO away").rowcount)
        with pytest.raises(Unavailable, match=r"^store: "):
            await engine.webhooks.claim(FORMATS, 9, NOW)
        await engine.webhooks._store.write(lambda db: db.execute("ALTER TABLE away RENAME TO webhooks").rowcount)
        assert len(await engine.webhooks.claim(FORMATS, 9, NOW)) == 1
