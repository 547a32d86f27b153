"""One who follows a task: told by the commits of this process, and by the file where others write."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from ...events import Event
from . import log
from .store import Store

MAX_COUNT = 256
MAX_BYTES = 2**20


class Follower:
    """What was committed here is handed over as it is; what is missing in between, or was too much to keep, is read."""

    def __init__(self, store: Store, n: int) -> None:
        self._store, self._n = store, n
        self._news = asyncio.Event()
        self._told: deque[log.Stored] = deque()
        self._told_bytes = 0
        self._unread = True

    def hear(self, results: Sequence[Any] = ()) -> None:
        """Something was written to the task: with these results, or none that is known here."""
        for result in results:
            if not isinstance(result, log.Stored):  # it may have told an event, as a question does
                self._unread = True
            elif result is not log.NOTHING_TOLD:
                self._told.append(result)
                self._told_bytes += len(result.body)
        if len(self._told) > MAX_COUNT or self._told_bytes > MAX_BYTES:  # whoever reads slowly reads from the file
            self._told.clear()
            self._told_bytes = 0
            self._unread = True
        self._unread = self._unread or not results
        self._news.set()

    def page(self, after: int) -> list[Event]:
        """The next events above `after`, none where there is none yet. The file is read only where it may hold others."""
        self._news.clear()
        found: list[Event] = []
        # Only as far as nothing is missing: an event that a question or an answer told is not among them.
        while self._told and self._told[0].seq <= after + 1:
            told = self._told.popleft()
            self._told_bytes -= len(told.body)
            if told.seq == after + 1:
                found.append(told.event())
                after += 1
        if not found and (self._unread or self._told):
            found, self._unread = self._store.read(log.page, self._n, after)
        return found

    async def wait(self) -> None:
        """Until there is something to look for that was not there when `page` looked."""
        await self._news.wait()
