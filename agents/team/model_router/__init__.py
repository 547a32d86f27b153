"""Routing between a weak and a strong model, and where to put the threshold."""

from .skills import agent

__all__ = ["agent"]
