"""Serve any set of variants from one process over one engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from ..agents.engine import TaskEngine
from ..agents.errors import InvalidInput
from .variants import Bind, Endpoint, Variant, variants

LAST_PORT = 65_535


def servable(names: Sequence[str]) -> list[Variant]:
    """The variants of these names, each with a server of its own.

    Raises: InvalidInput for an unknown name, one given twice, one that cannot be served, or a stdio variant beside others.
    """
    known = {name: variant for name, variant in variants().items() if variant.server}
    for name in names:
        if name not in known:
            raise InvalidInput("protocol", name, "accepted: one or more of: " + ", ".join(known))
        if names.count(name) > 1:
            raise InvalidInput("protocol", name, "accepted: each variant once")
    chosen = [known[name] for name in names]
    for variant in chosen:
        if not variant.listeners and len(chosen) > 1:
            raise InvalidInput("protocol", variant.name, "accepted: alone, since it speaks on this process's own pipes")
    return chosen


@asynccontextmanager
async def serve_all(engine: TaskEngine, chosen: Sequence[Variant], bind: Bind) -> AsyncGenerator[dict[str, Endpoint]]:
    """Yields the endpoint of each variant by name. The listeners take consecutive ports from `bind.port`, in the order
    given; variants with the same server half share one.

    Raises: Unavailable when a port cannot be bound; InvalidInput when the last of them would be above 65535.
    """
    needed = sum(len(listeners) for listeners in {variant.server: variant.listeners for variant in chosen}.values())
    if bind.port and bind.port + needed - 1 > LAST_PORT:
        raise InvalidInput(
            "port", bind.port, f"accepted: up to {LAST_PORT - needed + 1} ({needed} listeners take consecutive ports), or 0"
        )
    endpoints: dict[str, Endpoint] = {}
    by_server: dict[str, Endpoint] = {}
    port = bind.port
    async with AsyncExitStack() as stack:
        for variant in chosen:
            if variant.server not in by_server:
                place = replace(bind, port=port)
                by_server[variant.server] = await stack.enter_async_context(variant.serve()(engine, place))
                port += len(variant.listeners) if port else 0
            shared = by_server[variant.server]
            endpoints[variant.name] = replace(shared, url=variant.address(shared.listeners))
        yield endpoints
