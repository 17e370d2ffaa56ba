"""Whether the server, its pooler, the role and the schema are what this version needs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from remanence.db.failures import translated
from remanence.db.inspection import read_login, read_room
from remanence.db.migrate import pending, read_migrations
from remanence.db.preconditions import check_server_version, check_session_mode, has_vector
from remanence.doctor.findings import fail, fail_by, ok, warn
from remanence.doctor.patience import hanging_up_after
from remanence.errors import DatabaseUnfit, SchemaMismatch

if TYPE_CHECKING:
    from remanence.db.connect import Connection
    from remanence.db.inspection import Login
    from remanence.doctor.findings import Finding

# Fewer than this, and a few Lambda environments on direct connections take them all.
SCARCE = 10
# The probe for a pooler opens a second connection, and waits for it, three times.
_PROBE_S = 30.0

_MAKE_ROLE = "make a login role with infra/roles.sql, and use it in this URL"


class Purpose(StrEnum):
    """What a URL is for. `DEPLOYMENT`: for run time, once a deployment has migrated."""

    RUNTIME = "runtime"
    DEPLOYMENT = "deployment"
    MIGRATIONS = "migrations"


def judge_server(conn: Connection) -> Finding:
    """Its version."""
    number = conn.info.server_version
    try:
        check_server_version(number)
    except DatabaseUnfit as exc:
        return fail_by("server", exc)
    return ok("server", f"Postgres {number // 10_000}.{number % 10_000}")


def judge_mode(uri: str, conn: Connection, purpose: Purpose) -> Finding:
    """Whether a pooler shares server connections between clients, and whether that will do."""
    try:
        with translated(), hanging_up_after(conn, _PROBE_S):
            is_known = check_session_mode(uri, conn)
    except DatabaseUnfit as exc:
        if purpose is not Purpose.MIGRATIONS:
            return ok("pooler", "a transaction pooler: right for run time")
        return fail_by("pooler", exc)
    if not is_known:
        return warn(
            "pooler",
            "no second connection was to be had, so the kind of pooler is not known",
            "close what holds the connections, and ask again",
        )
    if purpose is not Purpose.MIGRATIONS:
        return ok("pooler", "none, or in session mode: each function holds a server connection")
    return ok("pooler", "none, or in session mode: right for migrations")


def judge_role(conn: Connection, purpose: Purpose) -> Finding:
    """Whether the login role can do what it must, and no more."""
    login = read_login(conn)
    if purpose is Purpose.MIGRATIONS:
        return _judge_owner(login)
    if login.is_superuser:
        return fail("role", f"{login.name} is a superuser: no rule holds for it", _MAKE_ROLE)
    if login.bypasses_rls:
        return fail("role", f"{login.name} has BYPASSRLS: no policy holds for it", _MAKE_ROLE)
    if login.owns_schema:
        return warn("role", f"{login.name} owns the schema, and could change it", _MAKE_ROLE)
    if login.is_admitted is False:
        return fail(
            "role",
            f"{login.name} is not a member of remanence_app, which holds the rights",
            f'as the owner of the database run: grant remanence_app to "{login.name}"',
        )
    return ok("role", f"{login.name}: bound by row-level security")


def _judge_owner(login: Login) -> Finding:
    if login.owns_schema or login.may_create_schema:
        return ok("role", f"{login.name} may migrate")
    return fail(
        "role",
        f"{login.name} may not create a schema here, nor owns ours",
        "migrate as the owner of the database (Supabase: postgres.<project ref>)",
    )


def judge_vector(conn: Connection) -> Finding:
    """Whether pgvector is there."""
    try:
        is_installed = has_vector(conn)
    except DatabaseUnfit as exc:
        return fail_by("pgvector", exc)
    return ok("pgvector", "installed" if is_installed else "there; migrating turns it on")


def judge_schema(conn: Connection, purpose: Purpose) -> Finding:
    """Whether the database is at this version."""
    migrations = read_migrations()
    try:
        todo = pending(conn, migrations)
    except SchemaMismatch as exc:
        return fail_by("schema", exc)
    if not todo:
        return ok("schema", f"at {migrations[-1].name}: up to date")
    said = f"{len(todo)} of {len(migrations)} migrations are pending, from {todo[0].name} on"
    if purpose is not Purpose.RUNTIME:
        return ok("schema", said)
    return fail(
        "schema", said, "run `remanence migrate --uri` with the owner's session-mode or direct URL"
    )


def judge_room(conn: Connection) -> Finding:
    """How many more connections the server takes."""
    room = read_room(conn)
    said = f"{room.used} of {room.limit} connections in use"
    if room.limit - room.used < SCARCE:
        return warn("connections", said, "use the transaction pooler, or a larger database")
    return ok("connections", said)
