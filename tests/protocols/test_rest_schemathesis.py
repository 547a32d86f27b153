"""schemathesis against a live server: what the OpenAPI document says is what the server does, for inputs nobody thought of."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from sametask.protocols.server_process import ServerOptions, server_process
from sametask.protocols.variants import variants

HERE = Path(__file__).parent
RULES = "schemathesis_rules"


async def explore(folder: Path, *agents: str) -> tuple[dict[str, Any], str]:
    """Every check of schemathesis' in every phase (each parameter's bounds, random requests, sequences along the links), on a
    server of those agents. Shape: its report, and what it printed.
    """
    rest = variants()["rest"]
    async with server_process(ServerOptions((rest,), f"sqlite:///{folder}/tasks.db", agents)) as server:
        command = [sys.executable, "-m", "schemathesis.cli", "run", server.endpoints["rest"].url + "/openapi.json"]
        command += ["--checks", "all", "--exclude-checks", "positive_data_acceptance", "--continue-on-failure"]
        command += ["--max-examples", "25", "--seed", "1", "--generation-database", "none", "--no-color"]
        command += ["--report-json-path", str(folder / "report.json")]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": RULES},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert server.process.returncode is None, said
        return json.loads((folder / "report.json").read_text()), said


async def test_the_document_and_the_server_agree(tmp_path):
    report, said = await explore(tmp_path)
    assert (report["failures"], report["errors"], report["exit_code"]) == ([], [], 0), said
    assert report["operations"]["tested"] == report["operations"]["total"] == 15
    assert {phase for phase, told in report["phases"].items() if told["status"] == "success"} >= {
        "coverage",
        "fuzzing",
        "stateful",
    }
    assert report["test_cases"]["generated"] > 1000


async def test_a_server_that_refuses_what_its_document_allows_is_found(tmp_path):
    report, said = await explore(tmp_path, str(HERE / "fickle_agent.py"))
    assert report["exit_code"] == 1
    assert "POST /agents/fickle/skills/like" in said
    assert "ST202 Schema-valid request rejected" in said
