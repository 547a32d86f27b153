"""The OpenAPI document of the REST server: it carries each skill's own models, and a client generated from it works."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sametask.agents import TaskEngine
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.rest.server import serve
from sametask.protocols.variants import Bind


@pytest.fixture
async def document(trial_engine: TaskEngine) -> dict[str, Any]:
    async with serve(trial_engine, Bind()) as endpoint, httpx.AsyncClient(base_url=endpoint.url, verify=False) as http:
        return (await http.get("/openapi.json")).json()


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (operation for path in document["paths"].values() for operation in path.values())


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolved(document: dict[str, Any], schema: Any) -> Any:
    """A schema with its references put in, so that it can be compared whatever the models are called; without the defaults
    that are null, which FastAPI leaves out, and with bounds as floats, which it makes of them.
    """
    if isinstance(schema, list):
        return [resolved(document, inner) for inner in schema]
    if not isinstance(schema, dict):
        return float(schema) if isinstance(schema, int) and not isinstance(schema, bool) else schema
    if "$ref" in schema:
        found: Any = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(document, found)
    return {name: resolved(document, inner) for name, inner in schema.items() if name != "$defs" and inner is not None}


async def test_every_operation_has_a_stable_id(document: dict[str, Any]):
    ids = [operation["operationId"] for operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert {"prefix_cache_plan", "prefix_cache_simulate", "model_router_tune", "moe_break_even_estimate", "trial_echo"} <= {
        *ids
    }
    assert {"list_agents", "list_tasks", "get_task", "follow_task", "answer_task", "cancel_task"} <= {*ids}


async def test_every_reference_resolves(document: dict[str, Any]):
    assert document["openapi"].startswith("3.1")
    found = set(references(document))
    assert {reference.rpartition("/")[2] for reference in found} <= set(document["components"]["schemas"])
    assert "#/components/schemas/Problem" in found


async def test_every_operation_documents_its_errors_as_problem_details(document: dict[str, Any]):
    for operation in operations(document):
        assert "default" in operation["responses"]
        for status, response in operation["responses"].items():
            if status == "default" or status >= "400":
                assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_skills_carry_their_own_models(document: dict[str, Any], trial_engine: TaskEngine):
    for skill in trial_engine.roster.skills():
        operation = document["paths"][f"/agents/{skill.agent}/skills/{skill.name}"]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        assert resolved(document, body) == resolved(skill.input_schema, skill.input_schema)
        if skill.long:
            task = operation["responses"]["202"]["content"]["application/json"]["schema"]
            result = resolved(document, task)["properties"]["result"]["anyOf"]
            assert {"type": "null"} in result
            assert resolved(skill.output_schema, skill.output_schema) in result
            assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"]
            assert [parameter["name"] for parameter in operation["parameters"]] == ["Idempotency-Key"]
        else:
            output = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert resolved(document, output) == resolved(skill.output_schema, skill.output_schema)


async def test_agents_may_call_their_models_alike(tmp_path: Path):
    source = """
from pydantic import BaseModel
from sametask.agents import Agent
class Ask(BaseModel):
    {field}: int
agent = Agent("{name}", description="d")
@agent.skill
async def go(request: Ask) -> Ask:
    return request
"""
    paths = [tmp_path / f"{name}_agent.py" for name in ("one", "two")]
    for path, name, field in zip(paths, ("one", "two"), ("a", "b"), strict=True):
        path.write_text(source.format(name=name, field=field))
    async with (
        open_engine("sqlite:///:memory:", load_roster([str(path) for path in paths])) as engine,
        serve(engine, Bind()) as endpoint,
        httpx.AsyncClient(base_url=endpoint.url, verify=False) as http,
    ):
        document = (await http.get("/openapi.json")).json()
        for name, field in (("one", "a"), ("two", "b")):
            body = document["paths"][f"/agents/{name}/skills/go"]["post"]["requestBody"]
            assert set(resolved(document, body["content"]["application/json"]["schema"])["properties"]) == {field}
            assert (await http.post(f"/agents/{name}/skills/go", json={field: 1})).json() == {field: 1}


async def test_a_generated_client_runs_a_task(trial_engine: TaskEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with serve(trial_engine, Bind()) as endpoint:
        async with httpx.AsyncClient(base_url=endpoint.url, verify=False) as http:
            document = (await http.get("/openapi.json")).text
        (tmp_path / "openapi.json").write_text(document)
        (tmp_path / "config.json").write_text(json.dumps({"post_hooks": []}))
        generator = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning",
            "--path", str(tmp_path / "openapi.json"), "--config", str(tmp_path / "config.json"),
            "--output-path", str(tmp_path / "generated_rest_client"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await generator.communicate()
        assert generator.returncode == 0, said.decode()

        monkeypatch.syspath_prepend(str(tmp_path))
        generated = importlib.import_module("generated_rest_client")
        models = importlib.import_module("generated_rest_client.models")

        def operation(tag: str, name: str) -> Any:
            return importlib.import_module(f"generated_rest_client.api.{tag}.{name}").asyncio

        async with generated.Client(base_url=endpoint.url, verify_ssl=False) as client:
            plan = models.PlanRequest(layers=32, kv_heads=8, head_dim=128, memory_bytes=2**34)
            assert (await operation("prefix_cache", "prefix_cache_plan")(client=client, body=plan)).context_tokens == 131072

            plan.layers = 0
            problem = await operation("prefix_cache", "prefix_cache_plan")(client=client, body=plan)
            assert isinstance(problem, models.Problem)
            assert (problem.code, problem.details["field"]) == ("invalid_input", "layers")

            body = models.SimulateRequest(synthetic=models.SyntheticTrace(request_count=100))
            task = await operation("prefix_cache", "prefix_cache_simulate")(client=client, body=body, idempotency_key="k")
            assert isinstance(task, models.PrefixCacheSimulateTask)
            done = await operation("tasks", "get_task")(task.id, client=client, prefer="wait=20")
            typed = models.PrefixCacheSimulateTask.from_dict(done.to_dict())
            assert isinstance(typed.result, models.CacheReport)
            assert (typed.state, typed.result.requests) == ("completed", 100)
