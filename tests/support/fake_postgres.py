"""A loopback server that greets as Postgres of any version does, and then answers nothing."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_SSL_REQUEST = 80877103


@contextmanager
def fake_postgres(version: str) -> Generator[str]:
    """The URI of a server that lets everybody in and says it is `version`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, version), daemon=True).start()
        yield f"postgresql://me:s3cr3t@127.0.0.1:{listener.getsockname()[1]}/app"


def _serve(listener: socket.socket, version: str) -> None:
    kept: list[socket.socket] = []
    with suppress(OSError):  # the listener is closed when the block ends
        while True:
            client, _ = listener.accept()
            kept.append(client)
            _greet(client, version)
    for client in kept:
        client.close()


def _greet(client: socket.socket, version: str) -> None:
    if _startup(client) == _SSL_REQUEST:
        client.sendall(b"N")
        _startup(client)
    client.sendall(
        _message(b"R", struct.pack("!i", 0))
        + _message(b"S", b"server_version\0" + version.encode() + b"\0")
        + _message(b"S", b"client_encoding\0UTF8\0")
        + _message(b"K", struct.pack("!ii", 1, 1))
        + _message(b"Z", b"I")
    )


def _startup(client: socket.socket) -> int:
    """Read a startup packet; the number that says what it wants."""
    size, code = struct.unpack("!ii", client.recv(8, socket.MSG_WAITALL))
    client.recv(size - 8, socket.MSG_WAITALL)
    return int(code)


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
