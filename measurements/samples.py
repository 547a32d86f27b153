"""What is measured, raw: one `Sample` per attempt, kept in `samples.jsonl`, from which every report is derived again."""

from __future__ import annotations

from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict

Status = Literal["ok", "failed", "not_testable", "harness_error"]


class Where(BaseModel):
    """Which of several machines a sample was measured on, and by which of its processes.

    Units: `clock_offset_ms` is to be added to the host's own clock to have the coordinator's, give or take
    `clock_uncertainty_ms`; both are None where the coordinator did not answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    worker: str
    clock_offset_ms: float | None = None
    clock_uncertainty_ms: float | None = None


class Sample(BaseModel):
    """One attempt.

    `status`: `ok`, or `failed` (the thing under test failed; `reason` is its error class and message), `not_testable`
    (the protocol or the machine has no such thing; `reason` says why) or `harness_error` (our own fault: never a verdict on
    a protocol). Only an `ok` sample has `values`, so that a failure never enters a series; what is missing is absent,
    never 0. Units are in the names: `_ms`, `_bytes`, `_count`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    variant: str
    cell: dict[str, Any] = {}
    """What tells this cell of the metric apart: flow, delay_ms, scenario, guarantee ..."""
    trial: int = 0
    status: Status = "ok"
    reason: str = ""
    values: dict[str, Any] = {}
    at: float = 0.0
    """Seconds since the Unix epoch, by the clock of the machine that measured."""
    where: Where | None = None
    """None: on the machine that the run folder tells of."""

    @property
    def host(self) -> str:
        return self.where.host if self.where else ""

    def broken(self, error: Exception) -> Self:
        """This sample as a `harness_error`: a defect of ours, told by the first error in its groups."""
        first = first_of(error)
        return self.model_copy(update={"status": "harness_error", "reason": f"{type(first).__name__}: {first}"})


def first_of(error: Exception) -> Exception:
    """The first error in its groups."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error
