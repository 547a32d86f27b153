"""`sametask agents`: what there is to call, and over what."""

from __future__ import annotations

import json

from rich.console import Console
from rich.table import Table

from ..agents.contract import Roster
from ..protocols.variants import variants


def roster_of(files: list[str]) -> Roster:
    """The user's own agents, or the bundled team."""
    if files:
        from ..agents.loading import load_roster

        return load_roster(files)
    from ..agents.team import team

    return team()


def show_agents(files: list[str], as_json: bool) -> None:
    """Print the catalogue: a table for a person, or JSON with the full schemas."""
    roster = roster_of(files)
    if as_json:
        catalogue = [
            {"name": a.name, "description": a.description, "version": a.version,
             "skills": [{"name": s.name, "long": s.long, "description": s.description,
                         "input_schema": s.input_schema, "output_schema": s.output_schema} for s in a.skills.values()]}
            for a in roster.values()
        ]  # fmt: skip
        print(json.dumps({"agents": catalogue, "variants": list(variants())}, indent=2))
        return
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("agent", "skill", "kind", "what it does"):
        table.add_column(heading, no_wrap=heading != "what it does")
    for skill in roster.skills():
        table.add_row(
            skill.agent, skill.name, "long" if skill.long else "quick", skill.description.split("\n\n")[0].replace("\n", " ")
        )
    console.print(table)
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("variant", "speaks"):
        table.add_column(heading, no_wrap=True)
    for variant in variants().values():
        table.add_row(variant.name, variant.title)
    console.print(table)
