"""Every bundled agent is found, describes every field it takes and gives, and takes nothing it did not describe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sametask.agents.team as team_package
from sametask.agents.team import team


def objects(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, found in {schema["title"]: schema, **schema.get("$defs", {})}.items():
        if found.get("type") == "object":
            yield name, found


def schemas() -> dict[str, dict[str, Any]]:
    return {f"{s.agent}.{s.name}.{side}": getattr(s, f"{side}_schema") for s in team().skills() for side in ("input", "output")}


def test_the_team_is_the_folders_on_disk():
    here = Path(team_package.__file__).parent
    assert sorted(team()) == sorted(folder.name for folder in here.iterdir() if (folder / "__init__.py").exists())
    assert {"prefix_cache", "moe_break_even", "model_router"} <= set(team())


@pytest.mark.parametrize("which", schemas())
def test_every_field_is_described_and_no_other_passes(which: str):
    for name, found in objects(schemas()[which]):
        assert found["additionalProperties"] is False, name
        for field, spec in found["properties"].items():
            assert spec.get("description"), f"{name}.{field}"


@pytest.mark.parametrize("which", schemas())
def test_no_field_is_a_choice_of_models_or_a_free_map(which: str):
    # What protobuf messages cannot say plainly: a choice beyond "this or nothing", and keys that are not fields.
    for name, found in objects(schemas()[which]):
        for field, spec in found["properties"].items():
            choices = [choice for choice in spec.get("anyOf", []) if choice.get("type") != "null"]
            assert len(choices) <= 1, f"{name}.{field}"
            assert "additionalProperties" not in spec, f"{name}.{field}"
