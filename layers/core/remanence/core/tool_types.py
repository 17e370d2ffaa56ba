"""Type annotations to JSON schema, by their syntax alone: no code of the tool is run. Pure."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.exchange import JsonObject, JsonValue

_PLAIN: dict[str, JsonObject] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "dict": {"type": "object"},
    "Any": {},
    "object": {},
}
_LISTS = frozenset({"list", "List", "Sequence", "Iterable", "tuple", "Tuple", "set", "Set"})
_OBJECTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
_WRAPPERS = frozenset({"Annotated", "Required", "NotRequired", "Final"})
# Classes within classes; more is a knot.
_DEEPEST = 8


class UnreadableType(Exception):
    """An annotation that has no schema; its text."""


class TypeReader:
    """Reads annotations of one module, whose classes and aliases they may name."""

    def __init__(self, module: ast.Module) -> None:
        self._classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
        self._aliases = {
            target.id: node.value
            for node in module.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self._depth = 0

    def schema(self, annotation: ast.expr) -> JsonObject:
        """The JSON schema of an annotation.

        Raises:
            UnreadableType: it has none here.
        """
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                raise UnreadableType(ast.unparse(annotation))
            return self._schema(annotation)
        finally:
            self._depth -= 1

    def _schema(self, annotation: ast.expr) -> JsonObject:
        match annotation:
            case ast.Constant(value=None):
                return dict(_PLAIN["None"])
            case ast.Constant(value=str(text)):
                return self.schema(self._unquoted(text))
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._union([*_ways(left), *_ways(right)])
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return self._named(name, annotation)
            case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
                items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return self._generic(name, items, annotation)
            case _:
                raise UnreadableType(ast.unparse(annotation))

    def _unquoted(self, text: str) -> ast.expr:
        try:
            return ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise UnreadableType(repr(text)) from error

    def _named(self, name: str, annotation: ast.expr) -> JsonObject:
        if name in self._classes:
            return self._class(self._classes[name])
        if name in self._aliases:
            return self.schema(self._aliases[name])
        if name in _LISTS:
            return {"type": "array", "items": {}}
        if name in _OBJECTS:
            return {"type": "object"}
        if name in _PLAIN:
            return dict(_PLAIN[name])
        raise UnreadableType(ast.unparse(annotation))

    def _generic(self, name: str, items: Sequence[ast.expr], annotation: ast.expr) -> JsonObject:
        if name in _LISTS:
            first = items[0]
            return {"type": "array", "items": self.schema(first)}
        if name in _OBJECTS:
            return {"type": "object", "additionalProperties": self.schema(items[-1])}
        match name:
            case "Optional":
                return self._union([*items, ast.Constant(value=None)])
            case "Union":
                return self._union(items)
            case "Literal":
                return _choices(items)
            case _ if name in _WRAPPERS:
                return self.schema(items[0])
            case _:
                raise UnreadableType(ast.unparse(annotation))

    def _union(self, ways: Sequence[ast.expr]) -> JsonObject:
        """One of several; that an argument may be None is said by its not being required."""
        schemas = [self.schema(way) for way in ways]
        kept: list[JsonValue] = []
        for schema in schemas:
            if schema != _PLAIN["None"] and schema not in kept:
                kept.append(schema)
        nullable = _PLAIN["None"] in schemas
        if len(kept) == 1 and isinstance(kept[0], dict):
            return kept[0]
        return {"anyOf": [*kept, dict(_PLAIN["None"])] if nullable else kept}

    def _class(self, node: ast.ClassDef) -> JsonObject:
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        if any(base.endswith(("Enum", "Flag")) for base in bases):
            return _choices([value for _, value in _members(node)])
        decorators = {ast.unparse(each).partition("(")[0] for each in node.decorator_list}
        if "TypedDict" not in bases and not any(d.endswith("dataclass") for d in decorators):
            raise UnreadableType(node.name)
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        named = [(each.target.id, each) for each in fields if isinstance(each.target, ast.Name)]
        return {
            "type": "object",
            "properties": {name: self.schema(each.annotation) for name, each in named},
            "required": [name for name, each in named if _is_required(each)],
        }


def _ways(annotation: ast.expr) -> list[ast.expr]:
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return [*_ways(annotation.left), *_ways(annotation.right)]
    return [annotation]


def _is_required(field: ast.AnnAssign) -> bool:
    return field.value is None and "NotRequired" not in ast.unparse(field.annotation)


def _members(node: ast.ClassDef) -> list[tuple[str, ast.expr]]:
    return [
        (target.id, each.value)
        for each in node.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    ]


def _choices(items: Sequence[ast.expr]) -> JsonObject:
    values: list[JsonValue] = []
    for item in items:
        if not isinstance(item, ast.Constant) or not isinstance(item.value, str | int | float):
            raise UnreadableType(ast.unparse(item))
        values.append(item.value)
    kinds = {type(value) for value in values}
    named = {str: "string", bool: "boolean", int: "integer", float: "number"}
    schema: JsonObject = {"enum": values}
    if len(kinds) == 1:
        schema = {"type": named[kinds.pop()], **schema}  # pyright: ignore[reportArgumentType]
    return schema
