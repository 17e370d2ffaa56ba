"""File locks that the kernel gives back when their holder dies, however it dies.

flock(2) belongs to the open file, not to the process: a child that inherits the descriptor holds
the lock as long as it or any of its own children lives. That is how a running Postgres is told
from a stale PID file (see `postgres.py`).
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from remanence.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_POLL_S = 0.05


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Take a lock without waiting: an open descriptor (closing it gives it back), or None."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock right now."""
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def locked(path: Path, *, wait_s: float) -> Generator[None]:
    """Hold the exclusive lock; processes wait for each other.

    Raises:
        StoreUnavailable: another process kept it for `wait_s` seconds.
    """
    deadline = time.monotonic() + wait_s
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"another process has held {path} for {wait_s:.0f} s")
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        os.close(descriptor)
