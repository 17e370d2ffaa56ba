"""Calling a tool that has no rule of its own: named by the user, or forced by a tool rule.

Path: demo.plan -> named_tool / forced_call. Pure. Arguments come from the message: a JSON
object, `key=value` pairs, else its words and numbers, by the types of the tool's schema.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

from remanence.demo.memory import Planned

if TYPE_CHECKING:
    from collections.abc import Collection

    from remanence.core.exchange import JsonObject, JsonValue, ToolSpec

_REQUEST = r"\b(?:use|call|run|invoke|try|execute)\b[^.]*?"
_OBJECT = re.compile(r"\{.*\}", re.DOTALL)
# "use <tool> with ...": what stands between a tool's name and its argument.
_LINK = re.compile(r"^(?:tool\b ?)?(?:with|on|for|to|about|and)\b ?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
# Arguments that say something about the call itself; filled only where they are required.
HEARTBEAT = "request_heartbeat"


def named_tool(message: str, names: Collection[str], known: Collection[str]) -> str | None:
    """The tool that the user asks for by its name ("use roll_dice with sides=6").

    Args:
        message: of the user.
        names: tools that may be meant.
        known: tools that have rules of their own: they are only meant after "use" and the like.
    """
    for name in sorted(names):
        asked = re.search(rf"{_REQUEST}\b{_spoken(name)}\b", message, re.IGNORECASE)
        if asked or ("_" in name and name not in known and name in message):
            return name
    return None


def named_arguments(tool: ToolSpec, message: str) -> JsonObject:
    """Arguments from what the message says after the tool's name."""
    rest = re.split(rf"\b{_spoken(tool.name)}\b", message, maxsplit=1, flags=re.IGNORECASE)[-1]
    return arguments_for(tool, rest.strip(" `'\".:,"))


def _spoken(name: str) -> str:
    return re.escape(name).replace("_", "[_ ]")


def forced_call(tool: ToolSpec, message: str) -> Planned:
    """A call of a tool that must be called, whatever was said."""
    return Planned(name=tool.name, arguments=arguments_for(tool, message))


def arguments_for(tool: ToolSpec, text: str) -> JsonObject:
    """Arguments that fit the tool's schema: what `text` says, and every required one."""
    properties = _schema(tool.parameters.get("properties"))
    required = tool.parameters.get("required")
    needed = required if isinstance(required, list) else []
    given = _given(text, properties)
    left = _LINK.sub("", _OBJECT.sub("", text)).strip()
    filled = {
        name: _value(_schema(properties.get(name)), left)
        for name in needed
        if isinstance(name, str) and name not in given and name != HEARTBEAT
    }
    return {**given, **filled}


def _schema(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _given(text: str, properties: JsonObject) -> JsonObject:
    """The arguments that the text spells out."""
    written = _OBJECT.search(text)
    if written is not None:
        try:
            value: object = json.loads(written.group())
        except ValueError:
            value = None
        if isinstance(value, dict):
            return cast("JsonObject", value)
    found: JsonObject = {}
    for name, schema in properties.items():
        pair = re.search(rf"\b{re.escape(name)}\s*[=:]\s*(\"[^\"]*\"|[^\s,;]+)", text)
        if pair is not None:
            found[name] = _value(_schema(schema), pair.group(1).strip('"'))
    return found


def _value(schema: JsonObject, text: str) -> JsonValue:
    """A value of the schema's type, taken from the text where it can be."""
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return next((one for one in choices if str(one).lower() in text.lower()), choices[0])
    number = _NUMBER.search(text)
    kind = schema.get("type")
    if kind == "integer":
        return int(float(number.group())) if number else 1
    if kind == "number":
        return float(number.group()) if number else 1.0
    if kind == "boolean":
        return text.strip().lower() not in {"false", "no", "off"}
    if kind == "array":
        return [_value(_schema(schema.get("items")), text)]
    return {} if kind == "object" else text
