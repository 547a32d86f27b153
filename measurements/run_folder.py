"""One run on disk: what was asked, what it ran on, and every raw sample, kept so that a report can be derived again.

::

    runs/20261123T213000Z-quick-1a2b3c4/
        run.json        who, what, where, when, and how it ended       (replaced atomically)
        samples.jsonl   one `Sample` a line, flushed at once           (what was measured survives Ctrl-C and SIGKILL)
        report.*        derived from the two, see `report/`            (replaced atomically)
"""

from __future__ import annotations

import asyncio
import errno
import json
import math
import os
import re
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..agents.errors import InvalidInput, Unavailable
from . import provenance
from .provenance import Machine, Revision
from .samples import Sample
from .shards.host import Lock

SCHEMA_VERSION = 1
EndReason = Literal["completed", "interrupted", "failed"]
RUN_JSON = "run.json"
SAMPLES_JSONL = "samples.jsonl"


class Options(BaseModel):
    """What the run was told (`given`) and what it took by default (`defaulted`), by option name."""

    model_config = ConfigDict(frozen=True)

    given: dict[str, Any] = Field(default_factory=dict[str, Any])
    defaulted: dict[str, Any] = Field(default_factory=dict[str, Any])


class Host(BaseModel):
    """One of several machines that measured together, and what it ran."""

    model_config = ConfigDict(frozen=True)

    machine: Machine = Machine()
    versions: dict[str, str] = Field(default_factory=dict[str, str])


class Pause(BaseModel):
    """A time in which a run was not measured. `stopped` and `end_reason` are null where nobody could say: after a SIGKILL."""

    model_config = ConfigDict(frozen=True)

    stopped: str | None = None
    end_reason: EndReason | None = None
    resumed: str


class Merged(BaseModel):
    """A run that was merged into this one: its folder's name, which shard it measured, how it ended."""

    model_config = ConfigDict(frozen=True)

    run: str
    shard: str
    end_reason: EndReason | None = None


