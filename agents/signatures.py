"""What a skill's function takes and gives, read from its annotations: a pydantic model each, or plain parameters."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

import anyio.to_thread
from pydantic import BaseModel, create_model
from pydantic.errors import PydanticUserError

from .events import Frozen

RESULT = "result"
"""The field that holds what a function returns where that is not a pydantic model."""


@dataclass(frozen=True)
class Signature:
    """`function` takes `(input)`, or `(input, task)` where `takes_task`; it gives `output`, or what validates as it."""

    input: type[BaseModel]
    output: type[BaseModel]
    takes_task: bool
    function: Callable[..., Awaitable[Any]]


def read_signature(function: Callable[..., Any], context: type, where: str) -> Signature:
    """Two forms: `(request: Input[, task: TaskContext]) -> Output` on pydantic models, or any parameters that pydantic can
    describe in JSON (numbers, texts, lists, dataclasses, models ...), which become the fields of the input; their defaults and
    `Annotated[..., Field(...)]` count. Then what is returned is the field `result` of the output, where it is no model itself.

    A plain `def` is run in a worker thread. `context` is the annotation of the parameter that gets the task, `where` names the
    skill in errors.

    Raises: TypeError when the signature is of neither form.
    """
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{where}: an annotation names {error.name!r}, which its module does not know") from None
    parameters = inspect.signature(function).parameters
    tasks = [name for name in parameters if hints.get(name) is context]
    if len(tasks) > 1:
        raise TypeError(f"{where}: {' and '.join(tasks)} are both the task; a skill takes one")
    if tasks and not inspect.iscoroutinefunction(function):
        raise TypeError(f"{where}: a skill that takes its task is an `async def`, since all that a task can do is awaited")
    names = [name for name in parameters if name not in tasks]
    run = function if inspect.iscoroutinefunction(function) else partial(_in_thread, function)
    output, wrap = _output(function, hints, where)
    if len(names) == 1 and _is_model(hints.get(names[0])):
        request = hints[names[0]]
        in_place = list(parameters) == [*names, *tasks] and not wrap
        call = run if in_place else partial(_call, run, lambda given: {names[0]: given}, tasks, wrap)
    else:
        request = _input(function, names, hints, where)
        call = partial(_call, run, partial(_fields, names), tasks, wrap)
    return Signature(request, output, bool(tasks), call)


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def _input(function: Callable[..., Any], names: list[str], hints: dict[str, Any], where: str) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name in names:
        parameter = inspect.signature(function).parameters[name]
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{where}: parameter {name!r} is {parameter.kind.description}; accepted: one that has a name")
        if name not in hints:
            raise TypeError(
                f"{where}: parameter {name!r} has no annotation; accepted: a type that JSON can carry, as in `x: int`"
            )
        if name.startswith("_") or hasattr(BaseModel, name):
            raise TypeError(f"{where}: parameter {name!r} is not accepted; pydantic's models have that name for themselves")
        fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    return _model(_camel(function.__name__) + "Input", Frozen, fields, where)


def _output(function: Callable[..., Any], hints: dict[str, Any], where: str) -> tuple[type[BaseModel], bool]:
    """The model of what is returned, and whether a value has to be put into it."""
    hint = hints.get("return", Any)
    if _is_model(hint):
        return hint, False
    return _model(_camel(function.__name__) + "Output", Frozen, {RESULT: (hint, ...)}, where), True


def _model(name: str, base: type[BaseModel], fields: dict[str, Any], where: str) -> type[BaseModel]:
    try:
        model: type[BaseModel] = create_model(name, __base__=base, __module__=__name__, **fields)
        for mode in ("validation", "serialization"):
            model.model_json_schema(mode=mode)
    except PydanticUserError as error:
        raise TypeError(f"{where}: {str(error).splitlines()[0]}; accepted: types that JSON can carry") from None
    return model


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _fields(names: list[str], request: BaseModel) -> dict[str, Any]:
    return {name: getattr(request, name) for name in names}


async def _call(
    run: Callable[..., Awaitable[Any]],
    unpack: Callable[[BaseModel], dict[str, Any]],
    tasks: list[str],
    wrap: bool,
    request: BaseModel,
    *task: Any,
) -> Any:
    value = await run(**unpack(request), **dict(zip(tasks, task, strict=True)))
    return {RESULT: value} if wrap else value


async def _in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    # Whoever gives up waiting is not held by a thread that cannot be stopped; its result is then nobody's.
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), abandon_on_cancel=True)
