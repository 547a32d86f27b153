"""What was measured survives whatever happens to the run; a folder that cannot be read says why in one line."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sametask.agents.errors import InvalidInput
from sametask.measurements import provenance
from sametask.measurements.run_folder import SCHEMA_VERSION, Options, RunFolder, json_ready, latest
from sametask.measurements.samples import Sample

NOW = datetime(2026, 11, 23, 21, 30, tzinfo=UTC)
SAMPLE = Sample(metric="round_trips", variant="rest", cell={"flow": "cold"}, trial=3, values={"turns_count": 2}, at=1.5)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "agents").mkdir(parents=True)
    (folder / "agents" / "one.py").write_text("x = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


def test_a_folder_is_named_by_time_suite_and_revision(tmp_path: Path, checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    folder = RunFolder.create(tmp_path / "deep" / "runs", "quick", now=NOW, checkout=checkout)
    assert folder.path == tmp_path / "deep" / "runs" / f"20261123T213000Z-quick-{commit[:7]}"
    assert folder.run.git == provenance.Revision(commit=commit, dirty=False)
    (checkout / "notes.txt").write_text("not shipped")
    assert provenance.revision(checkout) == folder.run.git
    (checkout / "agents" / "new.py").write_text("x = 2\n")
    dirty = RunFolder.create(tmp_path, "quick", now=NOW, checkout=checkout)
    assert dirty.path.name == f"20261123T213000Z-quick-{commit[:7]}-dirty"


def test_outside_a_checkout_there_is_no_revision(tmp_path: Path, checkout: Path) -> None:
    assert RunFolder.create(tmp_path, "quick", now=NOW, checkout=tmp_path).path.name == "20261123T213000Z-quick-nogit"
    # An installed package inside somebody's own repository is not that repository.
    assert provenance.revision(checkout / "agents") is None


def test_runs_of_the_same_second_do_not_share_a_folder(tmp_path: Path) -> None:
    folders = [RunFolder.create(tmp_path, "quick", now=NOW, checkout=tmp_path) for _ in range(11)]
    assert len({folder.path for folder in folders}) == 11
    assert folders[1].path.name == "20261123T213000Z-quick-nogit-2"
    assert latest(tmp_path).path == folders[-1].path


def test_a_run_says_what_it_was_made_with(tmp_path: Path) -> None:
    options = Options(given={"suite": "quick"}, defaulted={"trials": 20})
    made = RunFolder.create(tmp_path, "quick", options=options, seed=7, variants=["rest"], metrics=["round_trips"])
    run = RunFolder.open(made.path).run
    assert run == made.run
    assert run.schema_version == SCHEMA_VERSION
    assert (run.options, run.seed, run.variants, run.metrics) == (options, 7, ["rest"], ["round_trips"])
    assert {"python", "mcp", "a2a-sdk", "grpcio", "protobuf", "fastapi", "uvicorn", "httpx", "pydantic"} <= set(run.versions)
    assert run.machine.cores_count
    assert run.ended is None


def test_samples_come_back_as_they_were(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "quick")
    failed = Sample(metric="m", variant="v", status="failed", reason='two\nlines \u2028 and a "quote"', at=2.0)
    for sample in (SAMPLE, failed):
        folder.append(sample)
    recorded = RunFolder.open(folder.path).samples()
    assert list(recorded.samples) == [SAMPLE, failed]
    assert not recorded.torn


def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "quick")
    folder.append(SAMPLE)
    with (folder.path / "samples.jsonl").open("ab") as file:
        file.write('{"metric":"round_trips","variant":"r\u00e9'.encode()[:-1])
    recorded = folder.samples()
    assert list(recorded.samples) == [SAMPLE]
    assert recorded.torn


def test_a_damaged_line_in_the_middle_is_refused_by_its_number(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "quick")
    folder.append(SAMPLE)
    with (folder.path / "samples.jsonl").open("ab") as file:
        file.write(b'{"metric": 1}\n')
    folder.append(SAMPLE)
    with pytest.raises(InvalidInput, match=r"samples\.jsonl line 2"):
        folder.samples()


def test_what_was_measured_survives_a_kill(tmp_path: Path) -> None:
    program = f"""
