"""An HTTP client whose answers end at a deadline.

Path: sdk.open_* hands this client to the official packages.
A timeout of an HTTP library bounds one read. A provider that keeps a connection warm (comments
in the stream, blank lines before the body) or falls silent in the middle could so hold a step
for much longer than it has. Imports httpx2, so it is itself imported late.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from threading import Timer
from typing import TYPE_CHECKING

import httpx2

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDS_AT = "remanence.ends_at"
# Time to reach a host at all; a long answer may take as long as the step has.
_CONNECT_S = 10.0


def bounded_client() -> httpx2.Client:
    """A client that takes a request's read timeout as the time for its whole answer.

    Redirects are not followed: they would take the key elsewhere.
    """
    return httpx2.Client(
        event_hooks={"request": [_stamp], "response": [_bound]}, follow_redirects=False
    )


def within(seconds: float) -> httpx2.Timeout:
    """The timeout of a request whose answer may take `seconds`."""
    return httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_S))


def _stamp(request: httpx2.Request) -> None:
    seconds = request.extensions.get("timeout", {}).get("read")
    if seconds is not None:
        request.extensions[_ENDS_AT] = time.monotonic() + seconds


def _bound(response: httpx2.Response) -> None:
    ends_at = response.request.extensions.get(_ENDS_AT)
    network = response.extensions.get("network_stream")
    sock = network.get_extra_info("socket") if network is not None else None
    if ends_at is not None and isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _BoundedStream(response.stream, ends_at - time.monotonic(), sock)


class _BoundedStream(httpx2.SyncByteStream):
    """A body that is cut off from another thread: a blocked read can be ended in no other way."""

    def __init__(
        self, stream: httpx2.SyncByteStream, seconds: float, sock: socket.socket | None
    ) -> None:
        self._stream = stream
        self._socket = sock
        self._is_late = False
        self._timer = Timer(max(0.0, seconds), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._stream:
                if self._is_late:
                    break
                yield chunk
        except httpx2.TransportError:
            if not self._is_late:
                raise
        if self._is_late:
            raise httpx2.ReadTimeout("the answer was not complete at its deadline")

    def close(self) -> None:
        self._timer.cancel()
        self._stream.close()

    def _cut(self) -> None:
        self._is_late = True
        if self._socket is not None:
            # It may end by itself in this moment. The plain method: the one of a TLS socket
            # would take the session away from under the reading thread.
            with suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
