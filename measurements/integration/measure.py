"""Run every specimen against the real server of its variant, and count those parts of it that gave the right answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from ..samples import Sample
from .counting import Count
from .reference import answers, difference
from .sources import AGENTS, Specimen, specimens

if TYPE_CHECKING:
    from ...protocols.variants import Variant
    from ..bench import Bench

METRIC = "integration_code"
SHARED = "shared"
SIDE_BY_SIDE = 2
SPECIMEN_TIMEOUT_S = 60.0
ENGINE = "sqlite:///:memory:"
NO_SERVER = "it is called in the same process: there is nothing to integrate"
NO_SPECIMEN_OF_OWN = "integration code is counted at specimens that call the bundled agents; there are none for yours"
NO_SPECIMEN = "no specimen has been written for it"


async def measure(
    bench: Bench, found: Sequence[Specimen] | None = None, agents: tuple[str, ...] = ()
) -> AsyncGenerator[Sample]:
    """Yields one sample for each specimen and agent, and one for the part that the agents share; of the variants asked for.

    `found` are the specimens (those of this folder), `agents` what the servers serve (the bundled team).
    """
    if bench.cases.references:
        for variant in bench.variants:
            yield _sample(variant.name, variant.name, SHARED, status="not_testable", reason=NO_SPECIMEN_OF_OWN)
        return
    wanted = {variant.name: variant for variant in bench.variants}
    chosen = [each for each in (specimens() if found is None else found) if each.variant in wanted]
    for name in wanted.keys() - {each.variant for each in chosen}:
        reason = wanted[name].missing or _no_code_of_its_own(wanted[name])
        yield _sample(name, name, SHARED, status="not_testable", reason=reason)
    right, limiter = await answers(), anyio.CapacityLimiter(SIDE_BY_SIDE)

    async def judged(variant: Variant) -> list[Sample]:
        mine = [each for each in chosen if each.variant == variant.name]
        try:
            async with limiter, _serving(variant, agents) as address:
                return [sample for each in mine for sample in judge(each, await run_specimen(each, address), right)]
        except Exception as error:
            # A wall on purpose: a server of ours that does not come up is no verdict on anybody's code.
            return [_sample(each.variant, each.label, SHARED).broken(error) for each in mine]

    used = [variant for variant in wanted.values() if any(each.variant == variant.name for each in chosen)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(judged(variant)) for variant in used]
        for done, (variant, task) in enumerate(zip(used, tasks, strict=True), 1):
            for sample in await task:
                yield sample
            bench.progress(done, len(used), f"{variant.name} has been integrated and counted")


def _no_code_of_its_own(variant: Variant) -> str:
    if base := variant.stock_of or variant.extends:
        return f"the consumer's code is that of {base}, line by line"
    return NO_SPECIMEN if variant.server else NO_SERVER


@asynccontextmanager
async def _serving(variant: Variant, agents: tuple[str, ...]) -> AsyncGenerator[list[str]]:
    """Serve the variant; yields its address in the form that its users have it. On pipes that is a command line, which the
    specimen starts.
    """
    from ...protocols.server_process import ServerOptions, server_process

    options = ServerOptions((variant,), ENGINE, agents)
    if not variant.listeners:
        yield options.command
        return
    async with server_process(options) as server:
        yield [server.endpoints[variant.name].url.removeprefix("grpc://")]


async def run_specimen(specimen: Specimen, address: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The outcome of each agent's call, from a process of its own; one that ends or hangs is the outcome of them all."""
    command = [sys.executable, "-m", f"{__package__}.running", specimen.package, *address]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SPECIMEN_TIMEOUT_S):
            output, complaint = await process.communicate()
    except TimeoutError:
        return _all(f"TimeoutError: it did not end within {SPECIMEN_TIMEOUT_S:g} s")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with anyio.CancelScope(shield=True):
            await process.wait()
    if process.returncode == 0:
        with contextlib.suppress(ValueError):
            return json.loads(output.splitlines()[-1] if output else b"")
    last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
    return _all(f"its process ended with code {process.returncode}: {last}")


def _all(error: str) -> dict[str, dict[str, Any]]:
    return {agent: {"error": error} for agent in AGENTS}


def judge(specimen: Specimen, outcomes: Mapping[str, dict[str, Any]], right: Mapping[str, Any]) -> list[Sample]:
    """The samples of a specimen that was run. Its shared part is counted where at least one agent was answered rightly."""
    samples = [_judge(specimen, agent, outcomes[agent], right[agent]) for agent in AGENTS]
    if any(sample.status == "ok" for sample in samples):
        values = _values(specimen.shared()) | {"generated_lines": specimen.generated_lines()}
        return [_sample(specimen.variant, specimen.label, SHARED, values=values), *samples]
    return [_sample(specimen.variant, specimen.label, SHARED, status="failed", reason=samples[0].reason), *samples]


def _judge(specimen: Specimen, agent: str, outcome: dict[str, Any], right: Any) -> Sample:
    reason = outcome.get("error") or difference(right, outcome["answer"])
    if reason:
        return _sample(specimen.variant, specimen.label, agent, status="failed", reason=f"{agent}: {reason}")
    return _sample(specimen.variant, specimen.label, agent, values=_values(specimen.of_agent(agent)))


def _values(counted: Count) -> dict[str, Any]:
    return {
        "lines": counted.lines,
        "tokens": counted.tokens,
        "names": sorted(counted.names),
        "schema_fields": counted.schema_fields,
        "complexity": counted.complexity,
    }


def _sample(variant: str, specimen: str, part: str, **more: Any) -> Sample:
    cell = {"guarantee": "G1", "side": "consumer", "specimen": specimen, "part": part}
    return Sample(metric=METRIC, variant=variant, cell=cell, at=time.time(), **more)
