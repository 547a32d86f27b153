"""`sametask serve`: variants on their addresses, until SIGTERM or Ctrl-C, then drained."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping

from ..agents.errors import InvalidInput, SametaskError
from ..agents.runtime import open_engine
from ..protocols.serving import servable, serve_all
from ..protocols.variants import Bind, Endpoint
from .agents import roster_of


async def run_server(
    files: list[str], protocol: str, host: str, port: int, engine_url: str, advertise: list[str], as_json: bool
) -> int:
    """Serve until told to stop. With `as_json`, one line of JSON on stdout says `ready` or `error`, for the program that
    started this one.
    """
    try:
        chosen = servable([name.strip() for name in protocol.split(",") if name.strip()])
        if not chosen:
            raise InvalidInput("protocol", protocol, "accepted: one or more variants, separated by commas")
        bind = Bind(host, port, _advertised(advertise))
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with (
            open_engine(engine_url, roster_of(files)) as engine,
            serve_all(engine, chosen, bind) as endpoints,
        ):
            if chosen[0].listeners:
                _announce(endpoints, as_json)
            await _first(stop, endpoints[chosen[0].name].closed or asyncio.Event())
    except SametaskError as error:
        if as_json:
            print(json.dumps({"error": error.to_json()}), flush=True)
            return 2
        raise
    return 0


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


def _announce(endpoints: Mapping[str, Endpoint], as_json: bool) -> None:
    if as_json:
        ready = {name: {"url": end.url, "listeners": dict(end.listeners)} for name, end in endpoints.items()}
        print(json.dumps({"ready": ready, "pid": os.getpid()}), flush=True)
        return
    width = max(map(len, endpoints))
    for name, end in endpoints.items():
        others = "  ".join(f"{listener} {address}" for listener, address in end.listeners.items() if address not in end.url)
        print(f"{name:<{width}}  {end.url}" + (f"  ({others})" if others else ""), flush=True)
    print("ready; Ctrl-C drains and stops", file=sys.stderr, flush=True)


def _advertised(pairs: list[str]) -> dict[str, str]:
    advertise: dict[str, str] = {}
    for pair in pairs:
        name, separator, address = pair.partition("=")
        if not separator or not address.rpartition(":")[2].isdigit():
            raise InvalidInput("advertise", pair, "accepted: LISTENER=HOST:PORT")
        advertise[name] = address
    return advertise
