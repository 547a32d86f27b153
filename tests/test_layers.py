"""The walls: imports go one way, folders are what discovery finds, and what is generated is fresh."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("proto", "agents", "protocols", "measurements", "console")
MAY_IMPORT = {
    "proto": set(),
    "agents": set(),
    "protocols": {"agents", "proto"},
    "measurements": {"agents", "protocols", "proto"},
    "console": {"agents", "protocols", "measurements"},
}


def shipped():
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            if not path.name.endswith(("_pb2.py", "_pb2_grpc.py")) and "generated" not in path.parts:
                yield layer, path


def imported_layers(layer: str, path: Path):
    """The layers of ours that a module imports, and the absolute imports of ours that it makes."""
    depth = len(path.relative_to(ROOT).parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.level == depth:
                yield from ([node.module.split(".")[0]] if node.module else [alias.name for alias in node.names])
            elif node.level > depth:
                pytest.fail(f"{path}: import climbs out of the package")
            elif node.level == 0 and (node.module or "").split(".")[0] == "sametask":
                yield f"absolute import of {node.module}"
        elif isinstance(node, ast.Import):
            yield from (f"absolute import of {a.name}" for a in node.names if a.name.split(".")[0] == "sametask")


def is_specimen(path: Path) -> bool:
    # Specimens are what a user writes outside of this package, so they import what a user would.
    return "specimens" in path.parts


@pytest.mark.parametrize(("layer", "path"), [pytest.param(*each, id=str(each[1].relative_to(ROOT))) for each in shipped()])
def test_imports_go_one_way_and_are_relative(layer, path):
    if is_specimen(path):
        return
    wrong = [name for name in imported_layers(layer, path) if name != layer and name not in MAY_IMPORT[layer]]
    assert not wrong


def test_the_wall_is_seen_when_it_is_broken(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    bad = tmp_path / "agents" / "deep" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("from ...protocols import client\nfrom ... import measurements\nimport sametask.console\n")
    assert list(imported_layers("agents", bad)) == ["protocols", "measurements", "absolute import of sametask.console"]


def test_every_folder_of_a_protocol_a_metric_an_agent_is_found():
    from sametask.agents.team import team
    from sametask.measurements.metric import metrics
    from sametask.protocols.variants import variants

    def folders(place, marker):
        return {p.parent.name for p in (ROOT / place).glob("*/__init__.py") if marker in p.read_text(encoding="utf-8")}

    assert set(team()) == {p.parent.name for p in (ROOT / "agents/team").glob("*/__init__.py")}
    assert {variant.client.split(".")[0] for variant in variants().values()} == folders("protocols", "VARIANTS")
    assert len(metrics()) == len(folders("measurements", "METRIC ="))
