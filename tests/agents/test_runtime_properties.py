"""Whatever happens, in whatever order: a task's log tells the truth, and the task ends."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from .runtime_machine import RuntimeMachine

RuntimeMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
TestRuntime = RuntimeMachine.TestCase
