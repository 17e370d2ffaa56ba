"""The arguments of a tool call: read from what the model wrote, checked against the tool's schema.

Path: core.calls.read_calls -> read_arguments. Forgiving where the meaning is plain ("3" for 3, one
string for a list of one), and otherwise an error that tells the model what the tool takes. Pure.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from remanence.core.json_text import UnreadableJson, read_object, read_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.exchange import JsonObject, JsonValue, ToolCall


# A number as a string may spell it; short enough to be one that was meant.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,30})(?:\.\d{1,30})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Misfit:
    """Why a value does not fit its schema."""

    why: str


_Fitted: TypeAlias = "JsonValue | _Misfit"


def read_arguments(call: ToolCall, parameters: JsonObject) -> JsonObject | str:
    """The arguments of a call as its tool's schema has them, or the error for the model.

    Args:
        call: its `arguments` may be any text.
        parameters: a JSON schema object. Understood: properties, required, type, enum, const,
            items, anyOf, oneOf, additionalProperties; other keywords are left to the tool.

    Returns:
        Known arguments with values of the wanted types. Unknown ones are dropped unless the
        schema allows them; null for an optional argument counts as left out. Or a text that says
        what is wrong and which arguments the tool takes.

    Invariants:
        Never raises, whatever the text.
    """
    try:
        given = read_object(call.arguments)
    except UnreadableJson as unreadable:
        return f"The arguments of {call.name} could not be read: {unreadable}. {_usage(parameters)}"
    problems: list[str] = []
    arguments = _fit_members(given, parameters, problems)
    if problems:
        return f"{call.name} was not run: {'; '.join(problems)}. {_usage(parameters)}"
    return arguments


def _fit_members(given: JsonObject, schema: JsonObject, problems: list[str]) -> JsonObject:
    """The members of an object that fit; `problems` gets a line for each that does not."""
    properties = _members(schema, "properties")
    fitted: JsonObject = {}
    for name, wanted in properties.items():
        value = given.get(name)
        if value is None and not (name in given and _takes_null(wanted)):
            if name in _required(schema):
                problems.append(f"`{name}` is missing")
            continue
        found = _fit(value, wanted)
        if isinstance(found, _Misfit):
            problems.append(f"`{name}` {found.why}")
        else:
            fitted[name] = found
    if "properties" not in schema or schema.get("additionalProperties") not in (None, False):
        fitted |= {name: value for name, value in given.items() if name not in properties}
    return fitted


def _members(schema: JsonObject, keyword: str) -> JsonObject:
    found = schema.get(keyword)
    return found if isinstance(found, dict) else {}


def _required(schema: JsonObject) -> list[JsonValue]:
    found = schema.get("required")
    return found if isinstance(found, list) else []


def _takes_null(schema: JsonValue) -> bool:
    return not isinstance(_fit(None, schema), _Misfit)


def _fit(value: JsonValue, schema: JsonValue) -> _Fitted:
    """The value as the schema wants it, coerced where only one reading is possible."""
    if not isinstance(schema, dict):
        return value
    choices = _choices(schema)
    if choices is not None:
        return _fit_choice(value, choices)
    ways = schema.get("anyOf", schema.get("oneOf"))
    if isinstance(ways, list) and ways:
        return _fit_any(value, ways)
    wanted = schema.get("type")
    if isinstance(wanted, list) and wanted:
        return _fit_any(value, [{**schema, "type": one} for one in wanted])
    fit = _FITS.get(wanted) if isinstance(wanted, str) else None
    return value if fit is None else fit(value, schema)


def _choices(schema: JsonObject) -> list[JsonValue] | None:
    if "const" in schema:
        return [schema["const"]]
    found = schema.get("enum")
    return found if isinstance(found, list) else None


def _fit_choice(value: JsonValue, choices: list[JsonValue]) -> _Fitted:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    said = str(value).strip().lower()
    alike = [choice for choice in choices if str(choice).lower() == said]
    if value is not None and len(alike) == 1:
        return alike[0]
    return _Misfit(f"must be one of {json.dumps(choices, ensure_ascii=False)}")


def _fit_any(value: JsonValue, ways: list[JsonValue]) -> _Fitted:
    """The first way that takes the value as it is, else the first that takes it coerced."""
    fits = [_fit(value, way) for way in ways]
    taken = [found for found in fits if not isinstance(found, _Misfit)]
    for found in taken:
        if type(found) is type(value) and found == value:
            return found
    if taken:
        return taken[0]
    return _Misfit(" or ".join(found.why for found in fits if isinstance(found, _Misfit)))


def _fit_string(value: JsonValue, _schema: JsonObject) -> _Fitted:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return _Misfit("must be a string")


def _fit_integer(value: JsonValue, _schema: JsonObject) -> _Fitted:
    number = _number(value)
    if isinstance(number, int):
        return number
    if number is not None and number.is_integer():
        return int(number)
    return _Misfit("must be a whole number")


def _fit_number(value: JsonValue, _schema: JsonObject) -> _Fitted:
    number = _number(value)
    return _Misfit("must be a number") if number is None else number


def _number(value: JsonValue) -> int | float | None:
    """The number that a value is or spells."""
    match value:
        case bool():
            return None
        case int() | float():
            return value if math.isfinite(value) else None
        case str():
            spelled = _NUMBER.fullmatch(value.strip())
            return _number(read_value(spelled.group())) if spelled else None
        case _:
            return None


def _fit_boolean(value: JsonValue, _schema: JsonObject) -> _Fitted:
    if isinstance(value, bool):
        return value
    spelled = value.strip().lower() if isinstance(value, str) else None
    return {"true": True, "false": False}.get(spelled or "", _Misfit("must be true or false"))


def _fit_array(value: JsonValue, schema: JsonObject) -> _Fitted:
    items = _unquoted(value, "[")
    if not isinstance(items, list):
        if items is None or isinstance(items, dict):
            return _Misfit("must be a list")
        items = [items] if items != "" else []
    fitted: list[JsonValue] = []
    for item in items:
        found = _fit(item, schema.get("items"))
        if isinstance(found, _Misfit):
            return _Misfit(f"must be a list whose items fit: each {found.why}")
        fitted.append(found)
    return fitted


def _fit_object(value: JsonValue, schema: JsonObject) -> _Fitted:
    members = _unquoted(value, "{")
    if not isinstance(members, dict):
        return _Misfit("must be an object")
    problems: list[str] = []
    fitted = _fit_members(members, schema, problems)
    return _Misfit(f"does not fit: {', '.join(problems)}") if problems else fitted


def _unquoted(value: JsonValue, opening: str) -> JsonValue:
    """What a string spells, if it spells JSON that begins so; else the value itself."""
    if not isinstance(value, str) or not value.lstrip().startswith(opening):
        return value
    try:
        return read_value(value)
    except UnreadableJson:
        return value


def _fit_null(value: JsonValue, _schema: JsonObject) -> _Fitted:
    return _Misfit("must be null") if value is not None else None


_FITS: dict[str, Callable[[JsonValue, JsonObject], _Fitted]] = {
    "string": _fit_string,
    "integer": _fit_integer,
    "number": _fit_number,
    "boolean": _fit_boolean,
    "array": _fit_array,
    "object": _fit_object,
    "null": _fit_null,
}


def _usage(parameters: JsonObject) -> str:
    """Which arguments a tool takes, in one sentence for the model."""
    required = _required(parameters)
    takes = [
        f"{name} ({_type_name(schema)}{', required' if name in required else ''})"
        for name, schema in _members(parameters, "properties").items()
    ]
    return f"It takes: {', '.join(takes)}." if takes else "It takes no arguments."


def _type_name(schema: JsonValue) -> str:
    if not isinstance(schema, dict):
        return "anything"
    choices = _choices(schema)
    if choices is not None:
        return f"one of {json.dumps(choices, ensure_ascii=False)}"
    ways = schema.get("anyOf", schema.get("oneOf"))
    if isinstance(ways, list):
        return " or ".join(_type_name(way) for way in ways)
    wanted = schema.get("type")
    if isinstance(wanted, list):
        return " or ".join(str(one) for one in wanted)
    if wanted == "array":
        return f"list of {_type_name(schema.get('items'))}"
    return str(wanted or "anything")
