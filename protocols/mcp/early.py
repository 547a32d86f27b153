"""This process's pipes, opened before the SDK is imported: the first request is answered at once where it can be, and then the
SDK is given everything that was read, as if nobody had.
"""

from __future__ import annotations

import asyncio
import json
import select
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .first_answer import Answered, FirstAnswer
from .pipes import LinesIn, LinesOut, is_pipe, open_pipes, taken

HELD_COUNT = 64
"""How many lines are read ahead of the SDK, at most."""


class EarlyPipes:
    """`begun` is set once the first line has been dealt with: answered, or held for the SDK. `left` is set once the client has
    gone while nothing that it asked is unanswered.
    """

    def __init__(self, lines: LinesIn, out: LinesOut, first_answer: FirstAnswer) -> None:
        self.begun, self.left = asyncio.Event(), asyncio.Event()
        self._lines, self._out, self._first_answer = lines, out, first_answer
        self._held: deque[str] = deque()
        self._answered: Answered | None = None
        self._reading = asyncio.create_task(self._read())

    async def hand_over(self) -> tuple[HeldLines, LinesOut]:
        """Stop reading. Shape: the lines that were read and those still to come, and where to write."""
        await self.stop()
        once = None if self._answered is None else AnsweredOnce(self._out, self._answered)
        return HeldLines(self._held, self._lines, once), once or self._out

    async def stop(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        if not self._reading.cancelled() and (error := self._reading.exception()) is not None:
            raise error

    async def _read(self) -> None:
        """Read ahead up to the first line that is left to the SDK to answer, so that a client that leaves is noticed."""
        async for line in self._lines:
            self._held.append(line)
            asks = _asks(line)
            if asks and self._answered is None and (answered := self._first_answer.to(line)) is not None:
                self._answered = answered
                await self._out.write(answered.text + "\n")
                await self._out.flush()
                asks = False
            self.begun.set()
            if asks or len(self._held) == HELD_COUNT:
                return
        self.begun.set()
        self.left.set()


@asynccontextmanager
async def early_pipes(first_answer: FirstAnswer, limit_bytes: int) -> AsyncGenerator[EarlyPipes | None]:
    """Yields the pipes, with what is in them already dealt with; None where stdin and stdout are not pipes: those are the SDK's
    to read. While the block runs, what others print goes to stderr.
    """
    if not all(is_pipe(fd) for fd in (0, 1)):
        yield None
        return
    with taken() as ends:
        waiting = bool(select.select([ends[0]], [], [], 0)[0])
        async with open_pipes(ends, limit_bytes) as (lines, out):
            early = EarlyPipes(lines, out, first_answer)
            try:
                if waiting:
                    await early.begun.wait()
                yield early
            finally:
                await early.stop()


class HeldLines:
    """Yields the lines that were held, then the others. Where the first request has been answered already, nothing follows it
    before the SDK has settled it too.
    """

    def __init__(self, held: deque[str], lines: LinesIn, once: AnsweredOnce | None) -> None:
        self._held, self._lines, self._once = held, lines, once
        self._settling: asyncio.Event | None = None

    def __aiter__(self) -> HeldLines:
        return self

    async def __anext__(self) -> str:
        if self._settling is not None:
            await self._settling.wait()
            self._settling = None
        if not self._held:
            return await anext(self._lines)
        line = self._held.popleft()
        if self._once is not None and line is self._once.answered.line:
            self._settling = self._once.settled
        return line


class AnsweredOnce(LinesOut):
    """Writes everything but the SDK's own answer to what is answered already."""

    def __init__(self, out: LinesOut, answered: Answered) -> None:
        self._out, self.answered = out, answered
        self.settled = asyncio.Event()

    async def write(self, text: str) -> None:
        if self.settled.is_set() or not self._is_the_answer(text):
            await self._out.write(text)
            return
        if json.loads(text) != json.loads(self.answered.text):
            # What was said cannot be taken back. The test that compares the two is to be run with this release of the SDK.
            print(f"the SDK would have answered {text.rstrip()}", file=sys.stderr)
        self.settled.set()

    async def flush(self) -> None:
        await self._out.flush()

    def _is_the_answer(self, text: str) -> bool:
        said = json.loads(text)
        return "method" not in said and said.get("id") == self.answered.id


def _asks(line: str) -> bool:
    """Whether the line may be a request: it is neither a notification nor a response for sure."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not (isinstance(message, dict) and (("method" in message) != ("id" in message)))
