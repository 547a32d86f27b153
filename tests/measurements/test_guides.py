"""The guides to faults, scenarios and metrics: their files are put where they say, and a comparison has them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = re.compile(r"```python\n# (?P<path>\S+\.py)\n(?P<text>.*?)```", re.DOTALL)


async def test_what_the_guides_say_is_all_there_is_to_do(copied_package, tmp_path):
    package, runs = copied_package, tmp_path / "runs"
    for guide in ("add-a-fault", "add-a-scenario", "add-a-metric"):
        (file,) = FILE.finditer((ROOT / "docs" / "guides" / f"{guide}.md").read_text())
        path = package / file["path"]
        path.parent.mkdir(exist_ok=True)
        assert not path.exists()
        path.write_text(file["text"])
    command = ["-m", "sametask.console.main", "compare", "--only", "long-haul,discovery", "--variants", "rest,grpc,mcp-stdio"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--out",
        str(runs),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    (lines,) = runs.glob("*/samples.jsonl")
    samples = [json.loads(line) for line in lines.read_text().splitlines()]
    chatty = [sample for sample in samples if sample.get("cell", {}).get("scenario") == "chatty"]
    assert {(sample["variant"], sample["cell"]["fault"]) for sample in chatty} == {
        (variant, fault) for variant in ("rest", "grpc", "mcp-stdio") for fault in ("none", "reset")
    }
    assert [sample for sample in chatty if sample.get("status", "ok") != "ok"] == []
    assert all(sample["values"]["verdict"] == "delivered" for sample in chatty), chatty
    found = [sample["values"] for sample in samples if sample["metric"] == "discovery"]
    assert len(found) == 9
    assert all(values["down_bytes"] > 1000 and values["requests_count"] >= 1 for values in found)
    report = (lines.parent / "report.md").read_text()
    assert "a task with large events" in report
    assert "What a client receives until it knows every skill." in report
