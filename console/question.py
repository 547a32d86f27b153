"""Answer what a task asks: from `--answer FIELD=VALUE`, else by asking the person at the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from rich.console import Console

from ..agents.errors import Conflict, InvalidInput
from ..agents.events import OpenQuestion
from .request import pairs, typed_value


class Answers:
    """Shape: `asked` tells whether the last answer was, at least in part, typed by a person."""

    def __init__(self, given: Sequence[str], stderr: Console) -> None:
        self._given = dict(pairs("answer", given))
        self._stderr = stderr
        self._lines = _Lines()
        self.asked = False

    async def answer(self, question: OpenQuestion) -> dict[str, Any]:
        """The answer, field by field.

        Raises: InvalidInput when `--answer` names none of the question's fields; Conflict when there is nobody to ask.
        """
        fields: dict[str, dict[str, Any]] = question.answer_schema.get("properties", {})
        required: list[str] = question.answer_schema.get("required", [])
        answer = {name: typed_value(text, fields[name]) for name, text in self._given.items() if name in fields}
        if self._given and not answer:
            names = ", ".join(fields)
            raise InvalidInput("answer", ", ".join(self._given), f"the task asks {question.text!r}; accepted fields: {names}")
        wanted = [name for name in fields if name not in answer and (not self._given or name in required)]
        self.asked = bool(wanted)
        for n, name in enumerate(wanted):
            title = "" if n else question.text
            line = await self._ask(title, name, fields[name])
            if line is None:
                raise Conflict(f"the task asks {question.text!r}; nobody is at the terminal, accepted: --answer {name}=VALUE")
            if line or name in required:
                answer[name] = typed_value(line, fields[name])
        return answer

    async def _ask(self, title: str, name: str, spec: Mapping[str, Any]) -> str | None:
        terminal = sys.stdin.isatty()
        # Without a terminal there is nobody to prompt: what was asked is shown once there is an answer to it.
        line = None if terminal else await self._lines.next()
        if not terminal and line is None:
            return None
        if title:
            self._stderr.print(title, style="bold", highlight=False, markup=False, soft_wrap=True)
        self._stderr.print(f"  {name} ({_hint(spec)}): ", end="", highlight=False, markup=False, soft_wrap=True)
        if terminal:
            try:
                line = await self._lines.next()
            except asyncio.CancelledError:
                self._stderr.print()  # Ctrl-C: what is said next does not belong to the prompt
                raise
        else:
            self._stderr.print(line, highlight=False, markup=False, soft_wrap=True)
        return None if line is None else line.strip()


def _hint(spec: Mapping[str, Any]) -> str:
    """What may be typed, as `a, b` or the name of a type, and what no answer means."""
    choices = spec.get("enum") or ([spec["const"]] if "const" in spec else None)
    kind = "yes, no" if spec.get("type") == "boolean" else str(spec.get("type", "text"))
    default = f"; default: {spec['default']}" if spec.get("default") is not None else ""
    return (", ".join(map(str, choices)) if choices else kind) + default


class _Lines:
    """Lines of stdin, read so that Ctrl-C is heard meanwhile: a blocking readline would hold the event loop."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    async def next(self) -> str | None:
        """Shape: the next line without its end; None at the end of the input."""
        while (end := self._buffer.find(b"\n")) < 0:
            try:
                await anyio.wait_readable(0)
            except PermissionError:
                pass  # a plain file is always readable, and epoll does not take it
            except OSError:
                return None  # stdin is closed
            chunk = os.read(0, 4096)
            if not chunk:
                rest = self._buffer.decode(errors="replace")
                self._buffer.clear()
                return rest or None
            self._buffer += chunk
        line = self._buffer[:end].decode(errors="replace")
        del self._buffer[: end + 1]
        return line
