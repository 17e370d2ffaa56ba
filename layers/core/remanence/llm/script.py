"""The small language that drives the scripted model from inside a conversation.

    [[script: say Noted.]] [[and: call archival_memory_insert {"content": "tea"}]] [[then: say ok]]

`script` opens the first step, `then` the next one, `and` adds an action to the step. A script
closes the message it stands in.

Path: scripted.ScriptedLlm -> parse_script -> steps of Actions.
Pure. What cannot be parsed raises InvalidRequest, so that a typo in a test is seen.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from remanence.errors import InvalidRequest

if TYPE_CHECKING:
    from remanence.core.exchange import Finish, JsonValue

_OPEN = re.compile(r"\[\[\s*(?P<kind>script|then|and)\s*:\s*(?P<verb>\w+)[ \t]*", re.IGNORECASE)
_CLOSE = re.compile(r"\s*\]\]")
_NAME = re.compile(r"[\w.-]+\s*")
_FINISHES = frozenset({"stop", "tool_calls", "length", "content_filter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Assistant text."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """Reasoning."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call; `arguments` is sent as it stands, so broken JSON can be scripted too."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """An error of this kind (scripted.ERRORS), in the first `times` calls of the step."""

    kind: str
    times: int | None = None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Seconds before anything is answered."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The finish to report."""

    finish: Finish


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The usage to report."""

    prompt_tokens: int
    completion_tokens: int


Action: TypeAlias = Say | Think | Call | Fail | Delay | End | Count
Step: TypeAlias = tuple[Action, ...]


def parse_script(text: str) -> tuple[Step, ...]:
    """The steps of the script that `text` ends with; empty when it does not end with one.

    Raises:
        InvalidRequest: a script begins and cannot be understood.
    """
    steps: list[list[Action]] = []
    at = 0
    while match := _OPEN.search(text, at):
        if steps and text[at : match.start()].strip():
            steps = []  # words stand between: what came before was quoted, not said to us
        action, at = _action(match["verb"].lower(), text, match.end())
        if match["kind"].lower() != "and" or not steps:
            steps.append([])
        steps[-1].append(action)
    return () if text[at:].strip() else tuple(tuple(step) for step in steps)


def _action(verb: str, text: str, start: int) -> tuple[Action, int]:
    if verb == "call":
        return _call(text, start)
    end = text.find("]]", start)
    if end < 0:
        raise _unclear(text[start:])
    argument = text[start:end].strip()
    try:
        return _simple_action(verb, argument), end + 2
    except ValueError as exc:
        raise _unclear(f"{verb} {argument}") from exc


def _simple_action(verb: str, argument: str) -> Action:
    match verb:
        case "say":
            return Say(text=argument)
        case "think":
            return Think(text=argument)
        case "delay":
            return Delay(seconds=float(argument))
        case "error":
            return _fail(argument)
        case "finish" if argument in _FINISHES:
            return End(finish=cast("Finish", argument))  # checked in the line above
        case "usage":
            prompt, _, completion = argument.partition("/")
            return Count(prompt_tokens=int(prompt), completion_tokens=int(completion))
        case _:
            raise _unclear(f"{verb} {argument}")


def _fail(argument: str) -> Fail:
    kind, *options = argument.split()
    given = dict(option.split("=", 1) for option in options)
    times, pause = given.pop("times", None), given.pop("retry_after", None)
    if given:
        raise _unclear(f"error {argument}")
    return Fail(
        kind=kind,
        times=int(times) if times else None,
        retry_after_s=float(pause) if pause else None,
    )


def _call(text: str, start: int) -> tuple[Call, int]:
    """`NAME {json}`: the JSON may hold `]]`, so it is parsed to find its end."""
    name = _NAME.match(text, start)
    if name is None:
        raise _unclear(text[start:])
    whole = _whole_arguments(text, name.end())
    if whole is not None:
        arguments, end = whole
        return Call(name=name[0].strip(), arguments=arguments), end
    end = text.find("]]", name.end())
    if end < 0:
        raise _unclear(text[start:])
    return Call(name=name[0].strip(), arguments=text[name.end() : end].strip() or "{}"), end + 2


def _whole_arguments(text: str, at: int) -> tuple[str, int] | None:
    """The JSON object that stands at `at`, and where its directive is closed."""
    try:
        arguments: JsonValue
        arguments, end = json.JSONDecoder().raw_decode(text, at)
    except ValueError:
        return None
    close = _CLOSE.match(text, end)
    return (text[at:end], close.end()) if isinstance(arguments, dict) and close else None


def _unclear(what: str) -> InvalidRequest:
    return InvalidRequest(f"the script cannot be understood at {what[:80]!r}")
