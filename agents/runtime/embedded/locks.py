"""The lock by which each process that has the file open shows that it lives.

It is an exclusive flock(2) on a file of its own beside the store. The kernel drops it the moment the process is gone, however
it went, and no clock or process id can mislead.
"""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def lock_is_held(store: Path, owner: str) -> bool:
    """False when that owner's process is known to be gone. Only for owners that the store names: those hold their lock. Where
    there is no flock, everyone may live.
    """
    if sys.platform == "win32":
        return True
    try:
        fd = os.open(_file(store, owner), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look at once do not mistake each other for it
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class OwnerLock:
    """This engine's own lock, held from before its first claim until `release`. `id` names it in the store."""

    def __init__(self, store: Path) -> None:
        self.id = uuid.uuid4().hex
        self._store = store
        self._fd = os.open(_file(store, self.id), os.O_RDWR | os.O_CREAT, 0o644)
        if sys.platform != "win32":
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_dead(self, owner: str) -> bool:
        return not lock_is_held(self._store, owner)

    def sweep(self, owner: str) -> None:
        """Remove a dead owner's lock file."""
        _file(self._store, owner).unlink(missing_ok=True)

    def release(self) -> None:
        os.close(self._fd)
        self.sweep(self.id)


def _file(store: Path, owner: str) -> Path:
    return store.with_name(f"{store.name}-owner-{owner}")
