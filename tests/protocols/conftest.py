"""One fixture, `served`: every variant in turn, each with a server of its own, a client and the floor to compare with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sametask.agents import Roster, TaskEngine
from sametask.agents.loading import load_roster
from sametask.agents.runtime import open_engine
from sametask.protocols.client import AgentClient
from sametask.protocols.inproc.client import InprocClient
from sametask.protocols.server_process import ServerOptions
from sametask.protocols.variants import Bind, Variant, variants

TRIAL_AGENT = str(Path(__file__).with_name("trial_agent.py"))
TEAM = tuple(f"sametask.agents.team.{name}:agent" for name in ("model_router", "moe_break_even", "prefix_cache"))


OURS = [name for name, variant in variants().items() if not variant.stock_of]
"""Those that keep our guarantees; a stock row keeps its library's, see test_stock.py."""


def agents_of(variant: Variant) -> list[str]:
    """The agents a variant serves in these tests: `grpc` serves only those that have compiled messages."""
    return [*TEAM] if variant.protocol == "grpc" else [*TEAM, TRIAL_AGENT]


@dataclass(frozen=True)
class Served:
    """A variant at work. `client` is connected already, `connect` opens another; `floor` calls an engine of its own
    directly, with the same roster; `lacks` is what the variant says it cannot do.
    """

    variant: Variant
    roster: Roster
    client: AgentClient
    connect: Callable[[], AbstractAsyncContextManager[AgentClient]]
    floor: AgentClient

    @property
    def lacks(self) -> set[str]:
        return set(self.variant.lacks)

    async def direct(self, agent: str, skill: str, request: dict[str, Any]) -> Any:
        """The result of a skill on the floor."""
        if not self.roster.skill(agent, skill).long:
            return await self.floor.call(agent, skill, request)
        return (await self.floor.wait((await self.floor.submit(agent, skill, request)).id)).result


@asynccontextmanager
async def listening(
    variant: Variant, engine_url: str
) -> AsyncGenerator[Callable[[], AbstractAsyncContextManager[AgentClient]]]:
    """Serve a variant; yields what opens a client of it. One without listeners is started by its client."""
    if variant.server and not variant.listeners:
        url = ServerOptions((variant,), engine_url, tuple(agents_of(variant))).stdio_url
        yield lambda: variant.connect()(url)
        return
    async with open_engine(engine_url, load_roster(agents_of(variant))) as engine:
        if not variant.server:
            yield lambda: nullcontext(InprocClient(engine))
            return
        async with variant.serve()(engine, Bind()) as endpoint:
            url = variant.address(endpoint.listeners)
            yield lambda: variant.connect()(url)


@asynccontextmanager
async def serving(variant: Variant, engine_url: str) -> AsyncGenerator[Served]:
    roster = load_roster(agents_of(variant))
    async with (
        open_engine("sqlite:///:memory:", roster) as engine,
        listening(variant, engine_url) as connect,
        connect() as client,
    ):
        yield Served(variant, roster, client, connect, InprocClient(engine))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=OURS)
async def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Served]:
    """Every variant, served on port 0 over an engine on a fresh file; one server for the tests of a module."""
    variant = variants()[request.param]
    engine_url = f"sqlite:///{tmp_path_factory.mktemp('engine')}/tasks.db"
    ready: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def own() -> None:
        # One task enters and leaves: a cancel scope of a client must not be left in another task than it was entered in.
        async with serving(variant, engine_url) as it:
            ready.set_result(it)
            await done.wait()

    owner = asyncio.create_task(own())
    await asyncio.wait({owner, ready}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        owner.cancel()
        await owner
    yield ready.result()
    done.set()
    async with asyncio.timeout(30):
        await owner


@pytest_asyncio.fixture
async def trial_engine() -> AsyncGenerator[TaskEngine]:
    """An engine with the bundled team and the trial agent, gone with the test."""
    async with open_engine("sqlite:///:memory:", load_roster([*TEAM, TRIAL_AGENT])) as engine:
        yield engine
