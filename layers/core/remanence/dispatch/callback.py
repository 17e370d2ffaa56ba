"""Callbacks over HTTP: telling a caller that its run is over, and reaching nothing else.

Edge. The caller chose the URL, and this process may reach what the caller may not. So the host is
resolved here, every address of it must be public, the connection goes to the very address that
was checked (a name may resolve to another one a moment later), and redirects are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import ssl
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from remanence import __version__
from remanence.core.addresses import is_public
from remanence.core.callbacks import CallbackAnswer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from urllib.parse import SplitResult

    from remanence.core.callbacks import DueCallback
    from remanence.core.exchange import JsonObject

SIGNATURE = "x-remanence-signature"
_MAX_ERROR_CHARS = 300
_PORTS = {"http": 80, "https": 443}


class HttpCaller:
    """Implements `engine.ports.Caller`.

    Args:
        secret: signs what is sent; empty: it is not signed.
        allows_private: addresses that are not public may be called too.
        now: aware UTC; the time in the signature.
    """

    def __init__(self, *, secret: str, allows_private: bool, now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._allows_private = allows_private
        self._now = now

    def call(self, due: DueCallback, body: JsonObject, *, timeout_s: float) -> CallbackAnswer:
        """See `engine.ports.Caller`."""
        target = urlsplit(due.callback.url)
        try:
            addresses = _resolve(target)
            if not self._allows_private and not all(map(is_public, addresses)):
                return CallbackAnswer(
                    error="refused: the host has an address that is not public", is_final=True
                )
            data = json.dumps(body).encode()
            headers = self._headers(data, due.tries)
            status = _send(target, addresses[0], due.callback.method, data, headers, timeout_s)
        except UnicodeError:  # the resolver's, of a name that no query can hold
            return CallbackAnswer(error="refused: the host is no name", is_final=True)
        except (OSError, HTTPException, ValueError) as exc:
            return CallbackAnswer(error=f"{type(exc).__name__}: {exc}"[:_MAX_ERROR_CHARS])
        is_done = 200 <= status < 300
        return CallbackAnswer(
            status_code=status, error=None if is_done else f"the receiver answered {status}"
        )

    def _headers(self, data: bytes, tries: int) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "user-agent": f"remanence/{__version__}",
            "x-remanence-try": str(tries),
        }
        if self._secret:
            headers[SIGNATURE] = sign(self._secret, data, int(self._now().timestamp()))
        return headers


def sign(secret: str, data: bytes, at: int) -> str:
    """The signature header of a body sent at a time (seconds since 1970).

    `t=<time>,v1=<HMAC-SHA256 of "<time>.<body>", in hex>`: a receiver computes the same, and
    refuses what is old.
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + data, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _resolve(target: SplitResult) -> list[str]:
    """All addresses of the host."""
    found = socket.getaddrinfo(target.hostname, _port_of(target), type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _port_of(target: SplitResult) -> int:
    return target.port or _PORTS[target.scheme]


def _send(
    target: SplitResult,
    address: str,
    method: str,
    data: bytes,
    headers: dict[str, str],
    timeout_s: float,
) -> int:
    """Send one request to an address that was checked; only the status of the answer is read."""
    host, port = target.hostname or "", _port_of(target)
    kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
    connection = kind(host, port, timeout=timeout_s)
    sock = socket.create_connection((address, port), timeout_s)
    # A socket's limit is per read: a receiver that sends a byte now and then would hold us.
    alarm = Timer(timeout_s, _hang_up, [sock])
    alarm.daemon = True
    alarm.start()
    try:
        if target.scheme == "https":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
        connection.sock = sock
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        connection.request(method, path, data, headers)
        return connection.getresponse().status
    finally:
        alarm.cancel()
        sock.close()
        connection.close()


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
