"""Content-addressed prefix caching of a model's KV cache: memory planning and trace replay."""

from .skills import agent

__all__ = ["agent"]
