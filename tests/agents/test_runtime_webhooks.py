"""Webhooks in the store: files of the release before, and who delivers which of them."""

from __future__ import annotations

import asyncio

import pytest
from sametask.agents import Agent, TaskContext
from sametask.agents.errors import Conflict, Unavailable, UnknownTask, UnknownWebhook
from sametask.agents.webhooks import Webhook, WebhookState

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


async def test_a_process_that_hangs_loses_what_it_was_delivering(open_store, follow):
    still = {"poll_s": 3600.0, "follow_poll_s": 3600.0, "beat_s": 3600.0}
    async with open_store(clerk, lease_s=0.05, **still) as hanging, open_store(clerk) as other:
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
        assert await engine.webhooks.next_due(FORMATS, NOW) == NOW + 5
        assert await engine.webhooks.claim(FORMATS, 9, NOW + 4) == []
        (claim,) = await engine.webhooks.claim(FORMATS, 9, NOW + 5)
        waiting = claim.hook
        assert (waiting.attempts, waiting.last_error, waiting.failing_since) == (1, "answered 500", NOW)
        assert await engine.webhooks.accepted(claim, last, 0, WebhookState.DELIVERED)
        await engine.webhooks.release(claim, NOW)
        assert await engine.webhooks.next_due(FORMATS, 0.0) is None
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


async def test_a_store_that_cannot_be_read_is_unavailable_and_not_an_end(open_store, follow, look):
    async with open_store(clerk) as engine:
        task_id = await done(engine, follow)
        await engine.webhooks.set(hook(task_id))
        look("ALTER TABLE webhooks RENAME TO away")
        with pytest.raises(Unavailable, match=r"^store: "):
            await engine.webhooks.claim(FORMATS, 9, NOW)
        look("ALTER TABLE away RENAME TO webhooks")
        assert len(await engine.webhooks.claim(FORMATS, 9, NOW)) == 1
