"""The guide "Add a protocol variant" to the letter: its folder is put beside the others, and nothing else is touched."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Python = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def python(copied_package: Path) -> Python:
    """Run Python where `sametask` is a copy of this one that has the toy as well. Shape: the exit code and what it printed."""
    package = copied_package
    shutil.copytree(ROOT / "docs" / "guides" / "json_lines", package / "protocols" / "json_lines")

    async def python(*args: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *args,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "160"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    return python


async def test_the_bodies_that_every_variant_passes_pass_over_it(python):
    code, said = await python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/protocols/test_every_variant.py", "-k", "json-lines"
    )
    assert code == 0, said
    assert "skipped" not in said


async def test_it_appears_in_every_table_of_a_comparison(python, tmp_path):
    code, said = await python(
        "-m", "sametask.console.main", "compare", "--variants", "rest,json-lines", "--out", str(tmp_path / "runs")
    )
    assert code == 0, said
    (run,) = (tmp_path / "runs").glob("*/run.json")
    samples = [json.loads(line) for line in (run.parent / "samples.jsonl").read_text().splitlines()]
    of_toy = [sample for sample in samples if sample["variant"] == "json-lines"]
    assert {sample["metric"] for sample in of_toy} == {sample["metric"] for sample in samples}
    measured = {sample["metric"] for sample in of_toy if sample.get("status", "ok") == "ok"}
    assert measured >= {"round_trips", "long_haul"}
    (why,) = {sample["reason"] for sample in of_toy if sample["metric"] == "integration_code"}
    assert "specimen" in why
