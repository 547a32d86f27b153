"""REST as any HTTP client sees it: statuses, headers, problem details and long polls, on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sametask.agents import TaskEngine
from sametask.agents.errors import Unavailable
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.rest.requests import idempotency_key, preferred_wait_s
from sametask.protocols.rest.server import serve
from sametask.protocols.variants import Bind

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEAM = ("sametask.agents.team.prefix_cache:agent", "sametask.agents.team.model_router:agent")
PLAN = {"layers": 32, "kv_heads": 8, "head_dim": 128, "memory_bytes": 2**34}
PLAN_PATH, SIMULATE_PATH = "/agents/prefix_cache/skills/plan", "/agents/prefix_cache/skills/simulate"
SIMULATE = {"synthetic": {"request_count": 200}}
ASKING = {"synthetic": {"request_count": 500}, "capacity_blocks": 20, "confirm": True}
MAX_BYTES = 20_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    async with (
        open_engine("sqlite:///:memory:", load_roster([*TEAM, str(Path(__file__).with_name("trial_agent.py"))])) as engine,
        serve(engine, Bind(max_message_bytes=MAX_BYTES)) as endpoint,
        httpx.AsyncClient(base_url=endpoint.url, verify=False, timeout=20) as client,
    ):
        yield client


def assert_problem(response: httpx.Response, status: int, code: str, detail: str) -> None:
    """RFC 9457: the media type, and members that agree with the status line."""
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, "about:blank")
    assert problem["title"]
    assert detail in problem["detail"]
    assert "Traceback" not in response.text


async def test_a_quick_skill_answers_200_with_its_output(http: httpx.AsyncClient):
    response = await http.post(PLAN_PATH, json=PLAN)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json()["context_tokens"] == 131072


async def test_a_long_skill_answers_202_with_its_task_and_where_it_is(http: httpx.AsyncClient):
    response = await http.post(SIMULATE_PATH, json=SIMULATE)
    assert response.status_code == 202
    assert response.headers["location"] == f"/tasks/{response.json()['id']}"
    assert response.headers["retry-after"] == "1"
    done = await http.get(response.headers["location"], headers={"Prefer": "wait=20"})
    assert (done.json()["state"], done.headers["preference-applied"]) == ("completed", "wait=20")
    assert "retry-after" not in done.headers


async def test_a_long_poll_ends_at_a_question(http: httpx.AsyncClient):
    location = (await http.post(SIMULATE_PATH, json=ASKING)).headers["location"]
    asked = await http.get(location, headers={"Prefer": "respond-async, wait=20"})
    assert asked.json()["state"] == "input_required"
    path = f"{location}/answers/{asked.json()['question']['request_id']}"
    for _ in range(2):
        assert (await http.put(path, json={"choice": "evict"})).status_code == 200
    assert (await http.get(location, headers={"Prefer": "wait=20"})).json()["state"] == "completed"
    assert_problem(await http.post(f"{location}/cancel"), 409, "task_finished", "already completed")


async def test_a_long_poll_ends_after_its_wait(http: httpx.AsyncClient):
    location = (await http.post("/agents/model_router/skills/tune", json=ENDLESS)).headers["location"]
    polled = await http.get(location, headers={"Prefer": "wait=0"})
    assert polled.json()["state"] in ("submitted", "working")
    assert (polled.headers["preference-applied"], polled.headers["retry-after"]) == ("wait=0", "1")
    for _ in range(2):
        canceled = await http.post(f"{location}/cancel")
        assert (canceled.status_code, canceled.json()["state"]) == (200, "canceled")


async def test_tasks_are_listed_newest_first(http: httpx.AsyncClient):
    ids = [(await http.post(SIMULATE_PATH, json=SIMULATE)).json()["id"] for _ in range(3)]
    page = (await http.get("/tasks", params={"limit": 2})).json()["tasks"]
    rest = (await http.get("/tasks", params={"limit": 1, "before": page[-1]["id"]})).json()["tasks"]
    assert [task["id"] for task in page + rest] == ids[::-1]


@pytest.mark.parametrize("key", ['"order 1"', "order-1"])
async def test_an_idempotency_key_gives_the_same_task(http: httpx.AsyncClient, key: str):
    headers = {"Idempotency-Key": key}
    first, again = [await http.post(SIMULATE_PATH, json=SIMULATE, headers=headers) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]
    assert_problem(await http.post(SIMULATE_PATH, json=ASKING, headers=headers), 409, "key_reused", key.strip('"'))


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "detail"),
    [
        ("GET", "/nowhere", 404, "not_found", "path: '/nowhere' is not known"),
        ("GET", "/agents/", 404, "not_found", "path: '/agents/' is not known"),
        ("POST", "/agents/nobody/skills/plan", 404, "unknown_agent", "'nobody' is not known; accepted: one of: model_router"),
        ("POST", "/agents/prefix_cache/skills/x", 404, "unknown_skill", "accepted: one of: plan, simulate"),
        ("GET", "/tasks/none", 404, "unknown_task", "task: 'none' is not known"),
        ("GET", "/tasks/none/events", 404, "unknown_task", "task: 'none' is not known"),
        ("POST", "/tasks/none/cancel", 404, "unknown_task", "task: 'none' is not known"),
        ("GET", PLAN_PATH, 405, "invalid_input", "method: 'GET' is not accepted; accepted: POST"),
        ("DELETE", "/tasks/none", 405, "invalid_input", "accepted: GET"),
        ("GET", "/tasks?limit=many", 422, "invalid_input", "limit: 'many' is not accepted"),
        ("GET", "/tasks?limit=0", 422, "invalid_input", "limit: 0 is not accepted; 1 to 1000"),
        ("GET", "/tasks?before=none", 404, "unknown_task", "task: 'none' is not known"),
        ("GET", "/tasks/none/events?after=x", 422, "invalid_input", "after: 'x' is not accepted"),
        ("GET", "/tasks/none/events?after=-1", 422, "invalid_input", "after: -1 is not accepted"),
    ],
)  # fmt: skip
async def test_every_wrong_request_gets_problem_details(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str, detail: str
):
    assert_problem(await http.request(method, path), status, code, detail)


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code", "detail"),
    [
        (b'{"layers": 32,', "application/json", 422, "invalid_input", "invalid JSON"),
        (b"\xff\xfe", "application/json", 422, "invalid_input", "invalid JSON"),
        (b"", "application/json", 422, "invalid_input", "invalid JSON"),
        (b"[]", "application/json", 422, "invalid_input", "input: [] is not accepted"),
        (b'{"layers": 0}', "application/json", 422, "invalid_input", ": 0 is not accepted; "),
        (b"{}", "text/plain", 415, "invalid_input", "Content-Type: 'text/plain' is not accepted; accepted: application/json"),
        (b"{}", "", 415, "invalid_input", "accepted: application/json"),
        (b" " * (MAX_BYTES + 1), "application/json", 413, "too_large", "at most 20000 bytes"),
    ],
)
async def test_every_wrong_body_gets_problem_details(
    http: httpx.AsyncClient, body: bytes, media_type: str, status: int, code: str, detail: str
):
    headers = {"Content-Type": media_type} if media_type else {}
    before = (await http.get("/tasks")).content
    for path in (PLAN_PATH, SIMULATE_PATH):
        assert_problem(await http.post(path, content=body, headers=headers), status, code, detail)
    assert (await http.get("/tasks")).content == before


async def test_a_body_without_a_declared_length_is_limited_too(http: httpx.AsyncClient):
    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(10):
            yield b" " * (MAX_BYTES // 5)

    response = await http.post(PLAN_PATH, content=endless(), headers={"Content-Type": "application/json"})
    assert_problem(response, 413, "too_large", "at most 20000 bytes")
    assert (await http.post(PLAN_PATH, json=PLAN)).status_code == 200


async def test_an_answer_that_is_not_json_or_does_not_fit_is_refused(http: httpx.AsyncClient):
    location = (await http.post(SIMULATE_PATH, json=ASKING)).headers["location"]
    question = (await http.get(location, headers={"Prefer": "wait=20"})).json()["question"]
    path, json = f"{location}/answers/{question['request_id']}", {"Content-Type": "application/json"}
    assert_problem(await http.put(path, content=b"{", headers=json), 422, "invalid_input", "answer: '{' is not accepted")
    assert_problem(await http.put(path, json={"choice": "x"}), 422, "invalid_input", "choice: 'x' is not accepted")
    assert_problem(await http.put(path, content=b"{}"), 415, "invalid_input", "Content-Type")
    assert_problem(await http.put(f"{location}/answers/other", json={}), 409, "not_waiting", "'other'")
    assert (await http.get(location)).json()["state"] == "input_required"


async def test_a_skill_that_raises_is_a_500_of_one_line(http: httpx.AsyncClient):
    response = await http.post("/agents/trial/skills/stumble", json={"text": "over"})
    assert_problem(response, 500, "skill_failed", "LookupError: over")
    response = await http.post("/agents/trial/skills/decline", json={"text": "busy"})
    assert_problem(response, 422, "rejected", "busy")


async def test_requests_on_one_connection_do_not_mix(http: httpx.AsyncClient):
    bodies = [{**PLAN, "memory_bytes": 2**30 * n} for n in range(1, 30)]
    answers = await asyncio.gather(*(http.post(PLAN_PATH, json=body) for body in bodies))
    assert [answer.json()["context_tokens"] for answer in answers] == [2**13 * n for n in range(1, 30)]


@pytest.mark.asyncio(loop_scope="function")
async def test_a_port_in_use_is_named(trial_engine: TaskEngine):
    async with serve(trial_engine, Bind()) as endpoint:
        port = int(endpoint.listeners["http"].rpartition(":")[2])
        with pytest.raises(Unavailable, match=f"port: 127.0.0.1:{port} cannot be bound"):
            await serve(trial_engine, Bind(port=port)).__aenter__()


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("wait=5", 5), ("respond-async, wait=7", 7), ('wait="3"; x=1', 3), ("wait=999", 60), ("WAIT=1", 1), ("await=5", None),
     ("wait=-1", None), ("wait", None), ("", None), (None, None)],
)  # fmt: skip
async def test_a_wait_preference_is_read_or_ignored(header: str | None, wait_s: int | None):
    assert preferred_wait_s(header) == wait_s


@pytest.mark.parametrize(
    ("header", "key"), [('"a\\"b\\\\c"', 'a"b\\c'), ("bare", "bare"), ('"', '"'), ('""', ""), ("", ""), (None, None)]
)
async def test_a_key_is_a_quoted_string_or_taken_as_it_is(header: str | None, key: str | None):
    assert idempotency_key(header) == key


ENDLESS = {
    "synthetic": {"query_count": 2},
    "weak": {"name": "w", "input_price": 0.1, "output_price": 0.2, "easiest_quality": 0.9, "hardest_quality": 0.2},
    "strong": {"name": "s", "input_price": 2.0, "output_price": 8.0, "easiest_quality": 0.95, "hardest_quality": 0.9},
    "thresholds": 10_000,
    "min_quality": 0.1,
}
