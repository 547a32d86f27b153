"""Artifacts that were handed out in chunks, put together."""

from __future__ import annotations

from collections.abc import Iterable

from ..events import Artifact


def merged(chunks: Iterable[Artifact]) -> tuple[Artifact, ...]:
    """The artifacts that these chunks make up, in the order in which each began."""
    whole: dict[str, Artifact] = {}
    for chunk in chunks:
        before = whole[chunk.name].parts if chunk.append and chunk.name in whole else ()
        whole[chunk.name] = Artifact(name=chunk.name, parts=before + chunk.parts, last=chunk.last)
    return tuple(whole.values())
