"""Every scenario of the official suite passes against our adapter, and those without fixtures against the product."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sametask.protocols.server_process import ServerOptions, server_process
from sametask.protocols.variants import variants

from .fixture_server import serving
from .fixture_tools import IMAGE, still
from .suite import Check, extensions, install, listed, run_server

REVISIONS = ("2025-11-25", "2026-07-28")
TASKS = "tasks-"
NOT_CHECKED = {"tasks-status-notifications": "the suite itself skips it: it waits for its rewrite against subscriptions/listen"}
"""Checks that the suite gives up by itself, whoever the server is; another result is a failure, so that this stays true."""
FIXTURE_FREE = {
    "2025-11-25": [
        "server-initialize", "server-session-lifecycle", "ping", "tools-list", "resources-list", "prompts-list",
        "dns-rebinding-protection",
    ],
    "2026-07-28": [
        "tools-list", "resources-list", "prompts-list", "dns-rebinding-protection", "caching", "http-header-validation",
        "sep-2164-resource-not-found", "server-stateless",
    ],
}  # fmt: skip
NOT_APPLICABLE = {f"sep-2575-server-sends-{what}-list-changed-on-subscription" for what in ("tools", "prompts")}
"""The product's lists do not change, and it does not say that they do."""
FIXTURE_TOOLS = "not testable: server does not list"


@pytest.fixture(autouse=True, scope="module")
def _installed() -> None:
    import asyncio

    asyncio.run(install())


def failed(checks: Sequence[Check]) -> list[Check]:
    """Those that did not pass: a warning, and what was skipped or could not be tested, is not a pass."""
    return [
        check
        for check in checks
        if check.status not in ("SUCCESS", "INFO") and not (check.status == "SKIPPED" and check.id in NOT_CHECKED)
    ]


# The suite still asks for what 2026-07-28 deprecates: sampling, roots, log messages.
@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
@pytest.mark.parametrize("revision", REVISIONS)
async def test_every_scenario_passes_against_the_fixtures(tmp_path: Path, revision: str):
    async with serving() as url:
        checks = await run_server(url, tmp_path, revision)
    assert failed(checks) == []
    passed = {check.scenario for check in checks if check.status == "SUCCESS"}
    wanted = {*await listed("server", revision), *(await extensions(TASKS) if revision == REVISIONS[1] else ())}
    assert len(wanted) > 25
    assert wanted - passed == NOT_CHECKED.keys() & wanted, "each has a check that was made, and passed"


@pytest.mark.parametrize(
    ("scenario", "tool"),
    [
        ("tools-call-simple-text", "test_simple_text"),
        ("input-required-result-basic-elicitation", "test_input_required_result_elicitation"),
    ],
)
async def test_a_broken_fixture_fails_its_scenario(tmp_path: Path, scenario: str, tool: str):
    async with serving({tool: still(IMAGE)}) as url:
        checks = await run_server(url, tmp_path, REVISIONS[1], [scenario])
    assert {check.scenario for check in failed(checks)} == {scenario}


@asynccontextmanager
async def the_variant() -> AsyncGenerator[str]:
    async with server_process(ServerOptions((variants()["mcp-http"],), "sqlite:///:memory:")) as server:
        yield server.endpoints["mcp-http"].url


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_needs_no_fixture_passes_against_the_product(tmp_path: Path, revision: str):
    async with the_variant() as url:
        checks = await run_server(url, tmp_path, revision, FIXTURE_FREE[revision])
    assert {check.scenario for check in checks} == set(FIXTURE_FREE[revision])
    unpassed = [check for check in failed(checks) if not (check.status == "SKIPPED" and check.id in NOT_APPLICABLE)]
    assert [check for check in unpassed if not check.said.lower().startswith(FIXTURE_TOOLS)] == []
    # Four checks of one scenario need tools that only a fixture has; nothing else may hide behind that.
    assert {check.scenario for check in unpassed} <= {"server-stateless"}