class Run(BaseModel):
    """run.json. Times are ISO 8601 in UTC. `ended` and `end_reason` are null while it runs, and stay so after a SIGKILL.

    `variants` and `metrics` are what was planned, so that a report can say what an interrupted run did not reach; `measured`
    are the metrics that it is through with. `id` is its own, whatever its folder is called. `hosts` are the machines that
    measured together, by their labels. `pauses` are those of a run that was stopped and resumed, `parts` what was merged.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    id: str = ""
    suite: str
    seed: int | None = None
    options: Options = Options()
    variants: list[str] = Field(default_factory=list[str])
    metrics: list[str] = Field(default_factory=list[str])
    git: Revision | None = None
    versions: dict[str, str] = Field(default_factory=dict[str, str])
    machine: Machine = Machine()
    started: str
    ended: str | None = None
    end_reason: EndReason | None = None
    error: str | None = None
    counts: dict[str, int] = Field(default_factory=dict[str, int])
    measured: list[str] = Field(default_factory=list[str])
    hosts: dict[str, Host] = Field(default_factory=dict[str, Host])
    pauses: list[Pause] = Field(default_factory=list[Pause])
    parts: list[Merged] = Field(default_factory=list[Merged])


@dataclass(frozen=True)
class Recorded:
    """The samples of a run. `torn`: the last line was cut off in mid-write and is not among them."""

    samples: Sequence[Sample]
    torn: bool = False


class RunFolder:
    """A run's folder: `create` one to measure into, `open` one to read."""

    def __init__(self, path: Path, run: Run) -> None:
        self.path = path
        self.run = run
        self._counts: Counter[str] = Counter()

    @classmethod
    def create(
        cls,
        out: Path | str,
        suite: str,
        *,
        options: Options | None = None,
        seed: int | None = None,
        variants: Sequence[str] = (),
        metrics: Sequence[str] = (),
        now: datetime | None = None,
        checkout: Path = provenance.SOURCE,
    ) -> RunFolder:
        """A new folder `out/<utc>-<suite>-<git>` (with `-2`, `-3` ... where two runs start in the same second).

        Raises: InvalidInput when `suite` cannot be part of a folder's name, or when `out` cannot be written.
        """
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", suite):
            raise InvalidInput("suite", suite, "accepted: lower-case letters, digits, - and _, at most 64")
        started = now or datetime.now(UTC)
        git = provenance.revision(checkout)
        name = f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{suite}-{git.label() if git else 'nogit'}"
        try:
            path = _new_folder(Path(out), name)
            run = Run(
                name=path.name,
                id=uuid.uuid4().hex,
                suite=suite,
                seed=seed,
                options=options or Options(),
                variants=list(variants),
                metrics=list(metrics),
                git=git,
                versions=provenance.versions(),
                machine=provenance.machine(),
                started=_stamp(started),
            )
            folder = cls(path, run)
            (path / SAMPLES_JSONL).touch()
            folder._save()
        except OSError as error:
            raise InvalidInput("out", str(out), f"accepted: a folder that can be written ({_why(error)})") from error
        return folder

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """The run in that folder.

        Raises: InvalidInput when there is none, when it cannot be read, or when a newer sametask wrote it.
        """
        path = Path(path)
        accepted = f"accepted: the folder of a run (it holds {RUN_JSON})"
        try:
            data: Any = json.loads((path / RUN_JSON).read_text(encoding="utf-8"))
        except OSError as error:
            raise InvalidInput("run", str(path), f"{accepted}; {_why(error)}") from error
        except ValueError as error:
            raise InvalidInput("run", str(path), f"{accepted}; {path / RUN_JSON} is not JSON: {error}") from error
        if not isinstance(data, dict):
            raise InvalidInput("run", str(path), f"{accepted}; {path / RUN_JSON} is not a JSON object")
        version = cast("dict[str, Any]", data).get("schema_version")
        if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
            newer = type(version) is int and version > SCHEMA_VERSION
            hint = ": a newer sametask wrote this run, use that one" if newer else ""
            raise InvalidInput("schema_version", version, f"accepted: 1 to {SCHEMA_VERSION} in {path / RUN_JSON}{hint}")
        try:
            return cls(path, Run.model_validate(data))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(field, first["input"], f"{first['msg']} in {path / RUN_JSON}") from error

    @classmethod
    def merge(cls, out: Path | str, run: Run, samples: Sequence[Sample]) -> RunFolder:
        """A new folder with samples that other runs took, and what run.json says of them; its name and id are new.

        Raises: InvalidInput when `out` cannot be written.
        """
        started = datetime.fromisoformat(run.started)
        name = f"{started:%Y%m%dT%H%M%SZ}-{run.suite}-{run.git.label() if run.git else 'nogit'}-merged"
        try:
            path = _new_folder(Path(out), name)
            folder = cls(path, run.model_copy(update={"name": path.name, "id": uuid.uuid4().hex}))
            # run.json last: until then the folder is no run.
            write_atomically(path / SAMPLES_JSONL, "".join(map(_line, samples)))
            folder._change(counts=dict(Counter(sample.status for sample in samples)))
        except OSError as error:
            raise InvalidInput("out", str(out), f"accepted: a folder that can be written ({_why(error)})") from error
        return folder

    @classmethod
    def resume(cls, path: Path | str, keeps: Callable[[Sample], bool] = lambda sample: True) -> RunFolder:
        """The run in that folder, to measure on. Taken away, at once, are the samples that it does not keep, and one that was
        cut off in mid-write: they are measured again.

        Raises: InvalidInput as `open`, or when it cannot be written; Unavailable when another process measures into it.
        """
        folder = cls.open(path)
        try:
            with folder.alone():
                os.truncate(folder.path / SAMPLES_JSONL, (folder.path / SAMPLES_JSONL).read_bytes().rfind(b"\n") + 1)
                samples = folder.samples().samples
                kept = [sample for sample in samples if keeps(sample)]
                if len(kept) < len(samples):
                    write_atomically(folder.path / SAMPLES_JSONL, "".join(map(_line, kept)))
                folder._counts.update(sample.status for sample in kept)
                run = folder.run
                pause = Pause(stopped=run.ended, end_reason=run.end_reason, resumed=_stamp(datetime.now(UTC)))
                folder._change(ended=None, end_reason=None, error=None, pauses=[*run.pauses, pause])
        except OSError as error:
            raise InvalidInput("run", str(path), f"accepted: a folder that can be written ({_why(error)})") from error
        return folder

    @contextmanager
    def alone(self) -> Generator[None]:
        """While it lasts no other process measures into this folder. Raises: Unavailable when one does, or nobody can."""
        lock = Lock(self.path / SAMPLES_JSONL)
        try:
            taken = lock.take()
        except OSError as error:
            raise Unavailable(f"{self.path / SAMPLES_JSONL} cannot be written: {_why(error)}") from error
        if not taken:
            raise Unavailable(f"{self.path} is being measured into by another process; accepted: when that has ended")
        try:
            yield
        finally:
            lock.leave()

    def append(self, sample: Sample) -> None:
        """Keeps one sample: one line, handed to the operating system before this returns.

        Raises: Unavailable when it cannot be written (a full disk).
        """
        line = _line(sample).encode()
        try:
            with (self.path / SAMPLES_JSONL).open("ab", buffering=0) as file:
                if file.write(line) < len(line):  # a disk that fills up in the middle of it: nothing is to follow on this line
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise Unavailable(f"{self.path / SAMPLES_JSONL} cannot be written: {_why(error)}") from error
        self._counts[sample.status] += 1

    def samples(self) -> Recorded:
        """Every sample that was kept, in the order of measuring.

        Raises: InvalidInput naming the line, when one that is not the last is damaged.
        """
        path = self.path / SAMPLES_JSONL
        try:
            # Split at "\n" only: str.splitlines would also cut at U+2028 inside a JSON string.
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise InvalidInput(
                "run", str(self.path), f"accepted: a folder that holds {SAMPLES_JSONL}; {_why(error)}"
            ) from error
        samples: list[Sample] = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                samples.append(Sample.model_validate_json(line))
            except ValidationError as error:
                if number == len(lines):
                    return Recorded(samples, torn=True)
                accepted = f"accepted: a sample, {error.errors()[0]['msg']}"
                raise InvalidInput(f"{path} line {number}", line.decode(errors="replace"), accepted) from error
        return Recorded(samples)

    def finish(self, end_reason: EndReason, error: str | None = None) -> None:
        """Says in run.json how the run ended, when, and how many samples of each status it kept."""
        self._change(ended=_stamp(datetime.now(UTC)), end_reason=end_reason, error=error, counts=dict(self._counts))

    def through_with(self, metric: str) -> None:
        """Says in run.json that all of this metric was measured."""
        self._change(measured=[*self.run.measured, metric])

    def add_host(self, name: str, host: Host) -> None:
        """Says in run.json what that machine is, unless it does."""
        if name not in self.run.hosts:
            self._change(hosts=self.run.hosts | {name: host})

    @contextmanager
    def recording(self) -> Generator[RunFolder]:
        """The block in which samples are appended; however it is left, run.json says so."""
        try:
            yield self
        except BaseException as error:
            # A task group wraps what happened inside it: the reader is told the first thing that did.
            causes = [cause for cause in _leaves(error) if not isinstance(cause, KeyboardInterrupt | asyncio.CancelledError)]
            if causes:
                self.finish("failed", f"{type(causes[0]).__name__}: {causes[0]}".strip().splitlines()[0])
            else:
                self.finish("interrupted")
            raise
        else:
            self.finish("completed")

    def write(self, name: str, text: str) -> Path:
        """Replaces one file of the folder at once: a reader sees the old one or the new one.

        Raises: InvalidInput when the folder cannot be written.
        """
        try:
            return write_atomically(self.path / name, text)
        except OSError as error:
            raise InvalidInput("run", str(self.path), f"accepted: a folder that can be written ({_why(error)})") from error

    def _change(self, **fields: Any) -> None:
        self.run = self.run.model_copy(update=fields)
        self._save()

    def _save(self) -> None:
        data = json_ready(self.run.model_dump(mode="json"))
        write_atomically(self.path / RUN_JSON, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def latest(runs: Path | str) -> RunFolder:
    """The run that started last.

    Raises: InvalidInput when the folder holds no run.
    """
    try:
        found = sorted(path.parent for path in Path(runs).glob(f"*/{RUN_JSON}"))
    except OSError:
        found = []
    if not found:
        raise InvalidInput("runs", str(runs), "accepted: a folder with at least one run; `sametask compare` makes one")
    # The name starts with the time; `-2` of the same second sorts after the first by number, not as text.
    return RunFolder.open(max(found, key=lambda path: (path.name[:16], _nth(path.name), path.name)))


def write_atomically(path: Path, text: str) -> Path:
    """Writes beside `path` and renames, so that a half-written file never bears its name. Raises: OSError."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        # mkstemp makes files that only their owner may read; a report is to be shared, as the umask allows.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def json_ready(value: Any) -> Any:
    """`value` as strict JSON holds it: not-a-number and infinity are missing, hence null; numpy's numbers are numbers."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [json_ready(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, BaseModel):
        return json_ready(value.model_dump(mode="json"))
    if hasattr(value, "tolist"):
        return json_ready(value.tolist())
    raise TypeError(f"{type(value).__name__} has no place in a report: {value!r}")


def _line(sample: Sample) -> str:
    data = json_ready(sample.model_dump(mode="json", exclude_defaults=True) | {"metric": sample.metric})
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for inner in group.exceptions for leaf in _leaves(inner)]


def _nth(name: str) -> int:
    found = re.search(r"-(\d{1,4})$", name)
    return int(found.group(1)) if found else 1


def _new_folder(out: Path, name: str) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    nth = 1
    while True:
        path = out / (name if nth == 1 else f"{name}-{nth}")
        try:
            path.mkdir()
        except FileExistsError:
            nth += 1
        else:
            return path


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _why(error: OSError) -> str:
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
