"""Reading a slow iterator without losing the beat: a value, or None when it stays silent.

A run is silent while its model thinks, and a stream that is silent is cut by what stands between
us and the client. A thread reads the run; whoever streams waits on a queue, with a limit.
"""

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


def paced(values: Iterator[T], silence_s: float) -> Iterator[T | None]:
    """The values as they come, and None after every `silence_s` seconds without one.

    When the caller leaves early, the thread still reads `values` to its end: a run goes on when
    its client is gone. If `values` raises, the iteration ends and the thread reports the
    exception through `threading.excepthook`.
    """
    box: SimpleQueue[tuple[T] | None] = SimpleQueue()
    left = Event()

    def read() -> None:
        try:
            for value in values:
                if not left.is_set():
                    box.put((value,))
        finally:
            box.put(None)

    # A daemon: a server that is told to stop does not wait for a model; the run is durable.
    Thread(target=read, name="run-reader", daemon=True).start()
    try:
        while True:
            try:
                item = box.get(timeout=silence_s)
            except Empty:
                yield None
                continue
            if item is None:
                return
            yield item[0]
    finally:
        left.set()
