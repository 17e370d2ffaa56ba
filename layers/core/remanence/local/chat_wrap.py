"""Word wrap for text that arrives in fragments, in columns of the terminal.

Path: chat_view -> Wrapper.feed -> what to print now. Wide signs count two columns and may be
parted anywhere; a word waits until it is whole, so that it is not torn at the margin. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rich.cells import cell_len

# Control characters except line feed and tab: an answer must not steer the terminal.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TAB = "    "


def harmless(text: str) -> str:
    """The text without control characters; tabs become spaces."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\t", _TAB))


@dataclass(slots=True)
class Wrapper:
    """Wraps one message.

    Args:
        width: columns of a line, indentation included; None: never wrap.
        indent: put in front of every line.
    """

    width: int | None
    indent: str = ""
    _column: int = 0
    _word: list[str] = field(default_factory=list[str])

    def feed(self, text: str) -> str:
        """What can be printed after this fragment; a word that may go on is kept back."""
        clean = harmless(text)
        if self.width is None:
            return clean
        return "".join(self._take(sign) for sign in clean)

    def finish(self) -> str:
        """What was kept back."""
        return self._flushed()

    def _take(self, sign: str) -> str:
        if sign == "\n":
            printed = self._flushed() + "\n"
            self._column = 0
            return printed
        if sign == " " or cell_len(sign) > 1:
            return self._flushed() + self._placed(sign)
        self._word.append(sign)
        return ""

    def _flushed(self) -> str:
        word = "".join(self._word)
        self._word.clear()
        return self._placed(word) if word else ""

    def _placed(self, text: str) -> str:
        """The text at the current column, on a new line if it does not fit on this one."""
        room = (self.width or 0) - cell_len(self.indent)
        size = cell_len(text)
        if size > room > 0:  # longer than any line, such as an address: cut it hard
            return "".join(self._placed(text[at : at + room]) for at in range(0, len(text), room))
        lead = self.indent if self._column == 0 else ""
        if self._column and self._column + size > room:
            if text == " ":
                self._column = room  # the blank at the margin is the line end
                return ""
            lead = f"\n{self.indent}"
            self._column = 0
        self._column += size
        return f"{lead}{text}"
