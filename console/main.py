"""The `sametask` command: what a person types. Each command is a module of its own, imported when it is run."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer

from ..agents.errors import SametaskError

app = typer.Typer(
    name="sametask",
    help="One agent task, spoken over MCP, REST and A2A, and measured on the wire.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Via = Annotated[
    str, typer.Option("--via", help="The variant to speak, e.g. rest, mcp-http, mcp-stdio, a2a-grpc, grpc, inproc.")
]
Engine = Annotated[
    str, typer.Option(help="Where tasks are kept: sqlite:///PATH, or sqlite:///:memory: (gone with the process).")
]
Agents = Annotated[
    list[str] | None,
    typer.Argument(help="Your own agents: FILE.py[:name] or package.module[:name].", show_default="the bundled team"),
]


@app.command()
def agents(
    files: Agents = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the catalogue with full schemas as JSON.")] = False,
) -> None:
    """List the agents, their skills and the variants there are."""
    from .agents import show_agents

    show_agents(files or [], as_json)


@app.command()
def serve(
    files: Agents = None,
    protocol: Annotated[str, typer.Option(help="The variants to serve, separated by commas.")] = "rest,mcp-http,a2a-grpc",
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The first listener's port; the others follow. 0: any free.")
    ] = 8000,
    engine: Engine = "sqlite:///sametask.db",
    advertise: Annotated[
        list[str] | None, typer.Option(help="LISTENER=HOST:PORT to tell clients instead of the bound one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as one line of JSON.")] = False,
) -> None:
    """Serve agents over any set of variants, from one process over one engine."""
    from .serve import run_server

    _run(run_server, files or [], protocol, host, port, engine, advertise or [], as_json)


@app.command()
def call(
    agent: str,
    skill: str,
    via: Via = "rest",
    input_: Annotated[
        str, typer.Option("--input", help="JSON, @file.json, or @file.jsonl to fill the request's list field.")
    ] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE, dotted for nested fields; VALUE is JSON or text.")
    ] = None,
    answer: Annotated[
        list[str] | None, typer.Option(help="FIELD=VALUE for a question of the task, instead of asking you.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result object alone on stdout.")] = False,
    url: Annotated[str, typer.Option(help="A running server; without it, one is started for this call.")] = "",
    key: Annotated[str, typer.Option(help="Idempotency key: the same key gives the same task.")] = "",
    engine: Engine = "sqlite:///:memory:",
    files: Annotated[
        list[str] | None, typer.Option("--agents", help="Your own agents: FILE.py[:name] or module[:name].")
    ] = None,
) -> None:
    """Call one skill over one variant; shows a long one's progress, and asks you what the task asks."""
    from .call import Call, run_call

    options = Call(
        agent, skill, via, input_, tuple(set_ or ()), tuple(answer or ()), as_json, url, key, engine, tuple(files or ())
    )
    _run(run_call, options)


@app.command()
def compare(
    suite: Annotated[str, typer.Option(help="quick (under two minutes) or full (many trials).")] = "quick",
    only: Annotated[str, typer.Option(help="Metrics, separated by commas: round-trips, integration-code, long-haul.")] = "",
    variants: Annotated[str, typer.Option(help="Variants, separated by commas.")] = "",
    seed: Annotated[int, typer.Option(help="Seeds the order of measurements and the points of the faults.")] = 0,
    out: Annotated[str, typer.Option(help="The folder in which the run's folder is made.")] = "runs",
) -> None:
    """Measure every variant on this machine and write a report."""
    from .compare import Comparison, run_comparison

    raise typer.Exit(run_comparison(Comparison(suite, _names(only), _names(variants), seed, out)))


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run's folder; the newest one under runs/ when left out.")] = "",
    out: Annotated[str, typer.Option(help="The folder that holds the runs.")] = "runs",
) -> None:
    """Derive a run's reports again from its raw samples, and show the summary."""
    from .compare import derive_again

    derive_again(run, out)


@app.command()
def mcp(
    files: Agents = None,
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP instead of stdio.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on, with --http.")] = 8765,
    engine: Engine = "sqlite:///sametask.db",
    runs: Annotated[str, typer.Option(help="The folder that holds the comparison runs.")] = "runs",
) -> None:
    """The MCP server for Claude and IDEs: the agents as tools, the comparison, and its reports."""
    from .mcp_server import Options, run_mcp_server

    _run(run_mcp_server, Options(tuple(files or ()), http, host, port, engine, runs))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _run(function: Any, *args: Any) -> None:
    """Enter the event loop, once."""
    import asyncio

    raise typer.Exit(asyncio.run(function(*args)) or 0)


def main() -> None:
    """Run the command line; every error becomes one line on stderr and a code: 2 for bad input, 1 for the rest, 130 for
    Ctrl-C.
    """
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except SametaskError as error:
        print(f"error: {error.message}", file=sys.stderr)
        sys.exit(2 if error.code not in ("error", "skill_failed", "connection_lost") else 1)
    except BrokenPipeError:
        # The reader of our output left (`sametask agents | head`): nothing more to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        # The last wall before the person: a defect of ours is one line, and its traceback on request.
        if os.environ.get("SAMETASK_TRACEBACK"):
            raise
        print(f"internal error: {type(error).__name__}: {error} (SAMETASK_TRACEBACK=1 shows where)", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
