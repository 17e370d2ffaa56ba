"""Taking out of a record what nobody else may read, without changing its shape.

Path: core.cassette -> here. Pure. A stand-in has the length of what it replaces, and the same text
always gets the same one, so sizes and repetitions stay what they were.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remanence.core.exchange import JsonValue

# What says how a record is built, and is kept; every other string is text.
STRUCTURE = frozenset(
    {
        "type",
        "id",
        "role",
        "status",
        "tool_call_id",
        "media_type",
        "detail",
        "created_at",
        "org_id",
        "agent_id",
        "conversation_id",
        "run_id",
        "step_id",
        "parent_id",
        "author",
        "model",
    }
)
# Keys of providers and services as they are written, and what follows a word that announces one.
_KEYS = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|gh[oprsu]|github_pat|glpat|xox[abprs]|AIza|AKIA|ASIA|ABSK|npm|pypi"
    r"|sbp|nvapi|pplx|tvly|lsv2|whsec|r8|fw|dop_v1|dckr_pat|shpat)[-_]?[A-Za-z0-9_\-]{16,}"
    r"|\b(?:AQ|SG|ya29)\.[A-Za-z0-9_.\-]{16,}[A-Za-z0-9_\-]"
    r"|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])"  # AWS's secret keys have no mark
    r"|(?<=Bearer )[A-Za-z0-9._~+/\-]{8,}=*"
    r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----"
    r"|(?<=://)[^\s:/@]+:[^\s:/@]+(?=@)"
)
_ANNOUNCED = re.compile(
    r"(?i)(?:api[_-]?key|password|passwd|secret|token)[\"']?\s*[:=]\s*[\"']?([^\s\"',;]{8,})"
)
_WORD = re.compile(r"\w+")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"

Json: TypeAlias = "JsonValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What is replaced: keys and these names of secrets always, all text if `hides_text`."""

    names: Sequence[str] = ()
    hides_text: bool = False

    def text(self, said: str) -> str:
        """A text without what is replaced."""
        if self.hides_text:
            return _WORD.sub(lambda found: stand_in(found[0]), said)
        said = _ANNOUNCED.sub(lambda found: found[0].replace(found[1], stand_in(found[1])), said)
        said = _KEYS.sub(lambda found: stand_in(found[0]), said)
        for name in sorted(self.names, key=len, reverse=True):
            said = said.replace(name, stand_in(name))
        return said

    def arguments(self, said: str) -> str:
        """A tool call's arguments: as JSON if they are, or else as text."""
        try:
            value: JsonValue = json.loads(said)
        except ValueError:
            return self.text(said)
        if not isinstance(value, dict):
            return json.dumps(self._values(value), ensure_ascii=False)
        # The names of arguments stand in the tool's schema too, and are no text.
        shown = replace(self, hides_text=False)
        whole = {shown.text(key): self._values(inner) for key, inner in value.items()}
        return json.dumps(whole, ensure_ascii=False)

    def row(self, value: JsonValue) -> JsonValue:
        """A stored message or summary."""
        match value:
            case dict():
                return {key: self._field(key, inner, value) for key, inner in value.items()}
            case list():
                return [self.row(inner) for inner in value]
            case str():
                return self.text(value)
            case _:
                return value

    def tools(self, body: str) -> str:
        """A set of tools as it was sent: descriptions are text, names and schemas stay."""
        return json.dumps(self._described(json.loads(body)))

    def _field(self, key: str, value: JsonValue, row: Mapping[str, JsonValue]) -> JsonValue:
        if key in STRUCTURE or (key == "name" and "tool_call_id" in row):
            return value
        if key == "arguments" and isinstance(value, str):
            return self.arguments(value)
        return self.row(value)

    def _values(self, value: JsonValue) -> JsonValue:
        match value:
            case dict():
                return {self.text(key): self._values(inner) for key, inner in value.items()}
            case list():
                return [self._values(inner) for inner in value]
            case str():
                return self.text(value)
            case _:
                return value

    def _described(self, value: JsonValue) -> JsonValue:
        match value:
            case dict():
                return {
                    key: self.text(inner)
                    if key == "description" and isinstance(inner, str)
                    else self._described(inner)
                    for key, inner in value.items()
                }
            case list():
                return [self._described(inner) for inner in value]
            case str() if not self.hides_text:
                return self.text(value)
            case _:
                return value


def stand_in(text: str) -> str:
    """Letters for letters and digits for digits, always the same for the same text."""
    stream = ""
    while len(stream) < len(text):
        stream += hashlib.sha256(f"{len(stream)} {text}".encode()).hexdigest()
    return "".join(
        _instead(char, int(digit, 16)) for char, digit in zip(text, stream, strict=False)
    )


def _instead(char: str, chance: int) -> str:
    if char.isdigit():
        return str(chance % 10)
    if not char.isalnum():
        return char
    letter = _LETTERS[(ord(char) + chance) % len(_LETTERS)]
    return letter.upper() if char.isupper() else letter
