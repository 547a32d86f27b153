"""The `sametask` command: what a person types. Each command is a module of its own, imported when it is run."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"sametask {version('sametask')}")
        raise typer.Exit


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
    str,
    typer.Option(
        help="Where tasks are kept: sqlite:///PATH, sqlite:///:memory: (gone with the process), or postgresql://USER@HOST/DB."
    ),
]
Agents = Annotated[
    list[str] | None,
    typer.Argument(help="Your own agents: FILE.py[:name] or package.module[:name].", show_default="the bundled team"),
]


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """One agent task, spoken over MCP, REST and A2A, and measured on the wire."""


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
    allow_webhook: Annotated[
        list[str] | None,
        typer.Option(help="A network, address or host that webhooks may go to besides public https; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as one line of JSON.")] = False,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="Also stop when stdin closes: for a program that starts this one.")
    ] = False,
) -> None:
    """Serve agents over any set of variants, from one process over one engine.

    Prints the address of each, and serves until Ctrl-C or SIGTERM; unfinished tasks go on when the store is served again.
    """
    from .serve import Service, run_server

    service = Service(
        tuple(files or ()), protocol, host, port, engine, tuple(advertise or ()), as_json, until_stdin_closes,
        tuple(allow_webhook or ()),
    )  # fmt: skip
    _run(run_server, service, uvloop=True)


@app.command()
def worker(
    engine: Annotated[str, typer.Option(help="The Postgres that keeps the tasks: postgresql://USER@HOST:PORT/DATABASE.")],
    files: Agents = None,
) -> None:
    """Run tasks without listening, beside any number of servers and workers on the same Postgres.

    Works until Ctrl-C or SIGTERM; unfinished tasks go on in other processes.
    """
    from .worker import run_worker

    _run(run_worker, tuple(files or ()), engine, uvloop=True)


@app.command()
def call(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name; `sametask agents` lists them.")],
    skill: Annotated[str, typer.Argument(metavar="SKILL", help="The skill's name.")],
    via: Via = "rest",
    input_: Annotated[
        str,
        typer.Option("--input", help="The request: JSON, @FILE.json, @FILE.jsonl to fill its list field, or @- for stdin."),
    ] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE, dotted for nested fields; VALUE is JSON or text.")
    ] = None,
    answer: Annotated[
        list[str] | None, typer.Option(help="FIELD=VALUE for a question of the task, instead of asking you.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result object alone on stdout.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell every event of a long skill on stderr.")] = False,
    url: Annotated[str, typer.Option(help="A running server; without it, one is started for this call.")] = "",
    key: Annotated[
        str, typer.Option(help="Idempotency key: the same key gives the same task.", show_default="one of its own")
    ] = "",
    task: Annotated[str, typer.Option(help="Follow this task instead of starting one.")] = "",
    engine: Annotated[
        str, typer.Option(help="Where the server started here keeps its tasks: sqlite:///PATH.", show_default="in memory")
    ] = "",
    files: Annotated[
        list[str] | None, typer.Option("--agents", help="Your own agents: FILE.py[:NAME] or package.module[:NAME].")
    ] = None,
) -> None:
    """Call one skill over one variant; shows a long one's progress, and asks you what the task asks.

    The result goes to stdout, everything else to stderr. Ctrl-C cancels the task, or leaves it running on the server at
    --url. A connection that breaks is made again, by the protocol's own means, also when the server was started again.
    """
    from .call import Call, run_call

    options = Call(
        agent, skill, via, input_, tuple(set_ or ()), tuple(answer or ()), as_json, verbose, url, key, task, engine,
        tuple(files or ()),
    )  # fmt: skip
    _run(run_call, options)


@app.command()
def compare(
    context: typer.Context,
    suite: Annotated[str, typer.Option(help="quick (about two minutes) or full (many trials).")] = "quick",
    only: Annotated[str, typer.Option(help="Metrics, by commas: round-trips, integration-code, long-haul, throughput.")] = "",
    variants: Annotated[str, typer.Option(help="Variants, separated by commas.")] = "",
    seed: Annotated[int, typer.Option(help="Seeds the order of measurements and the points of the faults.")] = 0,
    out: Annotated[str, typer.Option(help="The folder in which the run's folder is made.")] = "runs",
    agent: Annotated[str, typer.Option(help="An agent of your own: FILE.py[:NAME] or package.module[:NAME].")] = "",
    input_: Annotated[
        str,
        typer.Option("--input", help='Its cases: JSON or @FILE.json, [{"skill": ..., "input": {...}, "answer": {...}}, ...].'),
    ] = "",
    engine: Annotated[
        str,
        typer.Option(
            help="Measure long haul and throughput with every worker on this store: postgresql://..., sqlite:///PATH."
        ),
    ] = "",
    shard_workers: Annotated[
        int, typer.Option(min=0, help="How many workers to start on this machine, with --engine; others take part.")
    ] = 0,
    resume: Annotated[
        str, typer.Option(help="Go on with the run in this folder, which was stopped half-way; nothing is measured twice.")
    ] = "",
    shard: Annotated[
        str,
        typer.Option(metavar="I/N", help="Measure a part of the long haul; 1/N the rest too. `sametask report` merges them."),
    ] = "",
    cells: Annotated[
        str,
        typer.Option(help="Cells of the long haul, by commas, and nothing else: retried_submit,recommended/long_task/sigkill."),
    ] = "",
) -> None:
    """Measure every variant and write a report: on this machine, or with --engine on several."""
    from .compare import Comparison, run_comparison

    given = frozenset(_option(name) for name in context.params if _typed(context, name))
    wanted = Comparison(
        suite, _names(only), _names(variants), seed, out, agent, input_, engine, shard_workers, resume, shard,
        _names(cells), given,
    )  # fmt: skip
    raise typer.Exit(run_comparison(wanted))


@app.command()
def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="A run's folder; several, measured with --shard, are merged into a new one.",
            show_default="the newest one under runs/",
        ),
    ] = None,
    out: Annotated[str, typer.Option(help="The folder that holds the runs.")] = "runs",
) -> None:
    """Derive a run's reports again from its raw samples, and show the summary."""
    from .compare import derive_again

    derive_again(runs or [], out)


