"""A task's outcome as a tool result, and back: the result as structured content, artifacts as content blocks.

An artifact's part is one block, marked in its `_meta` with the artifact's name, so that nothing travels twice: text is a text
block, data an embedded JSON resource, a file an embedded blob or a resource link.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import quote

import mcp.types as t
import pydantic_core

from ...agents.errors import SametaskError
from ...agents.events import Artifact, DataPart, FilePart, Part, Task, TextPart
from .failures import tool_error
from .listing import WRAPPED
from .wire import PART, WRAP

JSON = "application/json"


def tool_result(value: Any, blocks: list[t.ContentBlock] | None = None) -> t.CallToolResult:
    """A value as structured content, and as text for a host that reads only text (2026-07-28, server/tools,
    "Structured Content").
    """
    text = t.TextContent(type="text", text=pydantic_core.to_json(value).decode())
    content = [text, *(blocks or [])]
    if isinstance(value, dict):
        return t.CallToolResult(content=content, structured_content=value)
    return t.CallToolResult(content=content, structured_content={WRAPPED: value}, _meta={WRAP: True})


def final_result(task: Task) -> t.CallToolResult:
    """The tool result of a task that completed, failed or was rejected or canceled."""
    blocks = [_block(task.id, artifact, part, i) for artifact in task.artifacts for i, part in enumerate(artifact.parts)]
    if task.error is not None:
        failed = tool_error(SametaskError.from_json(task.error.model_dump()))
        failed.content.extend(blocks)
        return failed
    if task.state.terminal and task.result is None:
        ended = t.TextContent(type="text", text=f"the task {task.id} is {task.state}")
        return t.CallToolResult(content=[ended, *blocks], is_error=True)
    return tool_result(task.result, blocks)


def value_of(result: t.CallToolResult) -> Any:
    """The value of a tool result: its structured content, else its text."""
    value = result.structured_content
    if value is None:
        return "\n".join(block.text for block in result.content if isinstance(block, t.TextContent) and not _mark(block))
    return value[WRAPPED] if (result.meta or {}).get(WRAP) else value


def artifacts_of(result: t.CallToolResult) -> tuple[Artifact, ...]:
    """The artifacts whose parts are among the content blocks, in order."""
    parts: dict[str, list[Part]] = {}
    for block in result.content:
        mark = _mark(block)
        if mark is not None and (part := _part(block, str(mark.get("kind")))) is not None:
            parts.setdefault(str(mark.get("artifact")), []).append(part)
    return tuple(Artifact(name=name, parts=tuple(found)) for name, found in parts.items())


def _block(task_id: str, artifact: Artifact, part: Part, index: int) -> t.ContentBlock:
    meta: dict[str, Any] = {PART: {"artifact": artifact.name, "kind": part.kind}}
    if isinstance(part, TextPart):
        return t.TextContent(type="text", text=part.text, _meta=meta)
    uri = f"sametask://tasks/{task_id}/artifacts/{quote(artifact.name, safe='')}/{index}"
    if isinstance(part, DataPart):
        text = pydantic_core.to_json(part.data).decode()
        return t.EmbeddedResource(
            type="resource", resource=t.TextResourceContents(uri=uri, mime_type=JSON, text=text), _meta=meta
        )
    if part.base64 is None and part.url is not None:
        return t.ResourceLink(type="resource_link", name=part.name, uri=part.url, mime_type=part.media_type, _meta=meta)
    meta[PART]["name"] = part.name
    blob = t.BlobResourceContents(uri=uri, mime_type=part.media_type, blob=part.base64 or "")
    return t.EmbeddedResource(type="resource", resource=blob, _meta=meta)


def _mark(block: t.ContentBlock) -> dict[str, Any] | None:
    mark = (block.meta or {}).get(PART)
    return cast(dict[str, Any], mark) if isinstance(mark, dict) else None


def _part(block: t.ContentBlock, kind: str) -> Part | None:
    if isinstance(block, t.TextContent):
        return TextPart(text=block.text)
    if isinstance(block, t.ResourceLink):
        return FilePart(name=block.name, media_type=block.mime_type or "", url=block.uri)
    if isinstance(block, t.EmbeddedResource):
        held = block.resource
        if isinstance(held, t.BlobResourceContents):
            name = str((_mark(block) or {}).get("name", ""))
            return FilePart(name=name, media_type=held.mime_type or "", base64=held.blob)
        if kind == "data":
            return DataPart(data=pydantic_core.from_json(held.text))
        return TextPart(text=held.text)
    return None
