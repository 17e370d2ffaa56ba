"""What libpq and the server complain about, as store errors.

Beside the main path: `connect.py` raises what these functions make. Each message is one clear
line for the person who set the database up, and never holds the password.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from remanence.errors import SchemaMismatch, StoreError, StoreRefused, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator

_BAD_URI = (
    "the database URI cannot be read (it is not shown); it must look like "
    "postgresql://user:password@host:5432/database, with @ : / ? # % in the password "
    "written as %40 %3A %2F %3F %23 %25"
)


def parse_uri(uri: str) -> dict[str, str]:
    """The parts of a URI, as text.

    A password with an unescaped @ or / lands in the host, port or database: such a URI is
    refused before any of those is shown or resolved.
    """
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(uri).items()}
    except psycopg.Error:
        parts = {}
    misread = (
        not parts
        or "@" in parts.get("host", "")
        or not re.fullmatch(r"[\d,]*", parts.get("port", ""))
        or re.search(r"[@/]", parts.get("dbname", ""))
    )
    if misread:
        raise StoreUnavailable(_BAD_URI)
    return parts


def connect_failure(exc: psycopg.Error, target: dict[str, str]) -> StoreUnavailable:
    """Why `psycopg.connect` failed; `target` is what `parse_uri` gave."""
    host = target.get("host") or "the local socket"
    where = f"{host}:{target.get('port') or '5432'}"
    if isinstance(exc, psycopg.errors.ConnectionTimeout):
        said = "no answer in time; check host, port and firewall"
    else:
        said = without_secrets(_first_line(str(exc)))
    role = target.get("user") or "the default role"
    return StoreUnavailable(f"cannot connect to the database at {where} as {role}: {said}")


# What a server or libpq may quote of a URI or of a `name=value` string. A password is masked where
# it stands as one, and nowhere else: of a short one, every word of a sentence has a part.
_USERINFO = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/]*@")
_PASSWORD = re.compile(r"(?i)\b((?:ssl)?password|pwd)(\s*=\s*)(?:'(?:\\.|[^'\\])*'|[^\s&'\";,)]+)")


def without_secrets(text: str) -> str:
    """A complaint with the passwords in it masked: of a URI, and `password=...`."""
    return _PASSWORD.sub(r"\1\2***", _USERINFO.sub(r"\1:***@", text))


def is_connection_lost(exc: psycopg.Error) -> bool:
    """Whether the connection is gone, so that a fresh one may do better."""
    state = exc.sqlstate
    if state is None:  # libpq's own complaint: the server said nothing
        return isinstance(exc, psycopg.OperationalError)
    # 08: connection exception (poolers use it too). 57P0x: the server shuts down, crashed or
    # starts up. 25P03: it ended a session that idled inside a transaction.
    return state.startswith(("08", "57P0", "25P03"))


def store_error(exc: psycopg.Error) -> StoreError:
    """What the database complained about, as one of our errors, by SQLSTATE and never by text."""
    state = exc.sqlstate
    if state is None and not isinstance(exc, psycopg.OperationalError):
        return StoreError(f"the database driver refused: {type(exc).__name__}")
    said = exc.diag.message_primary or "the connection was lost"
    # 40: it lost against another transaction (a deadlock), 55P03: it waited too long for a lock.
    if state is None or state.startswith(("08", "40", "53", "57P", "55P03")):
        return StoreUnavailable(f"the database does not answer ({state or 'no state'}): {said}")
    if state in {"3F000", "42P01", "42703", "42883"}:
        return SchemaMismatch(
            f"the database does not hold the schema this version needs ({state}: {said}); "
            "run `remanence migrate`"
        )
    if state == "42501":  # insufficient_privilege
        return StoreError(
            f"the database refused ({state}): {said}; the login role has to be a member of "
            "remanence_app: as the owner of the database run `grant remanence_app to <login role>`,"
            " or make such a role with infra/roles.sql"
        )
    if state.startswith(("22", "23")):  # data it cannot store, a rule it would break
        return StoreRefused(f"the database refuses what was to be written ({state}): {said}")
    return StoreError(f"the database refused ({state}): {said}")


@contextmanager
def translated() -> Generator[None]:
    """Errors of the driver leave this block as store errors."""
    try:
        yield
    except psycopg.Error as exc:
        raise store_error(exc) from exc


def _first_line(text: str) -> str:
    """The reason in libpq's or the server's own words, without its preamble."""
    line = text.strip().splitlines()[0] if text.strip() else "no reason given"
    return re.sub(r"^connection failed: (connection to server .*? failed: )?(FATAL:\s*)?", "", line)
