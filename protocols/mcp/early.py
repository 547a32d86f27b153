"""This process's pipes, opened before the SDK is imported: the first requests are answered where they can be, and then the SDK
is given everything that was read, as if nobody had.
"""

from __future__ import annotations

import asyncio
import json
import select
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from .first_answer import Answered, FirstAnswers, NotYet, Tools
from .pipes import LinesIn, LinesOut, is_pipe, open_pipes, taken

HELD_COUNT, HELD_CHARS = 64, 2**16
"""How many lines are read ahead of the SDK, at most, and how long the last of them must be to be the last."""


class EarlyPipes:
    """`begun` is set once the first line has been dealt with: answered, or held. `left` is set once the client has gone while
    nothing that it asked is unanswered.
    """

    def __init__(self, lines: LinesIn, out: LinesOut, first_answers: FirstAnswers) -> None:
        self.begun, self.left = asyncio.Event(), asyncio.Event()
        self._lines, self._out, self._first_answers = lines, out, first_answers
        self._held: deque[str] = deque()
        self._answered: deque[Answered] = deque()
        self._tools_known, self._idle = asyncio.Event(), asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def tell_tools(self, tools: Tools) -> None:
        """From now on tools/list is answered; returns once it is, where it was asked before."""
        self._first_answers.tools = tools
        self._tools_known.set()
        await self._idle.wait()

    async def hand_over(self) -> tuple[HeldLines, LinesOut]:
        """Stop reading. Shape: the lines that were read and those still to come, and where to write."""
        await self.stop()
        once = AnsweredOnce(self._out)
        return HeldLines(self._held, self._lines, self._answered, once), once

    async def stop(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        if not self._reading.cancelled() and (error := self._reading.exception()) is not None:
            raise error

    async def _read(self) -> None:
        """Answer what can be, up to the first request that is left to the SDK: so a client that leaves is noticed."""
        self._idle.set()
        try:
            async for line in self._lines:
                self._held.append(line)
                if _asks(line):
                    answered = await self._answer(line)
                    if answered is None:
                        return
                    self._answered.append(answered)
                    await self._out.write(answered.text + "\n")
                    await self._out.flush()
                self.begun.set()
                self._idle.set()
                if len(self._held) == HELD_COUNT or len(line) > HELD_CHARS:
                    return
            self.left.set()
        finally:
            self.begun.set()
            self._idle.set()

    async def _answer(self, line: str) -> Answered | None:
        try:
            return self._first_answers.to(line)
        except NotYet:
            self.begun.set()
            self._idle.clear()
            await self._tools_known.wait()
            return self._first_answers.to(line)


@asynccontextmanager
async def early_pipes(first_answers: FirstAnswers, limit_bytes: int) -> AsyncGenerator[EarlyPipes | None]:
    """Yields the pipes, with what is in them already dealt with; None where stdin and stdout are not pipes: those are the SDK's
    to read. While the block runs, what others print goes to stderr.
    """
    if not all(is_pipe(fd) for fd in (0, 1)):
        yield None
        return
    with taken() as ends:
        waiting = bool(select.select([ends[0]], [], [], 0)[0])
        async with open_pipes(ends, limit_bytes) as (lines, out):
            early = EarlyPipes(lines, out, first_answers)
            try:
                if waiting:
                    await early.begun.wait()
                yield early
            finally:
                await early.stop()


class HeldLines:
    """Yields the lines that were held, then the others. Nothing follows a request that has been answered already before the SDK
    has settled it too.
    """

    def __init__(self, held: deque[str], lines: LinesIn, answered: deque[Answered], once: AnsweredOnce) -> None:
        self._held, self._lines, self._answered, self._once = held, lines, answered, once

    def __aiter__(self) -> HeldLines:
        return self

    async def __anext__(self) -> str:
        await self._once.settled.wait()
        if not self._held:
            return await anext(self._lines)
        line = self._held.popleft()
        if self._answered and line is self._answered[0].line:
            self._once.drop(self._answered.popleft())
        return line


class AnsweredOnce(LinesOut):
    """Writes everything but the SDK's own answer to what is answered already. `settled` is set while none is to come."""

    def __init__(self, out: LinesOut) -> None:
        self._out = out
        self._answered: Answered | None = None
        self.settled = asyncio.Event()
        self.settled.set()

    def drop(self, answered: Answered) -> None:
        """Write no answer to this one."""
        self._answered = answered
        self.settled.clear()

    async def write(self, text: str) -> None:
        if self._answered is None or not _answers(text, self._answered):
            await self._out.write(text)
            return
        if json.loads(text) != json.loads(self._answered.text):
            # What was said cannot be taken back. The test that compares the two is to be run with this release of the SDK.
            print(f"the SDK would have answered {text.rstrip()}", file=sys.stderr)
        self._answered = None
        self.settled.set()

    async def flush(self) -> None:
        await self._out.flush()


def _answers(text: str, answered: Answered) -> bool:
    said = json.loads(text)
    return "method" not in said and said.get("id") == answered.id


def _asks(line: str) -> bool:
    """Whether the line may be a request: it is neither a notification nor a response for sure."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return True
    return not (isinstance(message, dict) and (("method" in message) != ("id" in message)))
