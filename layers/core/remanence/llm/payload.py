"""Reading JSON that somebody else wrote, without trusting its shape.

Path: used by every module that reads a provider's answer.
Pure: a missing or wrong field is a default, or a ProviderBadReply where it must be there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from remanence.errors import ProviderBadReply

if TYPE_CHECKING:
    from remanence.core.exchange import Image, JsonObject, JsonValue

# Of tokens, and of places in a list. The database keeps counts in 32 bits.
MOST_COUNTED = 2**31 - 1


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
    """The whole number under `key`, or None; one that counts nothing real is none."""
    found = value.get(key)
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if 0 <= found <= MOST_COUNTED else None


def as_vector(value: object) -> list[float]:
    """The numbers of one embedding.

    Raises:
        ProviderBadReply: it is not a list of numbers, or an empty one.
    """
    numbers = cast("list[object]", value) if isinstance(value, list) else []
    vector = [float(n) for n in numbers if isinstance(n, int | float)]
    if not vector or len(vector) != len(numbers):
        raise ProviderBadReply("the reply cannot be read: an embedding is not a list of numbers")
    return vector


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


def inline_image(image: Image) -> tuple[str | None, str] | None:
    """The MIME type and the base64 data of an image that is not only named by its address."""
    if image.data is not None:
        return image.media_type, image.data
    url = image.url or ""
    if not url.startswith("data:"):
        return None
    head, _, data = url.removeprefix("data:").partition(",")
    return head.removesuffix(";base64"), data
