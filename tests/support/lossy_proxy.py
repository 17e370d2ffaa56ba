"""A proxy that breaks the connection at one statement: before it arrives, or after it was done.

The second is the nasty one: the server has committed, and the client will never hear of it.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Literal

from support.pg_proxy import CountingProxy, _hang_up, _Messages

if TYPE_CHECKING:
    import socket

When = Literal["before", "after"]
# ReadyForQuery ends an answer; its last byte says whether a transaction is open.
READY = b"Z\0\0\0\5"


class LossyProxy(CountingProxy):
    """Breaks the connection at the `at`-th statement since `arm`, once."""

    def __init__(self, uri: str) -> None:
        self._at = 0
        self._when: When = "before"
        self.broken: str | None = None
        super().__init__(uri)

    def arm(self, at: int, when: When) -> None:
        """Break at the `at`-th statement from now on; 0: never."""
        self.traffic.reset()
        self._at, self._when, self.broken = at, when, None

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        reader = _Messages(self.traffic)
        with suppress(OSError), closing(client):
            while data := client.recv(65_536):
                reader.feed(data)
                if self.broken is None and 0 < self._at <= len(self.traffic.statements):
                    self.broken = self.traffic.statements[self._at - 1]
                    if self._when == "before":
                        _hang_up(client)
                        break
                    self._silenced = server
                server.sendall(data)
        _hang_up(server)

    _silenced: socket.socket | None = None

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        swallowed = b""
        with suppress(OSError), closing(server):
            while data := server.recv(65_536):
                if self._silenced is server:
                    swallowed += data
                    if swallowed[-6:-1] == READY:
                        break
                else:
                    client.sendall(data)
        _hang_up(client)
