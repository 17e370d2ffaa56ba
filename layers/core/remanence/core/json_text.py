"""Reading the JSON that models write, which is not always JSON.

Path: core.arguments -> read_object. Mends what has one possible meaning (code fences, trailing
commas, Python literals, quotes of the other kind, two objects in a row) and refuses the rest: a
text that ends too early is never completed by guessing. Pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from remanence.core.clean import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import JsonObject, JsonValue

# A quoted string of either kind (an unclosed one runs to the end, which keeps this linear), a
# Python literal, or a comma before a closing bracket.
_MENDABLE = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"?'
    r"|'[^'\\]*(?:\\.[^'\\]*)*'?"
    r"|\b(?:True|False|None)\b"
    r"|,(?=\s*[}\]])",
    re.DOTALL,
)
_LITERALS = {"True": "true", "False": "false", "None": "null"}
_ESCAPE = re.compile(r'\\(.)|(")', re.DOTALL)
_JSON_ESCAPES = frozenset('"\\/bfnrtu')


class UnreadableJson(ValueError):
    """The text is not one JSON object; the message says why, for the model."""


def read_object(text: str) -> JsonObject:
    """The JSON object a model meant.

    Args:
        text: what it wrote; "" and "null" mean an object without members.

    Returns:
        The object; of several in a row the first that is not empty. Its strings hold no NUL and
        no lone surrogates, which neither Postgres nor a provider would take.

    Raises:
        UnreadableJson: not an object, not complete, or too deeply nested.
    """
    try:
        return _object_in(text.strip())
    except RecursionError:
        raise UnreadableJson("they are nested too deeply") from None


def read_objects(text: str) -> list[JsonObject]:
    """All objects in a row, or in a list, that a model wrote; read as `read_object` reads one.

    Raises:
        UnreadableJson: there is none, one is not complete, or too deeply nested.
    """
    try:
        return list(_objects_in(text))
    except RecursionError:
        raise UnreadableJson("they are nested too deeply") from None


def read_value(text: str) -> JsonValue:
    """Any JSON value, as it stands; nothing is mended.

    Raises:
        UnreadableJson: not JSON, or too deeply nested.
    """
    try:
        return _clean(_decoder.decode(text.strip()))
    except (ValueError, RecursionError) as error:
        raise UnreadableJson(str(error)) from None


def _object_in(text: str) -> JsonObject:
    if text in ("", "null", "None"):
        return {}
    try:
        value: JsonValue = _decoder.decode(text)
    except ValueError:
        return _first_object(text)
    if isinstance(value, str) and value.lstrip().startswith("{"):  # encoded twice
        value = _first_object(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        value = value[0]
    if not isinstance(value, dict):
        raise UnreadableJson(f"they are {_kind(value)}, and have to be an object")
    return _clean_object(value)


def _first_object(text: str) -> JsonObject:
    """The first object in a text that is not JSON as a whole; an empty one if all are."""
    for found in _objects_in(text):
        if found:
            return found
    return {}


def _objects_in(text: str) -> Iterator[JsonObject]:
    """The objects in a row, from the first brace on."""
    start = text.find("{")
    if start < 0:
        raise UnreadableJson("there is no JSON object in them")
    mended = _MENDABLE.sub(_mend, text[start:])
    place = 0
    while mended.startswith("{", place):
        try:
            value, place = _decoder.raw_decode(mended, place)
        except json.JSONDecodeError as error:
            raise UnreadableJson(_why(error, mended)) from None
        except ValueError as error:
            raise UnreadableJson(str(error)) from None
        yield _clean_object(value)
        while place < len(mended) and mended[place] in " \t\r\n,;":
            place += 1


def _why(error: json.JSONDecodeError, text: str) -> str:
    unclosed = error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip())
    if unclosed:
        return "they end too early, so the JSON is not complete"
    near = text[max(0, error.pos - 20) : error.pos + 20]
    return f"they are not valid JSON ({error.msg.lower()} near {near!r})"


def _mend(match: re.Match[str]) -> str:
    found = match.group()
    if found == ",":
        return ""
    if not found.startswith("'"):
        return _LITERALS.get(found, found)
    if len(found) < 2 or not found.endswith("'"):
        return found  # not closed: the parser will say so
    return f'"{_ESCAPE.sub(_requote, found[1:-1])}"'


def _requote(match: re.Match[str]) -> str:
    escaped = match.group(1)
    if escaped is None:
        return '\\"'
    if escaped == "'":
        return "'"
    return f"\\{escaped}" if escaped in _JSON_ESCAPES else f"\\\\{escaped}"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


# Not strict: models write raw line breaks inside strings.
_decoder = json.JSONDecoder(strict=False, parse_constant=_refuse_constant)


def _clean_object(value: JsonObject) -> JsonObject:
    return {clean_text(key): _clean(member) for key, member in value.items()}


def _clean(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return clean_text(value)
        case dict():
            return _clean_object(value)
        case list():
            return [_clean(item) for item in value]
        case _:
            return value


def _kind(value: JsonValue) -> str:
    match value:
        case str():
            return "a string"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "not an object"
