"""What a person types, as data: `--input` and `--set field=value`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

from ..agents.errors import InvalidInput

ACCEPTED = "accepted: a JSON object, @FILE.json, @FILE.jsonl, or @- for stdin"


@dataclass(frozen=True)
class Request:
    """The request, and where its list came from: `lines[i]` is the line of `file` that item i of `list_field` was on."""

    value: dict[str, Any]
    file: str = ""
    list_field: str = ""
    lines: list[int] = field(default_factory=list[int])

    def locate(self, error: InvalidInput) -> None:
        """Note the file and line on an error about an item that was read from a file."""
        found = re.match(rf"{re.escape(self.list_field)}\[(\d+)\]", str(error.details.get("field", "")))
        if self.lines and found and int(found[1]) < len(self.lines):
            error.add_note(f"{self.file} line {self.lines[int(found[1])]}")


def read_request(text: str, settings: Sequence[str], schema: Mapping[str, Any]) -> Request:
    """The request that `--input` and `--set` make together; `@file.jsonl` fills the one list field that `schema` has.

    Raises: InvalidInput, naming the file, the line or the field.
    """
    request = _read_input(text, schema) if text else Request({})
    for name, value in pairs("set", settings):
        target: Any = request.value
        spec: Mapping[str, Any] = schema
        *path, last = name.split(".")
        for part in path:
            target, spec = _at(target, part), _spec(schema, spec, part)
        if not isinstance(target, dict):
            raise InvalidInput("set", f"{name}={value}", f"accepted: a path through objects; {'.'.join(path)} is none")
        target[last] = typed_value(value, _spec(schema, spec, last))
    return request


def pairs(option: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each `FIELD=VALUE`, split. Raises: InvalidInput, naming the option."""
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InvalidInput(option, text, "accepted: FIELD=VALUE")
        yield name, value


def typed_value(text: str, spec: Mapping[str, Any]) -> Any:
    """The value that was typed: JSON where it is JSON, else text. Where the schema takes text, it stays text; yes and no are
    good enough for a boolean.
    """
    types = {option.get("type") for option in spec.get("anyOf", (spec,))}
    try:
        value: Any = json.loads(text, parse_constant=_refuse)
    except ValueError:
        value = text
    if "string" in types and types <= {"string", "null"} and not (value is None and "null" in types):
        return value if isinstance(value, str) else text
    if types == {"boolean"} and isinstance(value, str):
        return {"yes": True, "y": True, "no": False, "n": False}.get(value.lower(), value)
    return value


def _read_input(text: str, schema: Mapping[str, Any]) -> Request:
    file = ""
    if text in ("-", "@-"):
        file, text = "stdin", sys.stdin.read()
    elif text.startswith("@"):
        file = text[1:]
        text = _file(file)
        if file.endswith(".jsonl"):
            name = _list_field(schema, file)
            items, lines = _lines(text, file)
            return Request({name: items}, file, name, lines)
    try:
        value: Any = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        excerpt = text[max(0, error.pos - 20) : error.pos + 20]
        raise InvalidInput(file or "input", excerpt, f"malformed JSON at {place} ({error.msg}); {ACCEPTED}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(file or "input", text, f"malformed JSON ({error}); {ACCEPTED}") from None
    if not isinstance(value, dict):
        raise InvalidInput(file or "input", value, ACCEPTED)
    return Request(cast(dict[str, Any], value), file)


def _file(name: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidInput("input", name, f"it cannot be read ({error.strerror}); {ACCEPTED}") from None
    except (UnicodeDecodeError, ValueError):
        raise InvalidInput("input", name, f"it is not UTF-8 text; {ACCEPTED}") from None


def _list_field(schema: Mapping[str, Any], file: str) -> str:
    found = [name for name, spec in schema.get("properties", {}).items() if _is_list(spec)]
    if len(found) != 1:
        has = ", ".join(found) or ("none" if schema.get("properties") else "an unknown schema")
        raise InvalidInput("input", file, f"a .jsonl file fills the request's one list field, and this skill has {has}")
    return found[0]


def _is_list(spec: Mapping[str, Any]) -> bool:
    return spec.get("type") == "array" or any(_is_list(option) for option in spec.get("anyOf", ()))


def _lines(text: str, file: str) -> tuple[list[Any], list[int]]:
    values: list[Any] = []
    numbers: list[int] = []
    # Not splitlines: U+2028 inside a JSON string ends no line.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value: Any = json.loads(line, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise InvalidInput(
                f"{file} line {number}", line, f"malformed JSON ({reason}); accepted: one JSON object a line"
            ) from None
        if not isinstance(value, dict):
            raise InvalidInput(f"{file} line {number}", value, "accepted: one JSON object a line")
        values.append(value)
        numbers.append(number)
    return values, numbers


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _at(target: Any, name: str) -> Any:
    if not isinstance(target, dict):
        return None
    at = cast(dict[str, Any], target)
    if at.get(name) is None:
        at[name] = {}
    return at[name]


def _spec(schema: Mapping[str, Any], spec: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The schema of a field, or {} where it is not said."""
    for option in (spec, *spec.get("anyOf", ())):
        resolved = schema.get("$defs", {}).get(str(option.get("$ref", "")).rpartition("/")[2], option)
        if name in resolved.get("properties", {}):
            return resolved["properties"][name]
    return {}
