"""`sametask serve`: variants on their addresses, until SIGTERM or Ctrl-C, then drained."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TextIO

from ..agents.contract import Roster
from ..agents.errors import InvalidInput, SametaskError
from ..agents.runtime import open_engine
from ..agents.runtime.urls import shown
from ..protocols.serving import servable, serve_all
from ..protocols.variants import Bind, Endpoint, Variant
from ..protocols.webhook_settings import WebhookSettings
from ..protocols.webhook_targets import Targets
from .agents import roster_of
from .stdout import claimed_stdout
from .stopping import stop_signals


@dataclass(frozen=True)
class Service:
    """What the person, or the program that starts this one, typed."""

    files: tuple[str, ...]
    protocol: str
    host: str
    port: int
    engine: str
    advertise: tuple[str, ...]
    as_json: bool
    until_stdin_closes: bool
    allow_webhook: tuple[str, ...] = ()


async def run_server(service: Service) -> int:
    """Serve until told to stop. Shape: the exit code. With `as_json`, one line of JSON on stdout says `ready` or `error`,
    for the program that started this one.

    Raises: InvalidInput for what was typed, Unavailable for a port or a store that cannot be had.
    """
    with ExitStack() as stack:
        out = stack.enter_context(claimed_stdout())
        try:
            chosen = servable([name.strip() for name in service.protocol.split(",") if name.strip()])
            if not chosen:
                raise InvalidInput("protocol", service.protocol, "accepted: one or more variants, separated by commas")
            webhooks = WebhookSettings(Targets.of(service.allow_webhook))
            advertise = _advertised(service.advertise)
            bind = Bind(service.host, service.port, advertise, store=service.engine, webhooks=webhooks)
            roster = roster_of(service.files)
            await _serve(service, chosen, bind, roster, out, stack)
        except SametaskError as error:
            if not service.as_json or out.closed:
                raise
            print(json.dumps({"error": error.to_json()}), file=out, flush=True)
            return 2
    return 0


async def _serve(service: Service, chosen: list[Variant], bind: Bind, roster: Roster, out: TextIO, claimed: ExitStack) -> None:
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stop_signals())
        engine = await stack.enter_async_context(open_engine(service.engine, roster))
        if not chosen[0].listeners:
            # Not earlier: a task that goes on from last time runs, and prints, from here.
            claimed.close()  # the protocol speaks on this process's own stdout
        endpoints = await stack.enter_async_context(serve_all(engine, chosen, bind))
        # What was made until here stays until the end: the collector need not walk it again and again while calls come.
        gc.collect()
        gc.freeze()
        orphaned = await stack.enter_async_context(_stdin_closed(service.until_stdin_closes))
        if chosen[0].listeners:
            _announce(service, endpoints, roster, out)
        elif sys.stdin.isatty():
            print(f"{chosen[0].name} speaks on stdin and stdout, which a client is to hold; Ctrl-C stops", file=sys.stderr)
        await _first(stop, orphaned, endpoints[chosen[0].name].closed or asyncio.Event())
        if stop.is_set() and not service.as_json:
            print("draining; unfinished tasks go on when the store is served again", file=sys.stderr, flush=True)


@asynccontextmanager
async def _stdin_closed(wanted: bool) -> AsyncGenerator[asyncio.Event]:
    """Set once the program at the other end of our stdin is gone; never, where that is not wanted."""
    closed = asyncio.Event()
    if not wanted:
        yield closed
        return

    class Watch(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            closed.set()

    transport, _ = await asyncio.get_running_loop().connect_read_pipe(Watch, os.fdopen(os.dup(0), "rb", 0))
    try:
        yield closed
    finally:
        transport.close()


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _announce(service: Service, endpoints: Mapping[str, Endpoint], roster: Roster, out: TextIO) -> None:
    if service.as_json:
        ready = {name: {"url": end.url, "listeners": dict(end.listeners)} for name, end in endpoints.items()}
        print(json.dumps({"ready": ready, "pid": os.getpid()}), file=out, flush=True)
        return
    width = max(map(len, endpoints))
    for name, end in endpoints.items():
        others = "  ".join(f"{listener} {address}" for listener, address in end.listeners.items() if address not in end.url)
        print(f"{name:<{width}}  {end.url}" + (f"  ({others})" if others else ""), file=out, flush=True)
    agents = ", ".join(roster)
    print(f"serving {agents}; tasks in {shown(service.engine)}; Ctrl-C drains and stops", file=sys.stderr, flush=True)


def _advertised(pairs: tuple[str, ...]) -> dict[str, str]:
    advertise: dict[str, str] = {}
    for pair in pairs:
        name, separator, address = pair.partition("=")
        if not separator or not address.rpartition(":")[2].isdigit():
            raise InvalidInput("advertise", pair, "accepted: LISTENER=HOST:PORT")
        advertise[name] = address
    return advertise
