"""This machine among others: its name, its lock, and how far its clock is from the coordinator's."""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def host_name() -> str:
    """The host's name, and a mark that tells two of one name apart. The machine's id is not to be made public, so the mark is a
    keyed hash of it (machine-id(5)).
    """
    name = re.sub(r"[^A-Za-z0-9.-]", "-", platform.node())[:63] or "host"
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            machine = Path(path).read_bytes().strip()
        except OSError:
            continue
        if machine:
            return f"{name}-{hmac.new(machine, b'sametask measurements', hashlib.sha256).hexdigest()[:6]}"
    return name


class Lock:
    """An flock(2) on a file, which the kernel drops with the process. Where there is none, everybody gets it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def take(self, alone: bool = True) -> bool:
        """Whether it is held now: `alone`, or beside others that are not."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if sys.platform != "win32":
            try:
                fcntl.flock(fd, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
        self._fd = fd
        return True

    def leave(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def host_lock() -> Lock:
    """The one that the measuring processes of this user on this machine share."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Lock(Path(tempfile.gettempdir()) / f"sametask-measuring-{user}.lock")


@dataclass(frozen=True)
class Exchange:
    """One question for the time. Units: milliseconds, `sent` by our clock and `told` by the other's."""

    sent: float
    told: float
    round_trip: float

    @property
    def offset_ms(self) -> float:
        """What is to be added to our clock. It is off by no more than the uncertainty, however the way there and the way back
        differ (RFC 5905 section 8).
        """
        return self.told - (self.sent + self.round_trip / 2)

    @property
    def uncertainty_ms(self) -> float:
        return self.round_trip / 2
