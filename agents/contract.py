"""How an agent is written: `Agent`, its skills, and the `TaskContext` that a long skill is given.

::

    agent = Agent("greeter", description="Says hello", version="1")

    @agent.skill
    async def greet(request: Greet) -> Greeting: ...                         # quick: answers at once

    @agent.skill
    async def tour(request: Tour, task: TaskContext) -> Report: ...          # long: runs as a task

    @agent.skill
    def add(a: int, b: int = 0) -> int: ...                                  # plain: {"a": 1} gives {"result": 1}
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, Generic, Protocol, TypeVar, get_args, get_type_hints, overload
from weakref import WeakKeyDictionary

from pydantic import BaseModel, TypeAdapter, ValidationError

from .errors import InvalidInput, SametaskError, SkillFailed, UnknownAgent, UnknownSkill
from .events import Artifact
from .signatures import read_signature

Answer = TypeVar("Answer", bound=BaseModel)
Value = TypeVar("Value")
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Origin:
    """Where a request came from, as far as its protocol tells."""

    variant: str = "inproc"
    caller: str = ""
    message_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Question(Generic[Answer]):
    """A question to the caller. `answer` is a flat model of primitive fields: all that MCP's elicitation can carry
    (MCP 2026-07-28, client/elicitation, "Requested schema"), so that every protocol can ask it.

    Raises: TypeError when `answer` has a field that is an object or an array.
    """

    text: str
    answer: type[Answer]

    def __post_init__(self) -> None:
        for name, spec in self.answer_schema.get("properties", {}).items():
            if spec.get("type") in ("object", "array") or "$ref" in spec:
                raise TypeError(f"{self.answer.__name__}.{name}: an answer is a flat model of primitive fields")

    @property
    def answer_schema(self) -> dict[str, Any]:
        return _json_schema(self.answer)


@dataclass(frozen=True)
class Retry:
    """How a step that raises is tried again. `attempts` counts the first one too, and those of a run that crashed. The delay
    before the n-th retry is `first_delay_s` * `factor` ** (n - 1), at most `longest_delay_s`, of which up to half is taken off
    at random, so that what failed together does not come back together (Brooker 2015, "Exponential Backoff And Jitter").

    `on` names the exceptions that are worth it; Rejected, InvalidInput and cancellation never are.

    Raises: ValueError for a number that makes no sense.
    """

    attempts: int = 3
    first_delay_s: float = 0.5
    factor: float = 2.0
    longest_delay_s: float = 60.0
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        for name, least in (("attempts", 1), ("first_delay_s", 0), ("factor", 1), ("longest_delay_s", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"retry: {name} = {getattr(self, name)!r} is not accepted; at least {least} is accepted")

    def delay_s(self, failed: int) -> float:
        """The longest delay after that many failed attempts."""
        return min(self.longest_delay_s, self.first_delay_s * self.factor ** min(failed - 1, 1000))


@dataclass(frozen=True)
class Limits:
    """How the tasks of one skill share an engine that has queues (see `docs/scale.md`): at most `concurrency` of them run at
    once, at most `starts` begin in `per_s` seconds, and of the tasks that wait those of the lowest `priority` begin first.

    Raises: ValueError for a number that makes no sense.
    """

    concurrency: int | None = None
    starts: int | None = None
    per_s: float = 1.0
    priority: int = 100

    def __post_init__(self) -> None:
        for name, value, least in (
            ("concurrency", self.concurrency, 1),
            ("starts", self.starts, 1),
            ("priority", self.priority, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"limits: {name} = {value!r} is not accepted; at least {least} is accepted")
        if not self.per_s > 0:
            raise ValueError(f"limits: per_s = {self.per_s!r} is not accepted; a number of seconds above 0 is accepted")


@lru_cache(maxsize=256)
def _json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Made once for a model: it takes longer than all else about a question."""
    return model.model_json_schema()


