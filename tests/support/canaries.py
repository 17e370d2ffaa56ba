"""Where secrets that were planted are looked for: everything that was emitted, shown or stored."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg

from remanence.core.ids import DEFAULT_ORG_ID

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping


# Between two looks at the processes.
LOOK_S = 0.05


def with_quoted(planted: set[str]) -> set[str]:
    """Each secret as it is, and as a URI has it."""
    return planted | {quote(secret, safe="") for secret in planted}


def found_in(emitted: Mapping[str, str], canaries: set[str]) -> set[tuple[str, str]]:
    """Which canary is in which of the texts."""
    return {
        (name, canary) for name, text in emitted.items() for canary in canaries if canary in text
    }


def command_lines() -> str:
    """What `ps` shows of every process."""
    lines: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text(errors="replace").replace("\0", " "))
        except OSError:  # it has ended
            continue
    return "\n".join(lines)


@contextmanager
def watched_processes() -> Generator[set[str]]:
    """What `ps` shows until the block ends, of processes that live for a moment too."""
    seen: set[str] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(LOOK_S):
            seen.update(command_lines().splitlines())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        is_over.set()
        watcher.join()


def everything_stored(admin_uri: str) -> str:
    """Every row of every table, as text."""
    with psycopg.connect(admin_uri) as conn:
        tables = conn.execute(
            "select tablename from pg_tables where schemaname = 'remanence'"
        ).fetchall()
        rows = [
            row
            for (table,) in tables
            for row in conn.execute(f"select t::text from remanence.{table} t".encode()).fetchall()
        ]
    assert any(DEFAULT_ORG_ID in text for (text,) in rows)
    return "\n".join(text for (text,) in rows)
