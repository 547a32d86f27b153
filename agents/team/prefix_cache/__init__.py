"""Content-addressed prefix caching of a model's KV cache: memory planning and trace replay."""

from typing import TYPE_CHECKING

from ...lazy import imported_when_asked_for

if TYPE_CHECKING:
    from .skills import agent

__all__ = ["agent"]

DESCRIPTION = "Plans the memory of a KV cache; replays request traces through a content-addressed prefix cache (LRU)."

__getattr__ = imported_when_asked_for(__name__, {"skills": ["agent"]})