class TaskContext(Protocol):
    """What a long skill may do while it runs. After a crash the skill is called again with the same input: recorded steps
    return their recorded value, answered questions their answer, and events already told are not told twice. So whatever
    is random, reads a clock or touches the world belongs in a step.
    """

    @property
    def id(self) -> str:
        """The task's id."""
        ...

    @property
    def origin(self) -> Origin: ...

    async def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Tell how far the work is. May be coalesced by a protocol that only shows the newest."""
        ...

    async def emit(self, artifact: Artifact) -> None:
        """Hand out a part of the result before the end."""
        ...

    async def ask(self, question: Question[Answer], *, timeout_s: float | None = None) -> Answer:
        """Wait in `input_required` for the caller's answer. Of questions asked in parallel the caller is told one after the
        other, or all at once where the protocol has room for that; they may be answered in any order.

        Raises: TimeoutError when nobody has answered within `timeout_s`, which goes on while no process runs; the question
        is closed then, and a later answer to it is refused.
        """
        ...

    async def step(
        self, name: str, fn: Callable[..., Awaitable[Value] | Value], *args: Any, retry: Retry | None = None
    ) -> Value:
        """Run `fn(*args)` and record its JSON-serialisable value: executed at least once, recorded exactly once.

        The n-th step of one name is the same step after a crash, so names tell parallel steps apart. A pydantic model is
        recorded by its fields and comes back as the model that `fn` is annotated to return. With `retry` it is tried again
        when it raises; what its last attempt raised is raised.
        """
        ...


@dataclass(frozen=True)
class Skill:
    """One thing an agent can do. `long` is true where the function takes a TaskContext; `read_only` is the author's promise
    that it changes nothing outside of its own task. `deadline_s`: how long a task may take from its submit to its end, whatever
    happens to the processes that run it.
    """

    agent: str
    name: str
    description: str
    input: type[BaseModel]
    output: type[BaseModel]
    long: bool
    function: Callable[..., Awaitable[Any]]
    read_only: bool = False
    deadline_s: float | None = None
    limits: Limits = Limits()

    @property
    def input_schema(self) -> dict[str, Any]:
        return self.input.model_json_schema()

    @property
    def output_schema(self) -> dict[str, Any]:
        return self.output.model_json_schema(mode="serialization")

    def parse(self, data: Any) -> BaseModel:
        """The validated input.

        Raises: InvalidInput, naming the first field that is wrong, its value and what is accepted.
        """
        if isinstance(data, self.input):
            return data
        try:
            return self.input.model_validate(data)
        except ValidationError as error:
            raise invalid_input(error) from None

    def parse_json(self, data: bytes | str) -> BaseModel:
        """As `parse`, from JSON text; much faster for a large input."""
        try:
            return self.input.model_validate_json(data)
        except ValidationError as error:
            raise invalid_input(error) from None

    async def __call__(self, request: BaseModel) -> Any:
        """Run a quick skill, in memory. Shape: the output as a JSON-ready value.

        Raises: SametaskError of the skill's own choice, or SkillFailed for anything else it raised.
        """
        try:
            return self.dump(await self.function(request))
        except SametaskError:
            raise
        except Exception as error:
            # The wall between the agent's code and everyone else: whatever it raised becomes one class.
            raise SkillFailed(error) from error

    def dump(self, output: Any) -> Any:
        """The output as a JSON-ready value of the declared model.

        Raises: pydantic.ValidationError when the skill returned something else.
        """
        return self.output.model_validate(output).model_dump(mode="json")


class Agent:
    """A named worker with skills.

    Raises: ValueError for a name that is not an identifier (it becomes part of paths, tool names and proto packages).
    """

    def __init__(self, name: str, *, description: str, version: str = "1") -> None:
        if not name.isidentifier():
            raise ValueError(
                f"agent name: {name!r} is not accepted; letters, digits and underscores, not starting with a digit"
            )
        self.name, self.description, self.version = name, description, version
        self.skills: dict[str, Skill] = {}

    @overload
    def skill(self, function: Function, /) -> Function: ...
    @overload
    def skill(
        self, /, *, read_only: bool = False, long: bool = False, deadline_s: float | None = None, limits: Limits = Limits()
    ) -> Callable[[Function], Function]: ...
    def skill(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        read_only: bool = False,
        long: bool = False,
        deadline_s: float | None = None,
        limits: Limits = Limits(),
    ) -> Any:
        """Register a function as a skill; its docstring describes it. It takes and gives pydantic models, `(request: Input[,
        task: TaskContext]) -> Output`, or plain annotated parameters, see `signatures.read_signature`; a `def` that is not
        async runs in a worker thread. What takes a task is long: it runs as one.

        `@agent.skill(read_only=True)` promises that it changes nothing outside of its own task, so that a host may call it
        without asking a person first. `long=True` makes a task of what takes none. `deadline_s` ends a task that takes longer
        as failed, `limits` says how tasks of this skill share an engine.

        Raises: TypeError when the signature is of neither form, or a skill that is not long has a deadline or limits;
        ValueError for a deadline that is not above 0.
        """

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            made = replace(_skill(self.name, function, read_only, long), deadline_s=deadline_s, limits=limits)
            if not made.long and (deadline_s is not None or limits != Limits()):
                raise TypeError(f"{self.name}.{made.name}: deadline_s and limits are for tasks; accepted with long=True")
            if deadline_s is not None and not deadline_s > 0:
                raise ValueError(f"{self.name}.{made.name}: deadline_s = {deadline_s!r} is not accepted; above 0 is accepted")
            self.skills[function.__name__] = made
            return function

        return register if function is None else register(function)

    def __repr__(self) -> str:
        return f"Agent({self.name!r}, skills={list(self.skills)})"


class Roster(Mapping[str, Agent]):
    """The agents that are served together, by name.

    Raises: ValueError when two of them share a name.
    """

    def __init__(self, agents: Iterable[Agent]) -> None:
        self._agents: dict[str, Agent] = {}
        for agent in agents:
            if agent.name in self._agents:
                raise ValueError(f"agent name: {agent.name!r} is used twice; every agent of a roster needs its own")
            self._agents[agent.name] = agent

    def __getitem__(self, name: str) -> Agent:
        return self._agents[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._agents)

    def __len__(self) -> int:
        return len(self._agents)

    def skill(self, agent: str, skill: str) -> Skill:
        """The skill of that name.

        Raises: UnknownAgent, UnknownSkill, each saying what is accepted.
        """
        if (found := self._agents.get(agent)) is None:
            raise UnknownAgent(agent, sorted(self._agents))
        if skill not in found.skills:
            raise UnknownSkill(agent, skill, sorted(found.skills))
        return found.skills[skill]

    def skills(self) -> Iterator[Skill]:
        """Every skill of every agent, in order of registration."""
        for agent in self._agents.values():
            yield from agent.skills.values()


def _skill(agent: str, function: Callable[..., Any], read_only: bool, long: bool) -> Skill:
    signature = read_signature(function, TaskContext, f"{agent}.{function.__name__}")
    run = signature.function if signature.takes_task or not long else partial(_without_task, signature.function)
    description = inspect.getdoc(function) or function.__name__.replace("_", " ")
    return Skill(
        agent, function.__name__, description, signature.input, signature.output, signature.takes_task or long, run, read_only
    )


async def _without_task(function: Callable[[BaseModel], Awaitable[Any]], request: BaseModel, task: TaskContext) -> Any:
    return await function(request)


def invalid_input(error: ValidationError) -> InvalidInput:
    """The first complaint of pydantic's, as our own error: field path, value, what is accepted."""
    first = error.errors(include_url=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    more = error.error_count() - 1
    accepted = first["msg"][:1].lower() + first["msg"][1:] + (f" (and {more} more)" if more else "")
    if first["type"] == "missing":
        return InvalidInput.missing(path, accepted)
    return InvalidInput(path or "input", first["input"], accepted)


_RETURNS: WeakKeyDictionary[Callable[..., Any], TypeAdapter[Any] | None] = WeakKeyDictionary()
"""What was found out before: a task that is replayed asks for each of its steps. A function that is gone is forgotten."""


def return_type(function: Callable[..., Any]) -> TypeAdapter[Any] | None:
    """The adapter of what `function` is annotated to return, or None where it is not annotated."""
    function = getattr(function, "__func__", function)
    try:
        known = function in _RETURNS
    except TypeError:  # an object that is called, and has no hash or no weak references
        return _return_type(function)
    if not known:
        _RETURNS[function] = _return_type(function)
    return _RETURNS[function]


def _return_type(function: Callable[..., Any]) -> TypeAdapter[Any] | None:
    try:
        hint = get_type_hints(function).get("return")
    except (NameError, TypeError):
        return None
    if hint is None or hint is Any:
        return None
    if getattr(hint, "__origin__", None) in (Awaitable,):
        hint = get_args(hint)[0]
    return TypeAdapter(hint)
