"""How a run looks in the terminal: text as it comes, tool calls, edits of memory, errors.

Path: chat_run.RunReader -> ChatView -> rich. Without a terminal the same is printed plainly, one
thing per line and never wrapped, so that it can be read by programs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.text import Text

from remanence.local.chat_run import call_in_short, results_in
from remanence.local.chat_wrap import Wrapper, harmless

if TYPE_CHECKING:
    from rich.console import Console

    from remanence.local.chat_run import Edit, Used

# Longer lines are hard to read, however wide the terminal is.
_WIDEST = 96
_INDENT = "  "
_SHOWN_RESULTS = 3
_SHOWN_CHARS = 160
# These only edit core memory, and the edit itself is shown.
_SHOWN_AS_EDITS = ("memory", "core_memory")


class ChatView:
    """Shows runs on one console. `has_failed`: something went wrong since it was made."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._wrapper: Wrapper | None = None
        self._style = ""
        self._live: Live | None = None
        self._spinner: Spinner | None = None
        self.has_failed = False

    def begin(self) -> None:
        """A message was sent."""
        if self.console.is_terminal:
            self.console.print()
        self.wait("thinking")

    def wait(self, what: str) -> None:
        """A spinner, unless text is being written."""
        if not self.console.is_terminal or self._wrapper is not None:
            return
        if self._spinner is None:
            self._spinner = Spinner("dots", style="cyan")
            padded = Padding(self._spinner, (0, 0, 0, len(_INDENT)))
            self._live = Live(padded, console=self.console, transient=True)
            self._live.start()
        self._spinner.update(text=Text(f"{what} …", style="dim"))

    def say(self, text: str, *, is_new: bool) -> None:
        """A fragment of the answer."""
        if text:
            self._write(text, "", is_new=is_new)

    def think(self, text: str, *, is_new: bool) -> None:
        """A fragment of reasoning, dim."""
        if text:
            if is_new and not self.console.is_terminal:
                self._line("", "thinking:")
            self._write(text, "dim italic", is_new=is_new)

    def called(self, name: str, arguments: str, result: str, *, is_ok: bool) -> None:
        """A tool call in one line, and what it gave back below it."""
        is_edit = name.startswith(_SHOWN_AS_EDITS)
        self._line("⚙ ", _short(name if is_edit and is_ok else call_in_short(name, arguments)))
        if not is_ok:
            self._line("  ✗ ", _short(result), mark_style="red", style="red")
        elif not is_edit:
            self._results(result)

    def _results(self, result: str) -> None:
        found = results_in(result)
        if found is None:
            if result not in {"", "None"}:
                self._line("  → ", _short(result))
            return
        if not found:
            self._line("  → ", "nothing found")
        for text in found[:_SHOWN_RESULTS]:
            self._line("  → ", _short(text))
        if len(found) > _SHOWN_RESULTS:
            self._line("    ", f"and {len(found) - _SHOWN_RESULTS} more")

    def edited(self, edits: list[Edit]) -> None:
        """What core memory lost and gained."""
        for edit in edits:
            marked = [("-", "red", text) for text in edit.removed]
            marked += [("+", "green", text) for text in edit.added]
            label = edit.label
            for sign, colour, text in marked:
                line = Text("  ").append(label, style="bold")
                line.append(f" {sign} {harmless(text)}", style=colour)
                self._print(line)
                if self.console.is_terminal:
                    label = " " * len(edit.label)

    def failed(self, message: str) -> None:
        """An error, plainly."""
        self.has_failed = True
        self._line("error: ", message, mark_style="bold red", style="red")

    def remark(self, text: str) -> None:
        """A dim note."""
        self._line("", text)

    def used(self, used: Used) -> None:
        """What the run used, in a subtle line."""
        steps = f"{used.steps} step{'' if used.steps == 1 else 's'}"
        cached = f" ({used.cached_tokens:,} cached)" if used.cached_tokens else ""
        tokens = f"{used.prompt_tokens:,} tokens in{cached}, {used.completion_tokens:,} out"
        self._line("", f"{steps} · {tokens}")

    def end(self) -> None:
        """The stream is over, whichever way."""
        self._settle()
        if self.console.is_terminal:
            self.console.print()

    def _write(self, text: str, style: str, *, is_new: bool) -> None:
        if is_new or self._wrapper is None or style != self._style:
            self._settle()
            self._wrapper = self._new_wrapper()
            self._style = style
        self._stop_waiting()
        self.console.out(self._wrapper.feed(text), style=style or None, end="", highlight=False)
        self.console.file.flush()

    def _new_wrapper(self) -> Wrapper:
        if not self.console.is_terminal:
            return Wrapper(width=None)
        return Wrapper(width=min(self.console.width, _WIDEST) - 1, indent=_INDENT)

    def _settle(self) -> None:
        """End the line that is being written, and stop the spinner."""
        self._stop_waiting()
        if self._wrapper is not None:
            self.console.out(self._wrapper.finish(), style=self._style or None, highlight=False)
            self._wrapper = None

    def _stop_waiting(self) -> None:
        if self._live is not None:
            self._live.stop()
        self._live = self._spinner = None

    def _line(
        self, mark: str, text: str, *, mark_style: str = "dim cyan", style: str = "dim"
    ) -> None:
        line = Text(mark, style=mark_style)
        self._print(Text().append_text(line).append(harmless(text), style=style))

    def _print(self, line: Text) -> None:
        self._settle()
        if self.console.is_terminal:
            self.console.print(Padding(line, (0, 0, 0, len(_INDENT)), expand=False))
        else:
            self.console.print(line, soft_wrap=True)


def _short(text: str) -> str:
    """The text in one line of bounded length."""
    line = " ".join(harmless(text).split())
    return line if len(line) <= _SHOWN_CHARS else f"{line[: _SHOWN_CHARS - 1]}…"
