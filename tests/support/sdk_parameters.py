"""Every parameter of the SDK's operations, and what the OpenAPI document says becomes of it."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from letta_client import Letta
from support.sdk_operations import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

INFRA = Path(__file__).parents[2] / "infra"
# What the SDK calls otherwise than it sends.
SENT_AS = {
    "body_requires_approval": "requires_approval",
    "body_run_id": "run_id",
    "metadata": "metadata_",
    "query_requires_approval": "requires_approval",
    "x_override_embedding_model": "x-override-embedding-model",
}
_OF_EVERY_CALL = {"extra_headers", "extra_query", "extra_body", "timeout"}
_ROW = re.compile(r"\| (\S+) \| (\w+) \| `(\S+)` \| served \|")


@dataclass(frozen=True)
class Parameter:
    """One parameter of one operation; `schema` is the document's, None if it knows none."""

    operation: str
    name: str
    schema: dict[str, Any] | None
    is_in_body: bool
    may_be_null: bool

    @property
    def words(self) -> str:
        return str((self.schema or {}).get("description", ""))

    @property
    def outcome(self) -> str:
        """applied, refused or without effect: as the document says it."""
        if self.words.startswith("Not served"):
            return "refused"
        return "without effect" if "without effect" in self.words.lower() else "applied"

    @property
    def takes_null(self) -> bool:
        schema = self.schema or {}
        return any(each.get("type") == "null" for each in schema.get("anyOf", [schema]))


def parameters() -> list[Parameter]:
    """Those of every operation that is served, without what stands in its path."""
    document = json.loads((INFRA / "openapi.json").read_text())
    calls = dict(operations(Letta(base_url="http://127.0.0.1:9", api_key="none")))
    served = _ROW.findall((INFRA / "OPERATIONS.md").read_text())
    return [
        parameter
        for operation, method, path in served
        for parameter in _of(operation, path, calls[operation], _known(document, method, path))
    ]


def _of(
    operation: str, path: str, call: Any, known: tuple[dict[str, Any], dict[str, Any]]
) -> Iterator[Parameter]:
    query, body = known
    for name, parameter in inspect.signature(call).parameters.items():
        if name in _OF_EVERY_CALL or f"{{{name}}}" in path:
            continue
        sent = name if name in body or name in query else SENT_AS.get(name, name)
        yield Parameter(
            operation=operation,
            name=name,
            schema=body.get(sent) or query.get(sent),
            is_in_body=sent in body and not name.startswith("query_"),
            may_be_null=str(parameter.annotation).startswith("Optional"),
        )


def _known(
    document: dict[str, Any], method: str, path: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the document says of an operation: its query with its headers, and its body."""
    operation = next(
        each[method.lower()]
        for known, each in document["paths"].items()
        if _shape(known) == _shape(path) and method.lower() in each
    )
    query = {each["name"]: each["schema"] | each for each in operation.get("parameters", [])}
    content = operation.get("requestBody", {}).get("content", {})
    body: dict[str, Any] = {}
    for each in content.values():
        body |= _properties(document, each["schema"])
    return query, body


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)


def _properties(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _properties(document, document["components"]["schemas"][name])
    found = dict(schema.get("properties", {}))
    for each in schema.get("anyOf", []):
        found |= _properties(document, each)
    return found
