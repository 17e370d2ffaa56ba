"""Tool calls that a model wrote into its text, found and made calls.

Path: openai_wire.OpenAIWire -> recognised, for vendors whose models do that -> engine.
Pure. Knows the forms that open models are trained on and those that small ones make up. A marked
call that cannot be read is a call all the same: the model is answered with its tool's schema. What
stands behind a call is left out, since small models go on with a result of their own making.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.exchange import Reply, Text, TextDelta, ToolCall, ToolCallDelta
from remanence.core.json_text import UnreadableJson, read_objects
from remanence.llm.tool_ids import fresh_id, ids_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from remanence.core.exchange import Delta, JsonObject, JsonValue, Part, Request

# What begins a call wherever it stands; text from there on waits until it is whole.
_MARKS = (
    "<tool_call",
    "<toolcall",
    "<function",
    "<|tool_call",
    "<|python_tag|>",
    "[TOOL_CALLS]",
    "```json",
    "```tool",
)
_MARK = re.compile("|".join(re.escape(mark) for mark in _MARKS))
# Only at the beginning of a text: JSON without a mark, or a fence without a language.
_BARE = re.compile(r"\s*(?:\{|\[\s*\{|```\s*[\{\[])")
_MAY_BE_BARE = re.compile(r"\s*(?:\[\s*|`{1,3}\s*)?")
_LONGEST_MARK = max(map(len, _MARKS))

# <function=name>arguments</function>, and [TOOL_CALLS]name[ARGS]arguments.
_NAMED = re.compile(
    r"<function=[\"']?([\w.-]+)[\"']?>(.*?)(?:</function>|(?=<function=)|$)"
    r"|\[TOOL_CALLS\]\s*([\w.-]+)\s*(?:\[CALL_ID\][^\[{]*)?(?:\[ARGS\])?\s*(\{.*?)(?=\[TOOL_CALLS\]|$)",
    re.DOTALL,
)
_PARAMETER = re.compile(r"<parameter=[\"']?([\w.-]+)[\"']?>\n?(.*?)\n?</parameter>", re.DOTALL)
_NAME_IN_BROKEN = re.compile(
    r"[\"'](?:name|tool|tool_name|function)[\"']\s*:\s*[\"']([\w.-]+)[\"']"
)
_ARGUMENTS_IN_BROKEN = re.compile(
    r"[\"'](?:arguments|parameters|args|params|input)[\"']\s*:\s*(.*?)\}?\s*(?:</|<\||```|$)",
    re.DOTALL,
)
_NAME_FIELDS = ("name", "tool", "tool_name", "function_name", "function", "action")
_ARGUMENT_FIELDS = ("arguments", "parameters", "args", "params", "input", "action_input")
# What may stand beside them in a call without a mark.
_OTHER_FIELDS = frozenset({"id", "type", "call_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A call as it was written. `arguments` is JSON, or what stood in its place."""

    name: str
    arguments: str


def recognised(items: Iterable[Delta | Reply], request: Request) -> Iterator[Delta | Reply]:
    """The same answer, with calls in place of text that is one.

    Fragments of text are handed on until a call may have begun; what turns out to be none is
    handed on then, in one piece.
    """
    names = frozenset(spec.name for spec in request.tools)
    held = _Held()
    for item in items:
        match item:
            case TextDelta():
                if said := held.release(item.text):
                    yield TextDelta(text=said)
            case Reply():
                yield from _end(item, held, request, names)
            case _:
                yield item


def split_calls(text: str, names: Collection[str]) -> tuple[str, tuple[Written, ...]]:
    """What was said before the first call, and the calls; without one, the text as it is.

    Args:
        text: everything the model said.
        names: the tools it was offered; without a mark only these are calls.
    """
    start = call_start(text)
    if start is None:
        return text, ()
    calls = _calls_in(text[start:], names)
    return (text[:start], calls) if calls else (text, ())


def call_start(text: str) -> int | None:
    """Where in a text a call may begin, or None."""
    if _BARE.match(text):
        return 0
    found = _MARK.search(text)
    return found.start() if found else None


