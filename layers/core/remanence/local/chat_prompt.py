"""Reading what a person types: with history and completion in a terminal, else plain lines.

Path: chat -> read_lines. End of input and ctrl-D end the iteration.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory, InMemoryHistory
from prompt_toolkit.styles import Style

from remanence.local import chat_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import History

_STYLE = Style.from_dict(
    {
        "prompt": "ansicyan bold",
        "placeholder": "ansibrightblack",
        "bottom-toolbar": "noreverse ansibrightblack",
    }
)


class _CommandCompleter(Completer):
    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002  part of the toolkit's interface
    ) -> Iterable[Completion]:
        """The commands that begin like what is typed so far."""
        typed = document.text_before_cursor
        if typed.startswith("/") and " " not in typed:
            for name in chat_commands.names():
                if name.startswith(typed):
                    yield Completion(name, start_position=-len(typed))


def typed_lines(home: Path, toolbar: Callable[[], str]) -> Generator[str]:
    """What is typed at a terminal, one message at a time; ctrl-C empties the line.

    Args:
        home: keeps the history of what was typed.
        toolbar: what stands below the line.
    """
    session: PromptSession[str] = PromptSession(
        history=_history(home),
        completer=_CommandCompleter(),
        style=_STYLE,
        bottom_toolbar=toolbar,
    )
    while True:
        try:
            yield session.prompt(
                HTML("<prompt>❯ </prompt>"),  # noqa: RUF001
                placeholder=HTML("<placeholder>say something, or /help</placeholder>"),
            )
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def _history(home: Path) -> History:
    """On disk, readable by its owner only; in memory when that cannot be."""
    file = home / "chat_history"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(file)


def piped_lines() -> Generator[str]:
    """The lines of standard input."""
    for line in sys.stdin:
        yield line.rstrip("\r\n")
