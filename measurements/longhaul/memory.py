"""How much memory a process has come to need, where its system tells that."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path


def watch_memory(pid: int) -> int | None:
    """Its resident bytes; its peak begins to be counted anew. None where the system does not tell."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        return _status(pid, "VmRSS")
    return None


def peak_memory(pid: int) -> int | None:
    """The most resident bytes that it had since then."""
    with suppress(OSError):
        return _status(pid, "VmHWM")
    return None


def _status(pid: int, name: str) -> int | None:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None