class _Held:
    """Streamed text, of which the end is held back while it may be the beginning of a call."""

    def __init__(self) -> None:
        self._text = ""
        self._released = 0

    def release(self, fragment: str) -> str:
        """What may be handed on now."""
        self._text += fragment
        safe = self._safe()
        said, self._released = self._text[self._released : safe], max(safe, self._released)
        return said

    def rest(self, until: int) -> str:
        """What was held back of the first `until` characters."""
        return self._text[self._released : until]

    def _safe(self) -> int:
        """The place before which nothing is part of a call."""
        begun = call_start(self._text)
        if begun is not None:
            return begun
        if not self._released and _MAY_BE_BARE.fullmatch(self._text):
            return 0
        tail = self._text[-_LONGEST_MARK:]
        for length in range(len(tail), 0, -1):
            if any(mark.startswith(tail[-length:]) for mark in _MARKS):
                return len(self._text) - length
        return len(self._text)


def _end(
    reply: Reply, held: _Held, request: Request, names: Collection[str]
) -> Iterator[Delta | Reply]:
    before, calls = reply.text, tuple[Written, ...]()
    if not reply.tool_calls and reply.finish == "stop":
        before, calls = split_calls(reply.text, names)
    if said := held.rest(len(before)):
        yield TextDelta(text=said)
    if not calls:
        yield reply
        return
    taken = ids_in(request)
    made = [
        ToolCall(tool_call_id=fresh_id("", c.name, taken), name=c.name, arguments=c.arguments)
        for c in calls
    ]
    for call in made:
        yield ToolCallDelta(tool_call_id=call.tool_call_id, name=call.name)
        yield ToolCallDelta(tool_call_id=call.tool_call_id, arguments=call.arguments)
    thoughts: list[Part] = [part for part in reply.parts if not isinstance(part, Text)]
    said_before = [Text(text=before)] if before.strip() else []
    yield replace(reply, parts=(*thoughts, *said_before, *made), finish="tool_calls")


def _calls_in(text: str, names: Collection[str]) -> tuple[Written, ...]:
    """The calls of a text that begins where one may begin."""
    named = tuple(_named(match) for match in _NAMED.finditer(text))
    if named:
        return named
    is_marked = text.startswith(("<", "[TOOL_CALLS]", "```tool"))
    calls: list[Written] = []
    pieces = [piece for piece in _pieces(text) if "{" in piece]
    for piece in pieces:
        try:
            found = [_call_of(value, names, is_marked=is_marked) for value in _objects(piece)]
        except UnreadableJson:
            found = [_broken(piece, names)]
        calls += [call for call in found if call is not None]
    return tuple(calls)


def _pieces(text: str) -> list[str]:
    """The text between marks; each holds one object, or several in a row."""
    return re.split(
        r"</?tool_?calls?>|</?function_?calls?>|<\|[\w]+\|>|\[TOOL_CALLS\]|```\w*", text
    )


def _objects(piece: str) -> list[JsonObject]:
    """The objects of a piece; a list of calls in an object is its members."""
    found: list[JsonObject] = []
    for value in read_objects(piece):
        inside = value.get("tool_calls")
        if isinstance(inside, list):
            found += [entry for entry in inside if isinstance(entry, dict)]
        else:
            found.append(value)
    return found


def _call_of(value: JsonObject, names: Collection[str], *, is_marked: bool) -> Written | None:
    inside = value.get("function")
    if isinstance(inside, dict):
        value = inside
    name = next((n for field in _NAME_FIELDS if isinstance(n := value.get(field), str)), None)
    field = next((field for field in _ARGUMENT_FIELDS if field in value), None)
    if name is None or (not is_marked and name not in names):
        return None
    if field is not None:
        return Written(name=name, arguments=_as_text(value[field]))
    rest = {k: v for k, v in value.items() if v != name and k not in _OTHER_FIELDS}
    # Some leave the arguments beside the name. Without a mark that may be any JSON with a name.
    return Written(name=name, arguments=_as_text(rest)) if is_marked or not rest else None


def _named(match: re.Match[str]) -> Written:
    name, body = match[1] or match[3], match[2] or match[4] or ""
    parameters = _PARAMETER.findall(body)
    if parameters:
        return Written(name=name, arguments=_as_text({k: _value(v) for k, v in parameters}))
    return Written(name=name, arguments=body.strip() or "{}")


def _value(text: str) -> JsonValue:
    """A parameter's value: JSON where it is a list or an object, and a word otherwise."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def _broken(piece: str, names: Collection[str]) -> Written | None:
    """A call whose JSON cannot be read: its name, and what stands for its arguments."""
    name = _NAME_IN_BROKEN.search(piece)
    if name is None or name[1] not in names:
        return None
    arguments = _ARGUMENTS_IN_BROKEN.search(piece)
    return Written(name=name[1], arguments=arguments[1].strip() if arguments else piece.strip())


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
