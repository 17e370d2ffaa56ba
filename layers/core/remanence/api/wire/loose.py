"""Reading JSON that somebody else wrote: what has not the expected kind counts as absent."""

from typing import Any, cast

Json = dict[str, Any]


def list_of(value: object) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def objects_of(value: object) -> list[Json]:
    """The objects in a list."""
    return [cast("Json", item) for item in list_of(value) if isinstance(item, dict)]


def object_of(value: object) -> Json:
    """The object, or an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def text_of(value: object) -> str | None:
    """The text, or None when it is none or empty."""
    return value if isinstance(value, str) and value else None
