"""`sametask agents`: what there is to call, and over what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..protocols.variants import variants

if TYPE_CHECKING:
    from rich.table import Table

    from ..agents.contract import Roster


def roster_of(files: Sequence[str]) -> Roster:
    """The user's own agents, or the bundled team.

    Raises: InvalidInput, as `load_roster`.
    """
    if files:
        from ..agents.loading import load_roster

        return load_roster(files)
    from ..agents.team import team

    return team()


def show_agents(files: Sequence[str], as_json: bool) -> None:
    """Print the catalogue: a table for a person, or JSON with the full schemas."""
    from .stdout import claimed_stdout

    with claimed_stdout() as out:
        roster = roster_of(files)
        if as_json:
            print(json.dumps(catalogue(roster), indent=2), file=out)
            return
        from rich.console import Console

        console = Console(file=out)
        console.print(_skills(roster))
        console.print()
        console.print(_variants())
        console.print()
        console.print(
            "sametask agents --json tells every field; sametask call AGENT SKILL calls one",
            style="dim",
        )


def catalogue(roster: Roster) -> dict[str, object]:
    """Shape: `agents`, each with its skills and their JSON Schemas, and `variants`, each with what it lacks and why."""
    agents = [
        {"name": a.name, "description": a.description, "version": a.version,
         "skills": [{"name": s.name, "long": s.long, "description": s.description,
                     "input_schema": s.input_schema, "output_schema": s.output_schema} for s in a.skills.values()]}
        for a in roster.values()
    ]  # fmt: skip
    spoken = [
        {"name": v.name, "protocol": v.protocol, "revision": v.revision, "transport": v.transport, "title": v.title,
         "url": v.url, "lacks": dict(v.lacks)}
        for v in variants().values()
    ]  # fmt: skip
    return {"agents": agents, "variants": spoken}


def _skills(roster: Roster) -> Table:
    table = _table("agent", "skill", "kind", "what it does")
    shown = ""
    for skill in roster.skills():
        told = " ".join(skill.description.partition("\n\n")[0].split())
        table.add_row("" if skill.agent == shown else skill.agent, skill.name, "long" if skill.long else "quick", told)
        shown = skill.agent
    return table


def _variants() -> Table:
    table = _table("variant", "what it speaks")
    for variant in variants().values():
        table.add_row(variant.name, variant.title)
    return table


def _table(*headings: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    return table
