"""What holds for every test."""

import os
import shutil
import signal
from pathlib import Path

import pytest

# A runner that was started in the background ignores SIGINT, and so would every process that a test starts: Ctrl-C could not
# be tried. A handler of ours is not inherited through exec, so that they begin with the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# As `console/main.py` does. Else, between fork and exec, gRPC may wake up in the child, find its descriptors closed, and abort.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


@pytest.fixture
def copied_package(tmp_path: Path) -> Path:
    """A copy of the `sametask` package, to be extended: its folder. It is imported where its parent is on PYTHONPATH."""
    root, package = Path(__file__).parents[1], tmp_path / "packages" / "sametask"
    for folder in ("agents", "protocols", "proto", "measurements", "console"):
        shutil.copytree(root / folder, package / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text("")
    return package
