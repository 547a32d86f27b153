"""`sametask agents`: readable at any width, whole as JSON, and nothing else on stdout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sametask.agents.team import team
from sametask.protocols.variants import variants

WAITER = str(Path(__file__).with_name("waiter.py"))


@pytest.mark.parametrize("columns", [80, 200])
async def test_the_table_fits_and_names_everything(sametask, columns: int):
    done = await sametask("agents", COLUMNS=str(columns))
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= columns
    for agent in team().values():
        row = next(n for n, line in enumerate(lines) if line.startswith(agent.name))
        for skill, line in zip(agent.skills.values(), _rows(lines[row:]), strict=False):
            assert line.removeprefix(agent.name).split()[:2] == [skill.name, "long" if skill.long else "quick"]
    for variant in variants().values():
        assert any(line.split()[:1] == [variant.name] and variant.title in line for line in lines)


def _rows(lines: list[str]) -> list[str]:
    """The rows of a table, without the lines on which its last column goes on."""
    return [line for line in lines if "quick" in line.split()[:3] or "long" in line.split()[:3]]


def test_json_has_every_schema_and_what_each_variant_lacks(here):
    done = here("agents", "--json")
    said = json.loads(done.out)
    told = {(agent["name"], skill["name"]): skill for agent in said["agents"] for skill in agent["skills"]}
    assert {key: skill["input_schema"] for key, skill in told.items()} == {
        (skill.agent, skill.name): skill.input_schema for skill in team().skills()
    }
    assert all(skill["output_schema"]["properties"] for skill in told.values())
    assert {variant["name"]: variant["lacks"] for variant in said["variants"]} == {
        name: dict(variant.lacks) for name, variant in variants().items()
    }


async def test_agents_of_a_users_own_are_listed_alone_and_their_noise_is_not_on_stdout(sametask):
    done = await sametask("agents", WAITER, "--json")
    assert [agent["name"] for agent in json.loads(done.out)["agents"]] == ["waiter"]
    assert done.err == "noise while it is imported\n"
