"""Leaving a model alone that does not answer, for a while.

Path: line.Line -> Circuit, one per model of a line and process.
Each call of a dead model costs its caller all tries and their pauses; after a few of them in a
row the others are told at once, and one now and then looks whether it is back.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from remanence.errors import ProviderOverloaded, ProviderTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

# Failed calls in a row (all their tries) after which nobody waits for the next.
MOST_FAILURES = 3
PAUSE_S = 15.0


class Circuit:
    """Counts the calls of one model that failed in a row. Safe to share between threads."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._failures = 0
        self._closed_from = 0.0
        self._lock = Lock()

    @contextmanager
    def call(self) -> Generator[None]:
        """Around a call with all its tries.

        Raises:
            ProviderOverloaded: see `enter`.
        """
        self.enter()
        try:
            yield
        except (ProviderOverloaded, ProviderTimeout):
            self.failed()
            raise
        self.worked()

    def enter(self) -> None:
        """Before a call.

        Raises:
            ProviderOverloaded: it failed too often, and was asked a moment ago.
        """
        with self._lock:
            if self._failures < MOST_FAILURES:
                return
            wait_s = self._closed_from - self._clock()
            if wait_s <= 0:  # this call looks whether it is back; the others go on waiting
                self._closed_from = self._clock() + PAUSE_S
                return
            raise ProviderOverloaded(
                f"{self._name} has failed {self._failures} calls in a row, and is asked again in"
                f" {wait_s:.0f} s"
            )

    def failed(self) -> None:
        """After a call that the provider did not answer."""
        with self._lock:
            self._failures += 1
            self._closed_from = self._clock() + PAUSE_S

    def worked(self) -> None:
        """After a call that it answered."""
        with self._lock:
            self._failures = 0
