"""The defects of libraries that docs/ tells of are there, in the versions that are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "docs" / "reproductions"


def test_mcp_tells_a_resumed_client_another_sessions_messages():
    command = [sys.executable, SCRIPTS / "mcp_sessions_share_events.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("ours was told: the secret of theirs\n", 0), done.stderr
