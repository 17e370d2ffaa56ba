"""The way to the database: its name, its port, who is let in, encryption, distance."""

from __future__ import annotations

import ipaddress
import socket
import statistics
import threading
import time
from typing import TYPE_CHECKING

from remanence.db.connect import connect
from remanence.doctor.findings import fail, fail_by, ok, warn
from remanence.doctor.patience import reading
from remanence.errors import StoreUnavailable

if TYPE_CHECKING:
    from remanence.db.connect import Connection
    from remanence.doctor.findings import Finding

# A step makes two round trips; beyond this they are felt.
FAR_MS = 30.0
_ROUNDS = 5

# libpq has no SQLSTATE for a connection that was never made, only words. They choose the remedy
# that is shown and decide nothing; unknown ones get the last.
_REMEDIES = (
    ("no answer in time", "check host and port, the firewall, and that the project is not paused"),
    (
        "password authentication failed",
        "set the password anew at the provider; in the URL @ : / ? # % are %40 %3A %2F %3F %23 %25",
    ),
    ("ENOTFOUND", "at Supabase's pooler the user is <role>.<project ref>, as Connect shows it"),
    ("Tenant or user not found", "at Supabase's pooler the user is <role>.<project ref>"),
    ("Connection refused", "check the port, and that the server listens on this address"),
    ("does not support SSL", "take sslmode off the URL only if the network is your own"),
    ("certificate", "sslrootcert= must name the file with the provider's root certificate"),
    ("no pg_hba.conf entry", "allow this address and role in pg_hba.conf, or use sslmode=require"),
    ("remaining connection slots", "use the pooler's URL, or close what holds the connections"),
    ("does not exist", "check the name of the role and of the database in the URL"),
    ("", "compare host, port, user and database with what the provider shows"),
)


def resolve(target: dict[str, str], seconds: float) -> Finding:
    """Whether the host has an address, and one that functions can reach."""
    host = target.get("host", "")
    if not host or host.startswith("/"):
        return ok("resolve", "a socket of this machine")
    # The resolver knows no deadline of ours.
    found: list[str] = []
    thread = threading.Thread(target=_look_up, args=(host, found), daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        return fail(
            "resolve",
            f"the name {host!r} has no address",
            "copy the host again from the provider; a paused Supabase project has none",
        )
    if all(ipaddress.ip_address(address.split("%")[0]).version == 6 for address in found):
        return warn(
            "resolve",
            f"{host} has IPv6 addresses only, and Lambda reaches IPv4",
            "use the pooler's host (Supabase: Connect, Transaction pooler)",
        )
    return ok("resolve", f"{host} is {', '.join(sorted(found))}")


def _look_up(host: str, found: list[str]) -> None:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return
    found.extend({str(address[0]) for *_, address in answers})


def log_in(uri: str, seconds: float) -> tuple[Connection | None, Finding]:
    """A connection, if one is to be had."""
    began = time.monotonic()
    try:
        conn = connect(
            uri, application_name="remanence doctor", connect_timeout_s=max(2, round(seconds))
        )
    except StoreUnavailable as exc:
        remedy = next(text for words, text in _REMEDIES if words in exc.message)
        return None, fail("connect", exc.message.partition("; ")[0], remedy)
    took_ms = (time.monotonic() - began) * 1000
    return conn, ok("connect", f"as {conn.info.user} in {took_ms:.0f} ms")


def judge_tls(conn: Connection) -> Finding:
    """Whether the line is encrypted and the peer proven.

    Seen from this side: behind a pooler, `pg_stat_ssl` speaks of the pooler's own connection.
    """
    mode = conn.info.get_parameters().get("sslmode", "prefer")
    if conn.pgconn.ssl_in_use:
        if mode == "verify-full":
            return ok("tls", "encrypted, and the server's certificate is verified")
        return warn(
            "tls",
            f"encrypted with sslmode={mode}, which does not prove who answers",
            "use sslmode=verify-full (Supabase's root certificate is known; for others name the "
            "provider's by sslrootcert=)",
        )
    if _is_local(conn):
        return ok("tls", "not encrypted, on this machine only")
    return fail(
        "tls",
        "not encrypted: the password and all that agents say can be read on the way",
        "add sslmode=verify-full (at least sslmode=require) to the URL",
    )


def _is_local(conn: Connection) -> bool:
    # An empty address: a Unix socket.
    address = conn.info.hostaddr
    return not address or ipaddress.ip_address(address).is_loopback


def measure_latency(conn: Connection, seconds: float) -> Finding:
    """How long one round trip takes."""
    times: list[float] = []
    try:
        with reading(conn, seconds):
            for _ in range(_ROUNDS):
                began = time.monotonic()
                conn.execute("select 1")
                times.append((time.monotonic() - began) * 1000)
    except StoreUnavailable as exc:
        return fail_by("latency", exc)
    median = statistics.median(times)
    said = f"{median:.1f} ms a round trip; a step makes two"
    if median > FAR_MS:
        return warn("latency", said, "run the functions in the region of the database")
    return ok("latency", said)
