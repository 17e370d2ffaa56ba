"""The order in which a URL is looked at, and what an earlier finding makes needless.

Path: cli -> here -> reach, fitness, guards. Reads only; every wait has an end.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from remanence.db.failures import parse_uri
from remanence.doctor.findings import Status, fail_by, skip
from remanence.doctor.fitness import (
    judge_mode,
    judge_role,
    judge_room,
    judge_schema,
    judge_server,
    judge_vector,
)
from remanence.doctor.guards import judge_exposure, judge_rls
from remanence.doctor.patience import reading
from remanence.doctor.reach import judge_tls, log_in, measure_latency, resolve
from remanence.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from remanence.db.connect import Connection
    from remanence.doctor.findings import Finding
    from remanence.doctor.fitness import Purpose

    Check = Callable[[Connection], Finding]


def examine(uri: str, purpose: Purpose, *, seconds: float) -> Iterator[Finding]:
    """All findings, as they are made.

    Args:
        uri: a libpq URI; nothing of it but host, port, role and database is ever shown.
        purpose: what it shall be used for.
        seconds: how long one answer of the server may take.
    """
    try:
        target = parse_uri(uri)
    except StoreUnavailable as exc:
        yield fail_by("url", exc)
        return
    address = resolve(target, seconds)
    yield address
    if address.status is Status.FAIL:
        return
    conn, found = log_in(uri, seconds)
    yield found
    if conn is None:
        return
    with closing(conn):
        yield from _examine_server(uri, conn, purpose, seconds)


def _examine_server(
    uri: str, conn: Connection, purpose: Purpose, seconds: float
) -> Iterator[Finding]:
    yield judge_tls(conn)
    server = judge_server(conn)
    yield server
    if server.status is Status.FAIL:
        yield skip("the rest", "an old server is not asked further")
        return
    near = measure_latency(conn, seconds)
    yield near
    if near.status is Status.FAIL:
        return
    yield _guarded("pooler", lambda: judge_mode(uri, conn, purpose))
    for name, check in _checks(purpose).items():
        if conn.closed:
            yield skip("the rest", "the connection is gone")
            return
        yield _guarded(name, partial(_read, conn, check, seconds))


def _checks(purpose: Purpose) -> dict[str, Check]:
    return {
        "role": partial(judge_role, purpose=purpose),
        "pgvector": judge_vector,
        "schema": partial(judge_schema, purpose=purpose),
        "rls": judge_rls,
        "data api": judge_exposure,
        "connections": judge_room,
    }


def _read(conn: Connection, check: Check, seconds: float) -> Finding:
    with reading(conn, seconds):
        return check(conn)


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    """A check that the server refuses or does not answer is a finding too."""
    try:
        return check()
    except StoreError as exc:
        return fail_by(name, exc)
