"""Doorbells in this process: a small pool of threads that answer them (laptop, container)."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.ids import OrgId

log = logging.getLogger(__name__)


class InlineDispatcher:
    """Implements `engine.ports.Dispatcher`.

    Bells for a conversation that is already waiting to be answered are dropped: one answer sees
    to everything there is. `close` waits for the steps that are running.
    """

    def __init__(self, *, workers: int = 4) -> None:
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="step")
        self._answer: Callable[[OrgId, str], object] | None = None
        self._waiting: set[str] = set()
        self._lock = threading.Lock()
        self._closed = False

    def answer_with(self, answer: Callable[[OrgId, str], object]) -> None:
        """Set what takes the next step of a conversation (the engine, made after this)."""
        self._answer = answer

    def ring(self, org_id: OrgId, conversation_id: str, run_id: str) -> None:
        """See `engine.ports.Dispatcher`."""
        del run_id  # a bell says where to look, and the store says what for
        with self._lock:
            if self._closed or conversation_id in self._waiting:
                return
            self._waiting.add(conversation_id)
            self._pool.submit(self._take, org_id, conversation_id)

    def close(self) -> None:
        """Take no more bells; return when the running steps are committed."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, org_id: OrgId, conversation_id: str) -> None:
        with self._lock:
            self._waiting.discard(conversation_id)
        if self._answer is None:
            return
        try:
            self._answer(org_id, conversation_id)
        except Exception:  # nobody awaits this thread's result: the sweep rings again
            log.exception("the step of conversation %s failed", conversation_id)
