"""What the model that uses this server is told once, before any tool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def instructions(descriptions: Mapping[str, str], runs: Path) -> str:
    """`descriptions`: what each agent does, by its name."""
    agents = "\n".join(f"- {name}: {description}" for name, description in descriptions.items())
    return f"""\
sametask runs one set of agents over every agent protocol (MCP, REST, A2A, gRPC) and measures on this machine what each \
protocol costs and what it loses when a connection or a server breaks.

Two kinds of questions are answered here.

1. The agents' own work. Each skill is a tool named AGENT_SKILL:
{agents}
A quick skill answers at once. A long skill is a task: call its tool and wait, or, where a call may take longer than your host \
waits, start it with task_submit, look with task_status, wait with task_result, answer its question with task_answer, end it \
with task_cancel. A task outlives this conversation; keep its id.

2. Which protocol to choose, and whether a published claim holds here. First look with list_reports whether a run answers it; \
read_report gives its numbers (pass `section` to read one metric only). Where there is no run, or the source changed since, \
measure with run_comparison: ten seconds for one variant and metric, several minutes for everything, so say so first. Narrow \
it with `only` and `variants` where the question is narrow; give `background` where it is not, then look with list_reports.

When you report numbers: give the unit, the interval and the number of trials; name a winner only where the report does; say \
what was not measured and why; say when a run was interrupted. Numbers hold for this machine and these library versions only. \
Runs are kept in {runs}; report.html in a run's folder is the page for a person, with charts."""
