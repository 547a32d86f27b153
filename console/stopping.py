"""SIGTERM and Ctrl-C, as an event: a service drains before it ends."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_signals() -> Generator[asyncio.Event]:
    """Set by SIGTERM or Ctrl-C; the second one ends the process at once, which loses nothing that is stored."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    before: dict[int, Any] = {}

    def begin(*_: object) -> None:
        for number in before:
            signal.signal(number, signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    # Not the loop's own handlers: a skill that blocks the loop would keep them from being heard.
    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, begin)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
