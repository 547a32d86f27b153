"""When a mixture-of-experts deployment beats a dense one, in tokens per dollar."""

from typing import TYPE_CHECKING

from ...lazy import imported_when_asked_for

if TYPE_CHECKING:
    from .skills import agent

__all__ = ["agent"]

DESCRIPTION = "Tells when a mixture-of-experts deployment decodes more tokens per dollar than a dense one, and why."

__getattr__ = imported_when_asked_for(__name__, {"skills": ["agent"]})
