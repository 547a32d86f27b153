"""Where tasks and runs are kept when the host's configuration says nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from sametask.console.mcp_server.places import default_engine, runs_folder, state_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("platform", "below"), [("linux", ".local/state/sametask"), ("darwin", "Library/Application Support/sametask")]
)
def test_the_users_own_state_folder(home: Path, monkeypatch: pytest.MonkeyPatch, platform: str, below: str) -> None:
    monkeypatch.setattr("sys.platform", platform)
    assert state_folder() == home / below
    assert state_folder().is_dir()
    assert default_engine() == f"sqlite:///{home / below}/tasks.db"
    assert runs_folder("") == home / below / "runs"


def test_xdg_says_where_unless_it_is_relative(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    assert state_folder() == tmp_path / "elsewhere" / "sametask"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folder() == home / ".local/state/sametask"


def test_a_home_that_cannot_be_made_gives_a_temporary_folder(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("a file where the home should be")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert state_folder().parent == tmp_path


def test_runs_of_the_working_directory_come_first(home: Path) -> None:
    made = Path("runs") / "20261123T213000Z-quick-nogit"
    made.mkdir(parents=True)
    assert runs_folder("") == home / ".local/state/sametask/runs"
    (made / "run.json").write_text("{}")
    assert runs_folder("") == Path("runs").absolute()


def test_a_folder_that_was_named_is_taken(home: Path) -> None:
    assert runs_folder("mine") == Path("mine").absolute()
    assert runs_folder("~/mine") == home / "mine"