import sys
from sametask.measurements.run_folder import RunFolder
from sametask.measurements.samples import Sample
folder = RunFolder.create({str(tmp_path)!r}, "quick")
with folder.recording():
    for trial in range(5):
        folder.append(Sample(metric="m", variant="rest", trial=trial, values={{"x_ms": 1.0}}))
    print("measured", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "measured\n"
        process.send_signal(signal.SIGKILL)
    folder = latest(tmp_path)
    assert [sample.trial for sample in folder.samples().samples] == [0, 1, 2, 3, 4]
    assert folder.run.end_reason is None


@pytest.mark.parametrize(
    ("raised", "end_reason", "error"),
    [
        (None, "completed", None),
        (KeyboardInterrupt(), "interrupted", None),
        (asyncio.CancelledError(), "interrupted", None),
        (BaseExceptionGroup("group", [asyncio.CancelledError(), KeyboardInterrupt()]), "interrupted", None),
        (ExceptionGroup("group", [ExceptionGroup("inner", [OSError("gone")])]), "failed", "OSError: gone"),
        (OSError("the disk\nis gone"), "failed", "OSError: the disk"),
    ],
)
def test_a_run_says_how_it_ended(tmp_path: Path, raised: BaseException | None, end_reason: str, error: str | None) -> None:
    folder = RunFolder.create(tmp_path, "quick")

    def measure() -> None:
        with folder.recording():
            folder.append(SAMPLE)
            if raised:
                raise raised

    if raised:
        with pytest.raises(type(raised)):
            measure()
    else:
        measure()
    run = RunFolder.open(folder.path).run
    assert (run.end_reason, run.error, run.counts) == (end_reason, error, {"ok": 1})
    assert run.ended is not None
    assert run.ended >= run.started


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 0, "1", None, True])
def test_another_schema_is_refused_in_one_line(tmp_path: Path, version: object) -> None:
    folder = RunFolder.create(tmp_path, "quick")
    data = json.loads((folder.path / "run.json").read_text()) | {"schema_version": version}
    (folder.path / "run.json").write_text(json.dumps(data))
    with pytest.raises(InvalidInput) as caught:
        RunFolder.open(folder.path)
    assert caught.value.details["field"] == "schema_version"
    assert repr(version) in str(caught.value)
    assert f"accepted: 1 to {SCHEMA_VERSION}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"schema_version": 1, "suite": "quick"}'])
def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InvalidInput) as caught:
        RunFolder.open(tmp_path)
    assert "\n" not in str(caught.value)
    assert "run.json" in str(caught.value)


def test_a_missing_folder_and_an_empty_one_have_no_run(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="the folder of a run"):
        RunFolder.open(tmp_path / "absent")
    for runs in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InvalidInput, match="at least one run"):
            latest(runs)


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput) as caught:
        RunFolder.create(tmp_path / "file" / "runs", "quick")
    assert str(tmp_path / "file") in str(caught.value)
    assert "\n" not in str(caught.value)
    folder = RunFolder.create(tmp_path, "quick")
    (folder.path / "report.md").mkdir()
    with pytest.raises(InvalidInput, match="a folder that can be written"):
        folder.write("report.md", "text")
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")], "nothing half-made is left"


@pytest.mark.parametrize("suite", ["", "../up", "a b", "A", "x" * 65])
def test_a_suite_that_cannot_name_a_folder_is_refused(tmp_path: Path, suite: str) -> None:
    with pytest.raises(InvalidInput, match="suite"):
        RunFolder.create(tmp_path, suite)


def test_only_what_json_can_hold_is_ready_for_it() -> None:
    assert json_ready({"a": (1, float("nan")), 2: [float("inf"), True]}) == {"a": [1, None], "2": [None, True]}
    with pytest.raises(TypeError, match="object has no place"):
        json_ready(object())
