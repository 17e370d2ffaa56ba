"""Does the scheduled work of a server of one's own now and then, as the schedule does on AWS.

Path: wiring.serve_app -> Ticker -> engine.sweep.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class Ticker:
    """A thread that calls `tick` every `every_s` seconds, until it is stopped."""

    def __init__(self, tick: Callable[[], object], *, every_s: float) -> None:
        self._tick = tick
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Begin to wait for the first tick."""
        self._thread.start()

    def stop(self, *, wait_s: float) -> None:
        """Begin no other tick, and wait so long for one that is under way."""
        self._stop.set()
        self._thread.join(timeout=wait_s)

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._tick()
            except Exception:  # the next tick tries again; a ticker that died would not
                log.exception("the sweep failed")
