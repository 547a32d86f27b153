"""What can be served beside the skills: tools and resources of the server's own, with no MCP type in sight.

::

    ExtraTool("open_report", "Opens a report", OpenReport, open_report, output=Opened, read_only=True)

    async def open_report(request: OpenReport, progress: Progress) -> Opened:
        await progress(1, 3, "reading the samples")
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel


class Progress(Protocol):
    """Tells the caller how far the tool is; silent where the caller did not ask for it."""

    async def __call__(
        self, done: float, total: float | None = None, text: str = "", *, event: tuple[str, int] | None = None
    ) -> None:
        """`event` is the task and the number of its event that is told so: a stream can be resumed after it (2025-11-25)."""
        ...


@dataclass(frozen=True)
class ExtraTool:
    """A tool. `handler(request, progress)` is given the validated `input` and gives a model of `output`, or text where
    there is none. What it raises is the tool's error: a SametaskError keeps its class.

    `read_only` and `idempotent` are the hints of MCP's ToolAnnotations; `destructive` is true for what cannot be undone.
    """

    name: str
    description: str
    input: type[BaseModel]
    handler: Callable[[Any, Progress], Awaitable[Any]]
    output: type[BaseModel] | None = None
    title: str = ""
    read_only: bool = False
    idempotent: bool = False
    destructive: bool = False


@dataclass(frozen=True)
class ExtraResource:
    """A resource, or a template of many where `uri` has `{names}` (RFC 6570, level 1): `read(values)` gives the content,
    str for text and bytes for anything else.

    Raises: `read` raises NotFound for values that name nothing.
    """

    uri: str
    name: str
    description: str
    read: Callable[[Mapping[str, str]], Awaitable[str | bytes]]
    media_type: str = "application/json"
    title: str = ""
