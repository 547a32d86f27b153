"""The specimens keep to their one rule, and the counts of them move by what is written by hand and by nothing else."""

from __future__ import annotations

import ast
import shutil
import typing
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel
from sametask.agents.team import team
from sametask.measurements.integration.generate import GENERATED, generate_into, openapi_document
from sametask.measurements.integration.reference import CALLS
from sametask.measurements.integration.sources import AGENTS, Specimen, specimens
from sametask.protocols.variants import variants

HANDWRITTEN = "sametask.measurements.integration.specimens.handwritten"
ALL = {specimen.label: specimen for specimen in specimens()}


@pytest.fixture
def copied(tmp_path: Path) -> Specimen:
    """The bespoke REST specimen, where it may be changed."""
    original = ALL["rest"]
    shutil.copytree(original.folder.parent, tmp_path / "specimens")
    return replace(original, folder=tmp_path / "specimens" / original.folder.name)


def test_every_folder_is_a_specimen_of_a_variant_there_is() -> None:
    folders = {path.parent for path in ALL["rest"].folder.parent.glob("*/connection.py")}
    assert {specimen.folder for specimen in ALL.values()} == folders
    assert {specimen.variant for specimen in ALL.values()} <= set(variants())
    assert len({specimen.label for specimen in specimens()}) == len(specimens())
    assert set(AGENTS) == set(CALLS) == set(team())


@pytest.mark.parametrize("label", ALL)
def test_a_specimen_imports_nothing_of_ours_but_generated_code(label: str) -> None:
    files = sorted(ALL[label].folder.glob("*.py"))
    assert {file.stem for file in files} == {"__init__", "connection", *AGENTS}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("sametask") for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level:
                assert (node.module or "").split(".")[0] in {"connection", "handwritten", "generated", "proto"}
            elif isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("sametask")


@pytest.mark.parametrize("agent", AGENTS)
def test_every_specimen_makes_the_same_call_and_declares_a_typed_result(agent: str) -> None:
    requests: set[str] = set()
    for specimen in ALL.values():
        main = import_module(f"{specimen.package}.{agent}").main
        result = typing.get_type_hints(main)["return"]
        assert isinstance(result, type)
        assert result is not dict
        assert result.__name__ == team().skill(agent, CALLS[agent][0]).output.__name__
        tree = ast.parse((specimen.folder / f"{agent}.py").read_text())
        requests |= {ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign)}
    assert len(requests) == 1


@pytest.mark.parametrize("agent", AGENTS)
def test_models_by_hand_have_every_field_of_the_skills_own(agent: str) -> None:
    skill = team().skill(agent, CALLS[agent][0])
    module = import_module(f"{HANDWRITTEN}.{agent}")
    ours: dict[str, type[BaseModel]] = {}
    _reach(skill.input, ours)
    _reach(skill.output, ours)
    theirs = {
        name: model for name, model in vars(module).items() if isinstance(model, type) and model.__module__ == module.__name__
    }
    assert set(theirs) == set(ours)
    for name, model in ours.items():
        fields = {field: info.is_required() for field, info in model.model_fields.items()}
        assert {field: info.is_required() for field, info in theirs[name].model_fields.items()} == fields, name


def _reach(model: type[BaseModel], found: dict[str, type[BaseModel]]) -> None:
    found[model.__name__] = model
    for info in model.model_fields.values():
        for part in (info.annotation, *typing.get_args(info.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                _reach(part, found)


async def test_the_generated_client_is_that_of_todays_document(tmp_path: Path) -> None:
    """Where this fails: `python -m sametask.measurements.integration.generate`."""
    made = generate_into(tmp_path, await openapi_document())
    assert _texts(made) == _texts(GENERATED / made.name)


def _texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.py"))}


def test_a_line_a_field_and_a_name_move_their_counts_by_one(copied: Specimen) -> None:
    shared, agent = copied.shared(), copied.of_agent("prefix_cache")
    connection = copied.folder / "connection.py"
    connection.write_text(connection.read_text() + "\nLIMIT = 3\n")
    assert copied.shared().lines == shared.lines + 1
    assert copied.of_agent("prefix_cache") == agent, "what is paid once is not paid again for an agent"

    models = copied.folder.parent / "handwritten" / "prefix_cache.py"
    models.write_text(models.read_text() + "    one_more: int\n")
    moved = copied.of_agent("prefix_cache")
    assert (moved.lines, moved.schema_fields) == (agent.lines + 1, agent.schema_fields + 1)
    assert copied.of_agent("model_router") == ALL["rest"].of_agent("model_router")

    connection.write_text(connection.read_text() + "\nOTHER = httpx.codes\n")
    assert len(copied.shared().names) == len(shared.names) + 1


def test_comments_docstrings_and_layout_move_nothing(copied: Specimen) -> None:
    before = copied.shared()
    connection = copied.folder / "connection.py"
    wrapped = connection.read_text().replace("(base_url=url)", "(\n\n base_url=url,\n )")
    connection.write_text('"""What it is for."""\n\n# Why.\n' + wrapped)
    assert copied.shared() == before


def test_generated_code_is_told_apart_and_never_counted(tmp_path: Path) -> None:
    specimen = ALL["rest-openapi"]
    root = specimen.folder.parents[1]
    shutil.copytree(root / "specimens", tmp_path / "specimens")
    shutil.copytree(root / "generated", tmp_path / "generated")
    copy = replace(specimen, folder=tmp_path / "specimens" / specimen.folder.name)
    assert copy.generated_lines() == specimen.generated_lines() > 1000
    client = tmp_path / "generated" / "sametask_client" / "client.py"
    client.write_text(client.read_text() + "\nLIMIT = 3\n\n\nclass More:\n    field: int\n")
    assert copy.generated_lines() == specimen.generated_lines() + 3
    assert copy.shared() == specimen.shared()
    assert [copy.of_agent(agent) for agent in AGENTS] == [specimen.of_agent(agent) for agent in AGENTS]


def test_the_folders_above_do_not_make_code_generated(tmp_path: Path) -> None:
    """A checkout may well lie below a folder called proto."""
    original = ALL["rest"]
    shutil.copytree(original.folder.parent, tmp_path / "proto" / "specimens")
    copy = replace(original, folder=tmp_path / "proto" / "specimens" / original.folder.name)
    assert copy.shared() == original.shared()
    assert copy.generated_lines() == 0


def test_who_generates_types_writes_none_by_hand() -> None:
    fields = {label: sum(specimen.of_agent(agent).schema_fields for agent in AGENTS) for label, specimen in ALL.items()}
    generated = {label: specimen.generated_lines() for label, specimen in ALL.items()}
    for label in ALL:
        assert (fields[label] == 0) is (generated[label] > 0)
    assert len({count for count in fields.values() if count}) == 1, "all that write models by hand write the same ones"
