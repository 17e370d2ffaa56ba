"""What an agent says through a tool: a `send_message` call read as an assistant message.

Agents of the older types speak by calling a tool. Clients see the text of that call as an
assistant message, whole or, in a token stream, while the JSON of the arguments still grows.
Pure: strings in, strings out.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.core.exchange import JsonValue

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, slots=True)
class Speech:
    """Which tool speaks, and in which of its arguments the text is; None: no tool does."""

    tool_name: str | None = "send_message"
    argument: str = "message"

    def is_spoken(self, tool_name: str) -> bool:
        """Whether a call of this tool is shown as an assistant message."""
        return self.tool_name is not None and tool_name == self.tool_name

    def said(self, tool_name: str, arguments: str) -> str | None:
        """The text of a whole call, or None when it is not speech or cannot be read."""
        if not self.is_spoken(tool_name):
            return None
        try:
            values: JsonValue = json.loads(arguments)
        except ValueError:
            return None
        text = values.get(self.argument) if isinstance(values, dict) else None
        return whole(text) if isinstance(text, str) else None


def whole(text: str) -> str:
    """`text` with U+FFFD for each surrogate without its other half (UTF-8 has no way to say it)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class GrowingText:
    """The text of one string field of a JSON object that arrives in fragments.

    `feed` takes the next fragment of the JSON and returns what it adds to the text.

    Invariants:
        However the JSON is cut, the returned pieces joined are the field's value (a surrogate
        without its other half becomes U+FFFD); a field of another type gives nothing.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._depth = 0
        self._is_key = False  # the next string at depth 1 is a key
        self._in_string = False
        self._key: list[str] = []  # of the pair being read, at depth 1
        self._escape = ""  # an escape sequence that is not complete, with its backslash
        self._high = 0  # a high surrogate that waits for its other half

    def feed(self, fragment: str) -> str:
        """The text that this fragment of the JSON adds."""
        return "".join(
            self._inside(char) if self._in_string else self._outside(char) for char in fragment
        )

    def _outside(self, char: str) -> str:
        if char == '"':
            self._in_string = True
            if self._depth == 1 and self._is_key:
                self._key = []
        elif char in "{[":
            self._depth += 1
            self._is_key = self._depth == 1 and char == "{"
        elif char in "}]":
            self._depth -= 1
        elif self._depth == 1 and char in ",:":
            self._is_key = char == ","
        return ""

    def _inside(self, char: str) -> str:
        if self._escape:
            self._escape += char
            return self._unescaped()
        if char == "\\":
            self._escape = char
            return ""
        if char == '"':
            self._in_string = False
            return self._read("")
        return self._read(char)

    def _unescaped(self) -> str:
        kind, digits = self._escape[1], self._escape[2:]
        if kind != "u":
            self._escape = ""
            return self._read(_ESCAPES.get(kind, kind))
        if len(digits) < 4:
            return ""
        self._escape = ""
        try:
            return self._unit(int(digits, 16))
        except ValueError:
            return self._read(_REPLACEMENT)

    def _unit(self, code: int) -> str:
        """Takes one UTF-16 unit."""
        if 0xD800 <= code <= 0xDBFF:
            text = self._read("")
            self._high = code
            return text
        if 0xDC00 <= code <= 0xDFFF:
            high, self._high = self._high, 0
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
        return self._read(chr(code))

    def _read(self, text: str) -> str:
        """Takes decoded text of a string, after a surrogate that turned out to be alone."""
        if self._high:
            self._high = 0
            text = _REPLACEMENT + text
        if self._depth != 1:
            return ""
        if self._is_key:
            self._key.append(text)
            return ""
        return text if "".join(self._key) == self._field else ""
