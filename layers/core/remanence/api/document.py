"""The OpenAPI document: what FastAPI makes of the routes, with a word on every field.

Path: api.app -> describe. The words are in api.wire.words; what a type says itself is kept.
"""

from collections.abc import Iterator
from typing import Any

from remanence.api.wire.words import COMMON, PARAMETERS, SPECIFIC


def describe(document: dict[str, Any]) -> None:
    """Add to each field and parameter that says nothing of itself what is known of its name."""
    for type_name, name, schema in fields_of(document):
        if "description" not in schema:
            words = SPECIFIC.get(f"{type_name}.{name}") or COMMON.get(name)
            schema.update({"description": words} if words else {})
    for parameter in parameters_of(document):
        if "description" not in parameter:
            words = PARAMETERS.get(parameter["name"]) or COMMON.get(parameter["name"])
            parameter.update({"description": words} if words else {})


def fields_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Type, name and schema of every field of a body."""
    for type_name, schema in document["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            yield type_name, name, field


def parameters_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every parameter in a path, a query or a header."""
    for operations in document["paths"].values():
        for operation in operations.values():
            yield from operation.get("parameters", [])
