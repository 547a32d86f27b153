"""A long task of twenty steps, each of which does something and tells of it."""

from __future__ import annotations

from ..contract import Cell, Scenario, Trial

_WIRE_POINTS = ("before_send", "request_sent", "before_response", "after_side_effect", "between_events", "inside_event")


async def _act(trial: Trial) -> None:
    await trial.follow(trial.caller().run(trial.request()))


SCENARIO = Scenario(
    "long_task",
    "a long task with twenty steps",
    0,
    _act,
    (
        Cell(quick=("recommended",)),
        *(Cell("reset", point) for point in _WIRE_POINTS[:4]),
        Cell("reset", "between_events", quick=("recommended", "defaults")),
        Cell("reset", "inside_event"),
        Cell("reset", "after_completion"),
        *(Cell("close", point) for point in (*_WIRE_POINTS, "after_completion")),
        *(Cell(hole, point) for hole in ("blackhole", "blackhole_down") for point in ("request_sent", "between_events")),
        *(Cell("half_response", point) for point in ("before_response", "between_events")),
        *(Cell("refuse", point) for point in ("before_send", "between_events")),
        *(Cell(slow, "between_events") for slow in ("delay", "throttle", "slow_reader")),
        Cell("duplicate_send", "before_response"),
        *(Cell("sigkill", point) for point in ("before_send", "request_sent", "before_response")),
        Cell("sigkill", "after_side_effect", quick=("recommended",)),
        *(Cell("sigkill", point) for point in ("between_events", "inside_event", "any_moment", "after_completion")),
        *(Cell(end, point) for end in ("sigterm", "restart_elsewhere") for point in ("request_sent", "after_side_effect")),
        *(Cell("pause", point) for point in ("request_sent", "after_side_effect", "between_events")),
    ),
)
