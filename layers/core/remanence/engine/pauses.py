"""Reading an answer in a thread of its own, so that whoever waits for it is not deaf meanwhile.

Path: engine.ask -> with_pauses.
A provider may be silent for as long as a step may last: before its first byte, or in the middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Came(Generic[Item]):
    item: Item


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None


_Box: TypeAlias = SimpleQueue["_Came[Item] | _Ended"]


def with_pauses(
    items: Iterator[Item], pause_s: Callable[[], float]
) -> Generator[Item | None, None, None]:
    """The items as they come; None whenever nothing came for `pause_s()` seconds.

    What the iterator raises is raised here. Closing this early abandons the iterator: its thread
    drops it at its next item, and if there is none, whatever bounds a read there ends it.
    """
    box: _Box[Item] = SimpleQueue()
    abandoned = Event()
    Thread(target=_pump, args=(items, box, abandoned), daemon=True, name="answer").start()
    try:
        while True:
            try:
                came = box.get(timeout=pause_s())
            except Empty:
                yield None
                continue
            if isinstance(came, _Came):
                yield came.item
            elif came.error is not None:
                raise came.error
            else:
                return
    finally:
        abandoned.set()


def _pump(items: Iterator[Item], box: _Box[Item], abandoned: Event) -> None:
    error: BaseException | None = None
    try:
        for item in items:
            box.put(_Came(item))
            if abandoned.is_set():
                break
    except BaseException as exc:  # noqa: BLE001  raised again where the items are waited for
        error = exc
    box.put(_Ended(error))
    # A generator that is dropped here is closed here: it hangs up on its provider.