@app.command()
def replay(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run's folder.")],
    cell: Annotated[
        str,
        typer.Argument(metavar="CELL", help="VARIANT/CLIENT/SCENARIO/FAULT/POINT, or a part of it that only one cell has."),
    ],
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="Its number, from 0.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print both ledgers and verdicts as JSON.")] = False,
) -> None:
    """Repeat one long-haul trial of a run with the same seed, and print both ledgers side by side.

    What the agent did is on the left, what its client was told on the right; then the verdicts, then and now, and the values
    that differ. The run's folder stays as it is.
    """
    from .replay import Wanted, run_replay

    _run(run_replay, Wanted(run, cell, trial, as_json))


@app.command()
def prune(
    engine: Engine = "sqlite:///sametask.db",
    older_than: Annotated[str, typer.Option(help="Remove tasks that ended longer ago than this, e.g. 30d, 12h, 90m.")] = "",
    larger_than: Annotated[
        str, typer.Option(help="Then remove the oldest while the store holds more than this, e.g. 500MB, 2GiB.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one line of JSON.")] = False,
) -> None:
    """Remove tasks that have ended from a store, also while it is served; those that have not ended are never removed."""
    from .prune import Pruning, run_prune

    _run(run_prune, Pruning(engine, older_than, larger_than, as_json))


@app.command()
def mcp(
    files: Agents = None,
    http: Annotated[bool, typer.Option("--http", help="Streamable HTTP instead of stdio.")] = False,
    host: Annotated[str, typer.Option(help="The address to listen on, with --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on, with --http.")] = 8765,
    engine: Annotated[
        str,
        typer.Option(
            help="Where tasks are kept: sqlite:///PATH, sqlite:///:memory: or postgresql://USER@HOST/DB.",
            show_default="tasks.db in your own state folder",
        ),
    ] = "",
    runs: Annotated[
        str,
        typer.Option(
            help="The folder that holds the comparison runs.",
            show_default="./runs if it holds any, else runs in your own state folder",
        ),
    ] = "",
) -> None:
    """The MCP server for Claude and IDEs: the agents as tools, the comparison, and its reports."""
    from .mcp_server import Options, run_mcp_server

    _run(run_mcp_server, Options(tuple(files or ()), http, host, port, engine, runs))


new = typer.Typer(no_args_is_help=True, help="Write a starter file for something of your own.")
app.add_typer(new, name="new")


@new.command("agent")
def new_agent(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent's name, an identifier of Python's.")],
    folder: Annotated[str, typer.Option("--dir", help="The folder to write NAME.py and test_NAME.py to.")] = ".",
) -> None:
    """An agent with a quick and a long skill, and a test of both."""
    from .new import new_agent

    new_agent(name, folder)


def _option(parameter: str) -> str:
    return parameter.strip("_").replace("_", "-")


def _typed(context: typer.Context, parameter: str) -> bool:
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _run(function: Any, *args: Any, uvloop: bool = False) -> None:
    """Enter the event loop, once: for a server uvloop's, where there is one (it halves what a call costs)."""
    import asyncio

    factory = _uvloop() if uvloop else None
    with asyncio.Runner(loop_factory=factory) as runner:
        raise typer.Exit(runner.run(function(*args)) or 0)


def _uvloop() -> Any:
    try:
        import uvloop
    except ImportError:  # it is not made for Windows
        return None
    return uvloop.new_event_loop


def main() -> None:
    """Run the command line; every error becomes one line on stderr and a code: 2 for bad input, 1 for the rest, 130 for
    Ctrl-C.
    """
    # gRPC's C library logs on stderr what its callers are told anyway.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Every process that is started here runs a program of its own: gRPC need not, and cannot safely, prepare to go on in it.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        code = app(prog_name="sametask", standalone_mode=False)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader of our output left (`sametask agents | head`): nothing more to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        code = _told(error)
    sys.exit(code)


def _told(error: Exception) -> int:
    """Say it in one line. Shape: the exit code."""
    # Imported here: `--help` does not pay for pydantic.
    from ..agents.errors import Conflict, InvalidInput, NotFound, SametaskError, TooLarge
    from ..protocols.client import NotOffered

    if isinstance(error, typer.TyperException):
        if not error.format_message():
            return error.exit_code  # no command was given, and the help is on the screen
        ctx = getattr(error, "ctx", None)
        hint = f"; see {ctx.command_path} --help" if ctx else ""
        print(f"error: {error.format_message().rstrip('.')}{hint}", file=sys.stderr)
        return 2
    if isinstance(error, SametaskError):
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        print(f"error: {error.message}{notes}", file=sys.stderr)
        # A port or a store that cannot be had is named by its field; a server that drains is not the caller's mistake.
        bad_input = isinstance(error, InvalidInput | NotFound | Conflict | TooLarge | NotOffered) or "field" in error.details
        return 2 if bad_input else 1
    # The last wall before the person: a defect of ours is one line, and its traceback on request.
    if os.environ.get("SAMETASK_TRACEBACK"):
        raise error
    print(f"internal error: {type(error).__name__}: {error} (SAMETASK_TRACEBACK=1 shows where)", file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
