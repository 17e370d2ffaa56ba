"""Reading JSON that somebody else wrote, without trusting its shape.

Path: used by every module that reads a provider's answer.
Pure: a missing or wrong field is a default, or a ProviderBadReply where it must be there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from remanence.errors import ProviderBadReply

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject, JsonValue


def as_object(value: object, what: str) -> JsonObject:
    """`value` if it is a JSON object.

    Raises:
        ProviderBadReply: it is something else; `what` says where it stood.
    """
    if not isinstance(value, dict):
        raise ProviderBadReply(f"the reply cannot be read: {what} is not an object")
    # JSON objects have string keys: the parser makes no others.
    return cast("JsonObject", value)


def objects(value: object) -> list[JsonObject]:
    """The objects of a list; an absent list is empty, entries that are no objects are left out."""
    if not isinstance(value, list):
        return []
    entries = cast("list[object]", value)
    return [cast("JsonObject", entry) for entry in entries if isinstance(entry, dict)]


def inner(value: JsonObject, key: str) -> JsonObject:
    """The object under `key`, or an empty one."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def text(value: JsonObject, key: str) -> str:
    """The string under `key`, or an empty one."""
    found = value.get(key)
    return found if isinstance(found, str) else ""


def whole(value: JsonObject, key: str) -> int | None:
    """The whole number under `key`, or None."""
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def arguments_object(arguments: str) -> JsonObject:
    """A tool call's arguments as the object that a provider wants to see again.

    A model may have written something that is no JSON object, and got an error for it; it
    stays in the conversation, so it is shown wrapped instead of making every later request fail.
    """
    try:
        value: JsonValue = json.loads(arguments or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"invalid_arguments": arguments}
