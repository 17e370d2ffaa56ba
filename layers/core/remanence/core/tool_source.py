"""The JSON schema of a custom tool, read from its Python source.

Path: api/wire/tools.py -> read_source. The source is parsed and never run. Name and types come
from the signature, texts from the docstring (Google style). What is missing is named together
with what to add. Pure.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.core.docstrings import read_docstring
from remanence.core.tool_types import TypeReader, UnreadableType
from remanence.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import JsonObject, JsonValue

FIELD = "source_code"
# Arguments the retired server filled in by itself.
_INJECTED = {
    "agent_state": "tools run outside of the server and are not given the agent's state; memory "
    "is edited by the built-in memory tools. Remove the argument",
    "self": "methods are not served: write a function at the top level",
    "cls": "methods are not served: write a function at the top level",
}
# The server's own package: not there in a tool's process, and never handed to one.
_INTERNALS = ("letta", "remanence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSource:
    """A tool as its source describes it. `parameters` is a JSON schema object."""

    name: str
    description: str
    parameters: JsonObject


_Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_source(source: str, *, name: str | None = None, typed: bool = True) -> ToolSource:
    """Read a tool from its source.

    Args:
        source: Python; the tool is its last public function at the top level.
        name: take the function of this name instead.
        typed: False when the caller gives the schema of the arguments: annotations are then
            not needed, and `parameters` is empty.

    Raises:
        InvalidRequest: it is no Python, has no such function, takes what a tool is not given, or
            an argument has no type that can be written as JSON schema; says what to change.
    """
    try:
        return _read(_parsed(source), name, typed=typed)
    except RecursionError as error:
        raise InvalidRequest("source_code is nested too deeply", field=FIELD) from error


def _read(module: ast.Module, name: str | None, *, typed: bool) -> ToolSource:
    _refuse_internals(module)
    function = _function(module, name)
    arguments = [*_arguments(function)]
    doc = read_docstring(ast.get_docstring(function) or "")
    parameters: JsonObject = {"type": "object", "properties": {}, "required": []}
    if typed:
        parameters = _parameters(TypeReader(module), function, arguments, doc.arguments)
    return ToolSource(name=function.name, description=doc.text, parameters=parameters)


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        msg = f"source_code is not valid Python: {error.msg} (line {error.lineno})"
        raise InvalidRequest(msg, field=FIELD) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidRequest("source_code cannot be read as Python", field=FIELD) from error


def _refuse_internals(module: ast.Module) -> None:
    for node in ast.walk(module):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for imported in names:
            if imported.split(".")[0] in _INTERNALS:
                raise InvalidRequest(
                    f"source_code imports {imported!r}: tools run outside of the server, without "
                    "its code; memory is edited by the built-in memory tools. Remove the import",
                    field=FIELD,
                )


def _function(module: ast.Module, name: str | None) -> _Function:
    functions = [node for node in module.body if isinstance(node, _Function)]
    if name is not None:
        for function in functions:
            if function.name == name:
                return function
        raise InvalidRequest(
            f"source_code has no function {name!r} at its top level; a tool is called by the name "
            "of its function",
            field=FIELD,
        )
    public = [function for function in functions if not function.name.startswith("_")]
    if not public:
        raise InvalidRequest(
            "source_code has no public function at its top level: def my_tool(...):", field=FIELD
        )
    return public[-1]


def _arguments(function: _Function) -> Iterator[tuple[ast.arg, ast.expr | None]]:
    """The arguments with their defaults; a refusal names the one that cannot be served."""
    given = function.args
    if given.posonlyargs or given.vararg or given.kwarg:
        culprit = next(filter(None, (given.vararg, given.kwarg, *given.posonlyargs)))
        raise InvalidRequest(
            f"argument {culprit.arg!r} of {function.name!r} cannot be passed by name: "
            "write out each argument, or give json_schema",
            field=FIELD,
        )
    without = [None] * (len(given.args) - len(given.defaults))
    defaults = (*without, *given.defaults, *given.kw_defaults)
    for argument, default in zip((*given.args, *given.kwonlyargs), defaults, strict=True):
        if argument.arg in _INJECTED:
            raise InvalidRequest(
                f"argument {argument.arg!r} of {function.name!r}: {_INJECTED[argument.arg]}",
                field=FIELD,
            )
        yield argument, default


def _parameters(
    types: TypeReader,
    function: _Function,
    arguments: list[tuple[ast.arg, ast.expr | None]],
    told: dict[str, str],
) -> JsonObject:
    properties: JsonObject = {}
    required: list[JsonValue] = []
    for argument, default in arguments:
        schema = _schema(types, function, argument)
        text = told.get(argument.arg)
        properties[argument.arg] = schema if text is None else {**schema, "description": text}
        if default is None:
            required.append(argument.arg)
    return {"type": "object", "properties": properties, "required": required}


def _schema(types: TypeReader, function: _Function, argument: ast.arg) -> JsonObject:
    if argument.annotation is None:
        raise InvalidRequest(
            f"argument {argument.arg!r} of {function.name!r} has no type: write "
            f"{argument.arg}: str (or int, float, bool, list[str], dict ...), or give json_schema",
            field=FIELD,
        )
    try:
        return types.schema(argument.annotation)
    except UnreadableType as error:
        raise InvalidRequest(
            f"argument {argument.arg!r} of {function.name!r} has the type {error}, which cannot be "
            "written as JSON schema here: use str, int, float, bool, list[...], dict, Literal[...],"
            " Optional[...], or an Enum, dataclass or TypedDict of the same source; or give "
            "json_schema",
            field=FIELD,
        ) from error
