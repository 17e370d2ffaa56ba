"""How far an import is: a bar in a terminal; else a plain line now and then, for logs.

Path: cli -> ImportView -> rich; import_passages calls `show`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from remanence.local import passage_file


class ImportView:
    """A bar over the bytes of the file, which stands from `with` to its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def show(self, progress: passage_file.Progress) -> None:
        """After a batch."""
        text = f"{progress.lines:,} lines, {progress.passages_per_s:,.0f} passages/s"
        if not self._console.is_terminal:
            self._console.print(text, highlight=False, soft_wrap=True)
            return
        self._bar.update(
            self._task,
            description=text,
            completed=progress.bytes_read,
            total=progress.bytes_in_all,
        )
