"""A TCP proxy in front of Postgres that counts what a client really sends.

Round trips are counted on the wire, not in the driver: each Sync or simple Query is one wait for
the server. The statements are read out of the Parse and Query messages.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Traffic:
    """What went through since the last `reset`."""

    connections: int = 0
    round_trips: int = 0
    statements: list[str] = field(default_factory=list)
    bytes_sent: int = 0
    bytes_received: int = 0

    def reset(self) -> None:
        self.connections = self.round_trips = self.bytes_sent = self.bytes_received = 0
        self.statements.clear()


class CountingProxy:
    """Listens on a loopback port and forwards to the server of `uri`; `proxy.uri` goes through."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        credentials = parts.netloc.rpartition("@")[0]
        netloc = f"{credentials}@127.0.0.1:{port}" if credentials else f"127.0.0.1:{port}"
        self.uri = urlunsplit(parts._replace(netloc=netloc))
        self.traffic = Traffic()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def cut(self) -> None:
        """Break every open connection, as a server that drops idle ones does."""
        for sock in self._sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(timeout=5)

    def _run(self, target: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for sock in (client, server):  # small messages are not held back for larger ones
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.traffic.connections += 1
            self._sockets += [client, server]
            self._run(self._forward, client, server)
            self._run(self._answer, server, client)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError), closing(server):
            while data := server.recv(65_536):
                self.traffic.bytes_received += len(data)
                client.sendall(data)
        _hang_up(client)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        reader = _Messages(self.traffic)
        with suppress(OSError), closing(client):
            while data := client.recv(65_536):
                self.traffic.bytes_sent += len(data)
                reader.feed(data)
                server.sendall(data)
        _hang_up(server)


def _hang_up(sock: socket.socket) -> None:
    """Tell the other thread, which reads from this socket and closes it, that it is over."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class _Messages:
    """Reads the client's side of the protocol: an untyped start, then type, length, body."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._buffer = b""
        self._started = False

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head = 5 if self._started else 4
            if len(self._buffer) < head:
                return
            (length,) = struct.unpack("!I", self._buffer[head - 4 : head])
            end = head - 4 + length
            if len(self._buffer) < end:
                return
            message, self._buffer = self._buffer[:end], self._buffer[end:]
            if self._started:
                self._count(message[:1], message[5:])
            elif length != 8:  # 8 bytes: a question whether TLS is spoken, the start follows
                self._started = True

    def _count(self, kind: bytes, body: bytes) -> None:
        if kind in (b"S", b"Q"):
            self._traffic.round_trips += 1
        if kind == b"Q":
            self._traffic.statements.append(body.rstrip(b"\0").decode())
        elif kind == b"P":
            self._traffic.statements.append(body.split(b"\0")[1].decode())
