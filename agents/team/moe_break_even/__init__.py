"""When a mixture-of-experts deployment beats a dense one, in tokens per dollar."""

from .skills import agent

__all__ = ["agent"]
