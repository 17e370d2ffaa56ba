"""The process of one tool call: reads the call, gives up its rights, runs it, answers.

Path: sandbox.local starts this with a clean environment; what it writes is read as a stranger's.
Standard library only, and started without site packages. The call comes as JSON on standard
input, the answer goes as JSON to a file descriptor of its own.
"""

from __future__ import annotations
import __future__

import dataclasses
import enum
import inspect
import json
import os
import sys
import traceback
import types
import typing
from typing import Any

from remanence.sandbox.shields import raise_shields

MODULE = "tool"
_LAZY_ANNOTATIONS = __future__.annotations.compiler_flag
_SEVERAL: dict[Any, Any] = {list: list, tuple: tuple, set: set}
FILE = "tool.py"
# Lines of the traceback that are told: enough to find the line, not enough to fill a context.
MOST_FRAMES = 8


def main() -> None:
    """Run the call on standard input. Arguments: where our code is, the answer's descriptor."""
    ours, answer_fd = sys.argv[1], int(sys.argv[2])
    call = json.loads(sys.stdin.buffer.read())
    sys.path[:] = [path for path in sys.path if path != ours] + call["shields"]["paths"]
    sys.argv[:] = [FILE]
    shields = raise_shields(call["shields"], os.getcwd())
    # Only now: neither loader nor interpreter obeys it any more.
    os.environ.update(call["environment"])  # noqa: TID251  the tool's, in a process of its own
    answer = perform(call["source_code"], call["name"], call["arguments"], call["most_chars"])
    text = json.dumps(answer | {"shields": shields}, ensure_ascii=False)
    sys.stdout.flush()
    sys.stderr.flush()
    with os.fdopen(answer_fd, "wb") as out:
        out.write(text.encode(errors="replace"))  # lone surrogates have no encoding
    os._exit(0)  # neither threads nor exit handlers of the tool delay the answer


def perform(source: str, name: str, arguments: dict[str, Any], most_chars: int) -> dict[str, Any]:
    """Run the function `name` of a source; `{status, text}`, whatever it does."""
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    # The source of a single function comes without the imports its annotations name.
    module.__dict__.update(
        {each: found for each, found in vars(typing).items() if each[0].isupper()}
    )
    try:
        code = compile(source, FILE, "exec", _LAZY_ANNOTATIONS, dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102  what this process is for
        function = getattr(module, name)
        value = function(**fitted(function, arguments))
        if inspect.iscoroutine(value):
            import asyncio  # noqa: PLC0415  30 ms, for few tools

            value = asyncio.run(value)
        return {"status": "success", "text": as_text(value)[:most_chars]}
    except BaseException as error:  # noqa: BLE001  the tool is somebody else's; all it raises is told
        return {"status": "error", "text": told(name, error)[:most_chars]}


def fitted(function: typing.Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments as the annotations want them: enums by value, dataclasses from objects."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001  annotations that cannot be read convert nothing
        return arguments
    return {name: _fit(value, hints.get(name)) for name, value in arguments.items()}


def _fit(value: Any, wanted: Any) -> Any:
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    make: typing.Callable[[Any], Any] | None = _SEVERAL.get(origin)
    if isinstance(value, list) and make is not None and inner:
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]  from JSON
        return make(_fit(item, inner[0]) for item in items)
    for kind in (wanted, *inner):
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return kind(value)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and isinstance(value, dict):
            members: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]  from JSON
            hints = typing.get_type_hints(kind)
            return kind(**{name: _fit(each, hints.get(name)) for name, each in members.items()})
    return value  # pyright: ignore[reportUnknownVariableType]  whatever it is


def as_text(value: Any) -> str:
    """What the model reads: text as it is, structures as JSON, the rest as Python writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | tuple):
        try:
            return json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):
            pass  # holds what JSON has no form for
    return str(value)  # pyright: ignore[reportUnknownArgumentType]  whatever a tool returns


def told(name: str, error: BaseException) -> str:
    """An error with its place in the tool's own source; nothing of this machine."""
    if isinstance(error, MemoryError):
        return f"{name} failed: MemoryError: it needs more memory than tools have"
    if isinstance(error, SyntaxError):
        return f"{name} failed: {type(error).__name__}: {error.msg} (line {error.lineno})"
    frames = [
        f"line {frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == FILE
    ]
    where = f" ({', '.join(frames[-MOST_FRAMES:])})" if frames else ""
    return f"{name} failed: {type(error).__name__}: {error}{where}"
