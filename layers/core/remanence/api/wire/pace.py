"""Reading a slow generator without losing the beat: a value, or None when it stays silent.

A run is silent while its model thinks, and a stream that is silent is cut by what stands between
us and the client. A thread of its own reads the run. Whoever streams waits for it on the event
loop, the one place of ours that does: waiting in a thread would take one of the few that serve
all other requests, and would not notice that the client has gone.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, suppress
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")


async def paced(values: Generator[T], silence_s: float) -> AsyncGenerator[T | None]:
    """The values as they come, and None after every `silence_s` seconds without one.

    When the caller leaves early, `values` are closed in the thread, at the next one: whether what
    they report goes on without a listener is their business. If `values` raises, the iteration
    ends and the thread reports the exception through `threading.excepthook`.
    """
    loop = asyncio.get_running_loop()
    box: asyncio.Queue[tuple[T] | None] = asyncio.Queue()
    left = Event()

    def put(item: tuple[T] | None) -> None:
        with suppress(RuntimeError):  # the loop has ended, and its listener with it
            loop.call_soon_threadsafe(box.put_nowait, item)

    def read() -> None:
        try:
            with closing(values):
                for value in values:
                    if left.is_set():
                        break
                    put((value,))
        finally:
            put(None)

    # A daemon: a server that is told to stop does not wait for a model; the run is durable.
    Thread(target=read, name="run-reader", daemon=True).start()
    try:
        while True:
            try:
                item = await asyncio.wait_for(box.get(), silence_s)
            except TimeoutError:
                yield None
                continue
            if item is None:
                return
            yield item[0]
    finally:
        left.set()
