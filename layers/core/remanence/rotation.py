"""What is made from secrets, made anew once they have changed.

Beside the main path: `wiring` keeps a Lambda environment's parts in it. An environment may live for
hours; the secrets it was made with may not.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from remanence.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

log = logging.getLogger(__name__)

# How long secrets are believed before they are read again, in seconds: that long a key that was
# replaced goes on being used.
MAX_AGE_S = 300.0
# When they cannot be read or used, what there is goes on, and it is tried again after this.
RETRY_S = 30.0


class Rotating(Generic[T]):
    """A value, and the secrets it was made from. `clock` is in seconds since any time."""

    def __init__(
        self,
        *,
        read: Callable[[], Mapping[str, str]],
        make: Callable[[Mapping[str, str]], T],
        discard: Callable[[T], None],
        clock: Callable[[], float],
    ) -> None:
        self._read = read
        self._make = make
        self._discard = discard
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[Mapping[str, str], T] | None = None
        self._read_again_at = 0.0

    def current(self) -> T:
        """The value of now: at most `MAX_AGE_S` behind a change of its secrets.

        To be asked at the beginning of an invocation: the value before is discarded.

        Raises:
            SettingsError: at the first time, when they cannot be read or used.
        """
        with self._lock:
            if self._held is not None and self._clock() < self._read_again_at:
                return self._held[1]
            return self._renewed(self._held)

    def doubt(self) -> None:
        """Read the secrets again when the value is next asked for."""
        with self._lock:
            self._read_again_at = 0.0

    def _renewed(self, held: tuple[Mapping[str, str], T] | None) -> T:
        try:
            found = self._read()
            value = held[1] if held is not None and found == held[0] else self._make(found)
        except SettingsError:
            if held is None:
                raise
            log.exception("secrets cannot be read or used; those of before go on")
            self._read_again_at = self._clock() + RETRY_S
            return held[1]
        self._read_again_at = self._clock() + MAX_AGE_S
        self._held = (found, value)
        if held is not None and value is not held[1]:
            log.info("secrets have changed: everything is made anew")
            self._discard(held[1])
        return value
