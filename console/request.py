"""What a person types, as data: `--input`, `--set field=value`, and answers to a task's questions."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from rich.console import Console

from ..agents.errors import InvalidInput
from ..agents.events import OpenQuestion


def read_request(text: str, settings: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The request that `--input` and `--set` make together; `@file.jsonl` fills the one list field that `schema` has.

    Raises: InvalidInput, naming the file, the line or the field.
    """
    request = _read_input(text, schema) if text else {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator or not name:
            raise InvalidInput("set", setting, "accepted: FIELD=VALUE")
        target: Any = request
        *path, last = name.split(".")
        for part in path:
            target = _at(target, part)
        if not isinstance(target, dict):
            raise InvalidInput("set", setting, f"accepted: a path through objects; {'.'.join(path)} is none")
        target[last] = _value(value)
    return request


def read_answer(question: OpenQuestion, given: Sequence[str], stderr: Console) -> dict[str, Any]:
    """The answer to a task's question: from `--answer FIELD=VALUE`, else asked of the person on the terminal.

    Raises: InvalidInput when there is nobody to ask.
    """
    fields: dict[str, Any] = question.answer_schema.get("properties", {})
    if given:
        return read_request("", given, {})
    stderr.print(question.text, style="bold", highlight=False)
    answer: dict[str, Any] = {}
    for name, spec in fields.items():
        choices = spec.get("enum") or ([spec["const"]] if "const" in spec else None)
        hint = f" ({', '.join(map(str, choices))})" if choices else f" ({spec.get('type', 'text')})"
        stderr.print(f"{name}{hint}: ", end="", highlight=False)
        line = sys.stdin.readline()
        if not line:
            accepted = f"--answer {name}=VALUE, or a person at the terminal"
            raise InvalidInput("answer", question.text, f"the task waits for one; accepted: {accepted}")
        text = line.strip()
        answer[name] = text if spec.get("type") == "string" or choices else _value(text)
    return answer


def _read_input(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    where, lines_field = "input", None
    if text.startswith("@"):
        path = Path(text[1:])
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise InvalidInput("input", str(path), f"accepted: a readable file ({reason})") from None
        where = str(path)
        if path.suffix == ".jsonl":
            lines_field = _list_field(schema, where)
    if lines_field:
        return {lines_field: _lines(text, where)}
    try:
        value: Any = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise InvalidInput(where, _excerpt(text, error.pos), f"malformed JSON at {place}; accepted: a JSON object") from None
    if not isinstance(value, dict):
        raise InvalidInput(where, value, "accepted: a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]


def _list_field(schema: Mapping[str, Any], where: str) -> str:
    found = [name for name, spec in schema.get("properties", {}).items() if _is_list(spec)]
    if len(found) != 1:
        raise InvalidInput(
            "input",
            where,
            "a .jsonl file fills the request's one list field, and this skill has " + (", ".join(found) or "none"),
        )
    return found[0]


def _is_list(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "array" or any(_is_list(option) for option in spec.get("anyOf", ()))


def _lines(text: str, where: str) -> list[Any]:
    values: list[Any] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value: Any = json.loads(line)
        except json.JSONDecodeError as error:
            raise InvalidInput(
                f"{where} line {number}", line, f"malformed JSON ({error.msg}); accepted: one JSON object a line"
            ) from None
        if not isinstance(value, dict):
            raise InvalidInput(f"{where} line {number}", value, "accepted: one JSON object a line")
        values.append(value)
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _at(target: Any, name: str) -> Any:
    return cast(dict[str, Any], target).setdefault(name, {}) if isinstance(target, dict) else None


def _excerpt(text: str, position: int) -> str:
    return text[max(0, position - 20) : position + 20]
