"""Keep stdout for what was asked for: whatever else prints (an agent of the user's, a library) goes to stderr meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO


@contextmanager
def claimed_stdout() -> Generator[TextIO]:
    """Yields the real stdout. By file descriptor too, so that it also holds for child processes and C libraries."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as out, redirect_stdout(sys.stderr):
            yield out
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
