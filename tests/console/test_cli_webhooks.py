"""Webhooks of `sametask serve`: the serving process is killed, or there are two of them; every event arrives."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from sametask.agents.events import Event, TaskState

from ..protocols.webhook_receiver import NO_CONTENT, Received, receiving

WAITER = str(Path(__file__).with_name("waiter.py"))
STEPS = 40


def serve(tmp_path: Path, *more: str) -> tuple[str, ...]:
    engine = f"sqlite:///{tmp_path}/tasks.db"
    return ("serve", WAITER, "--protocol", "rest", "--port", "0", "--engine", engine, "--json", *more)


ALLOWED = ("--allow-webhook", "127.0.0.0/8")


async def url_of(serving: Any) -> str:
    return json.loads(await serving.process.stdout.readline())["ready"]["rest"]["url"]


async def begin(http: httpx.AsyncClient, gate: Path, receiver_url: str) -> str:
    body = {"path": str(gate), "steps": STEPS}
    task_id = (await http.post("/agents/waiter/skills/wait", json=body)).json()["id"]
    assert (await http.post(f"/tasks/{task_id}/webhooks", json={"url": receiver_url})).status_code == 201
    return task_id


def cursor(tmp_path: Path) -> int:
    with sqlite3.connect(tmp_path / "tasks.db") as db:
        (found,) = db.execute("SELECT cursor FROM webhooks").fetchone()
    db.close()
    return found


def seqs(received: list[Received]) -> list[int]:
    return [Event.model_validate_json(each.body).seq for each in received]


@pytest.mark.parametrize("kill_at", [1, 7, 30])
async def test_a_server_is_killed_in_the_middle_and_every_event_arrives_once_or_with_the_same_id(
    start, tmp_path: Path, kill_at
):
    gate = tmp_path / "gate"
    async with receiving() as receiver:
        serving = await start(*serve(tmp_path, *ALLOWED))

        async def kill_in_the_middle(received: Received) -> bytes:
            if len(receiver.all) == kill_at:
                serving.process.kill()  # while it waits for this very answer
            return NO_CONTENT

        receiver.decide = kill_in_the_middle
        async with httpx.AsyncClient(base_url=await url_of(serving)) as http:
            await begin(http, gate, receiver.url)
            await receiver.until(lambda it: len(it.all) >= kill_at)
            await serving.process.wait()
        at_death, before = cursor(tmp_path), len(receiver.all)
        # What was noted was accepted, and at most what was on its way was not noted.
        assert at_death in (kill_at - 1, kill_at)
        gate.touch()
        receiver.decide = None
        again = await start(*serve(tmp_path, *ALLOWED))
        await url_of(again)
        await receiver.until(lambda it: Event.model_validate_json(it.all[-1].body).state is TaskState.COMPLETED)
        assert seqs(receiver.all[before:]) == list(range(at_death + 1, 2 * STEPS + 4))
        assert sorted(set(seqs(receiver.all))) == list(range(1, 2 * STEPS + 4))
        by_seq: dict[int, set[tuple[str, bytes]]] = {}
        for seq, received in zip(seqs(receiver.all), receiver.all, strict=True):
            by_seq.setdefault(seq, set()).add((received.id, received.body))
        assert {len(each) for each in by_seq.values()} == {1}
        again.process.terminate()
        done = await again.finish()
        assert (done.code, "Traceback" in done.err) == (0, False)


async def test_of_two_servers_on_one_store_one_delivers_and_the_other_goes_on_when_it_dies(start, tmp_path: Path):
    gate = tmp_path / "gate"
    async with receiving() as receiver:
        first = await start(*serve(tmp_path, *ALLOWED))
        url = await url_of(first)
        second = await start(*serve(tmp_path, *ALLOWED))
        await url_of(second)
        async with httpx.AsyncClient(base_url=url) as http:
            await begin(http, gate, receiver.url)
            await receiver.until(lambda it: len(it.all) >= 10)
            first.process.kill()
            await first.process.wait()
        gate.touch()
        await receiver.until(lambda it: Event.model_validate_json(it.all[-1].body).state is TaskState.COMPLETED)
        assert sorted(set(seqs(receiver.all))) == list(range(1, 2 * STEPS + 4))
        assert len({received.id for received in receiver.all}) == 2 * STEPS + 3
        assert len(receiver.all) <= 2 * STEPS + 4  # only what was on its way is repeated


async def test_two_living_servers_do_not_both_deliver(start, tmp_path: Path):
    gate = tmp_path / "gate"
    gate.touch()
    async with receiving() as receiver:
        servers = [await start(*serve(tmp_path, *ALLOWED)) for _ in range(2)]
        urls = [await url_of(each) for each in servers]
        async with httpx.AsyncClient(base_url=urls[0]) as one, httpx.AsyncClient(base_url=urls[1]) as two:
            await asyncio.gather(*(begin(http, gate, receiver.url) for http in (one, two) for _ in range(4)))
            await receiver.until(lambda it: len(it.accepted) >= 8 * (2 * STEPS + 3))
        assert len({received.id for received in receiver.all}) == len(receiver.all) == 8 * (2 * STEPS + 3)


async def test_without_the_option_a_target_here_is_refused_and_a_wrong_option_is_named(start, sametask, tmp_path: Path):
    serving = await start(*serve(tmp_path))
    async with httpx.AsyncClient(base_url=await url_of(serving)) as http:
        task_id = (await http.post("/agents/waiter/skills/wait", json={"path": str(tmp_path)})).json()["id"]
        refused = await http.post(f"/tasks/{task_id}/webhooks", json={"url": "http://127.0.0.1:9/"})
        assert (refused.status_code, refused.json()["details"]["field"]) == (422, "url")
    wrong = await sametask("serve", "--allow-webhook", "10.0.0.1/8")
    assert wrong.code == 2
    assert "allow-webhook: '10.0.0.1/8' is not accepted; accepted: a network" in " ".join(wrong.err.split())
