"""Does an answer fit its question? Decided by the JSON Schema that was stored with it, so that any process can decide."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from ..errors import InvalidInput


def accepted_json(value: Any, schema: dict[str, Any]) -> str:
    """The answer as JSON text.

    Raises: InvalidInput, naming the field, its value and what is accepted.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    try:
        text = to_json(value).decode()
    except PydanticSerializationError:
        raise InvalidInput("answer", value, "a JSON object is accepted") from None
    _validate(json.loads(text), schema)
    return text


def _validate(value: Any, schema: dict[str, Any]) -> None:
    import jsonschema

    library = cast(Any, jsonschema)  # it has no types
    validator = library.Draft202012Validator(schema, format_checker=library.FormatChecker())
    found = library.exceptions.best_match(validator.iter_errors(value))
    if found is None:
        return
    field = ".".join(str(part) for part in found.absolute_path)
    rule, limit, given = found.validator, found.validator_value, found.instance
    if rule == "required":
        field = next(name for name in limit if name not in given)
        raise InvalidInput(field, None, "field required")
    if rule == "additionalProperties":
        known = list(found.schema.get("properties", {}))
        field = next(name for name in given if name not in known)
        raise InvalidInput(field, given[field], "accepted fields: " + ", ".join(known))
    raise InvalidInput(field or "answer", given, _accepted(rule, limit, found.message))


def _accepted(rule: str, limit: Any, message: str) -> str:
    words = {
        "type": "a value of type {} is accepted",
        "enum": "accepted: one of {}",
        "const": "accepted: {}",
        "minimum": "a number of at least {} is accepted",
        "maximum": "a number of at most {} is accepted",
        "exclusiveMinimum": "a number above {} is accepted",
        "exclusiveMaximum": "a number below {} is accepted",
        "minLength": "a text of at least {} characters is accepted",
        "maxLength": "a text of at most {} characters is accepted",
        "pattern": "a text matching {} is accepted",
        "format": "a text in the format {} is accepted",
    }
    return words[rule].format(limit) if rule in words else message
