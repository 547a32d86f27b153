"""Routing between a weak and a strong model, and where to put the threshold."""

from typing import TYPE_CHECKING

from ...lazy import imported_when_asked_for

if TYPE_CHECKING:
    from .skills import agent

__all__ = ["agent"]

DESCRIPTION = "Routes queries between a weak and a strong model; tunes the threshold on the cost-quality frontier."

__getattr__ = imported_when_asked_for(__name__, {"skills": ["agent"]})
