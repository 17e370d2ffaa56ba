"""Waiting no longer than a deadline, whoever does not answer: the server, a pooler, the network.

The server is told to end a statement that takes too long. A pooler that has no server to give, or
a peer that vanished, never hears of that: there our own side hangs up.
"""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from remanence.db.failures import translated

if TYPE_CHECKING:
    from collections.abc import Generator

    from remanence.db.connect import Connection

# The server ends a statement first, so that the connection can go on.
_GRACE_S = 0.5


@contextmanager
def hanging_up_after(conn: Connection, seconds: float) -> Generator[None]:
    """Close the line under a block that takes longer; it then meets a lost connection."""
    timer = threading.Timer(seconds, _hang_up, [conn])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def reading(conn: Connection, seconds: float) -> Generator[None]:
    """A transaction that can write nothing, and whose statements each end in time.

    Raises:
        StoreError: what the database said, or that it did not answer.
    """
    with translated(), hanging_up_after(conn, seconds + _GRACE_S), conn.transaction():
        conn.execute("set transaction read only")
        conn.execute(
            "select set_config('statement_timeout', %s, true)", [f"{int(seconds * 1000)}ms"]
        )
        yield


def _hang_up(conn: Connection) -> None:
    # Another thread waits on the socket: shutting it down wakes that thread, closing would not.
    with suppress(OSError), socket.socket(fileno=os.dup(conn.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
