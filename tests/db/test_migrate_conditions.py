"""What a database must bring before migrations run, and who may run them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from support.bouncer import Bouncer, pgbouncer_program

from remanence.db.connect import connect
from remanence.db.migrate import migrate
from remanence.db.preconditions import (
    check_server_version,
    check_session_mode,
    check_vector_version,
)
from remanence.errors import DatabaseUnfit
from remanence.local.cluster import LOGIN, OWNER

if TYPE_CHECKING:
    from pathlib import Path

    from support.pg import Database, Databases

    from remanence.local.postgres import EmbeddedPostgres


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "0001_create_one.sql").write_text("create table remanence.one (id integer);")
    return path


def drop_vector(database: Database) -> None:
    with psycopg.connect(database.admin_uri) as conn:
        conn.execute("drop extension vector")


@pytest.mark.parametrize(("version", "fits"), [(140_022, False), (150_000, True), (180_004, True)])
def test_check_server_version_refuses_what_is_too_old(version: int, *, fits: bool) -> None:
    if fits:
        check_server_version(version)
    else:
        with pytest.raises(DatabaseUnfit, match=r"Postgres 14\.22, and 15 or newer"):
            check_server_version(version)


@pytest.mark.parametrize(
    ("version", "fits"), [("0.5.1", False), ("0.6", False), ("0.7.0", True), ("0.10", True)]
)
def test_check_vector_version_compares_numbers(version: str, *, fits: bool) -> None:
    if fits:
        check_vector_version(version, remedy="")
    else:
        with pytest.raises(DatabaseUnfit, match="update it"):
            check_vector_version(version, remedy="update it")


def test_migrate_by_a_role_that_may_creates_pgvector_in_extensions(
    empty_database: Database, folder: Path
) -> None:
    drop_vector(empty_database)

    migrate(empty_database.admin_uri, folder=folder)

    with psycopg.connect(empty_database.admin_uri) as conn:
        found = conn.execute("select extnamespace::regnamespace::text from pg_extension")
        assert ("extensions",) in found.fetchall()


def test_migrate_takes_pgvector_from_any_schema(empty_database: Database) -> None:
    drop_vector(empty_database)
    with psycopg.connect(empty_database.admin_uri) as conn:
        conn.execute("create schema elsewhere")
        conn.execute("create extension vector schema elsewhere")
        conn.execute("grant usage on schema elsewhere to public")

    assert migrate(empty_database.owner_uri, login_roles=[LOGIN])


def test_migrate_by_a_role_that_may_not_create_pgvector_says_who_should(
    empty_database: Database, folder: Path
) -> None:
    drop_vector(empty_database)

    with pytest.raises(DatabaseUnfit, match="create extension vector schema extensions"):
        migrate(empty_database.owner_uri, folder=folder)


def test_migrate_on_a_server_without_pgvector_says_how_to_install_it(
    without_vector: EmbeddedPostgres, folder: Path
) -> None:
    with pytest.raises(DatabaseUnfit, match=r"pgvector is not installed.*postgresql-16-pgvector"):
        migrate(without_vector.owner_uri, folder=folder)


def test_migrate_by_a_role_without_rights_says_which_is_missing(
    databases: Databases, empty_database: Database, folder: Path
) -> None:
    with pytest.raises(DatabaseUnfit, match=f"{LOGIN}.* may not create a schema"):
        migrate(empty_database.app_uri, folder=folder)


def test_migrate_by_the_runtime_role_is_fine_when_nothing_is_pending(
    fresh_database: Database,
) -> None:
    assert migrate(fresh_database.app_uri) == []


def test_migrate_lets_a_login_role_act_as_the_runtime_role(fresh_database: Database) -> None:
    with psycopg.connect(fresh_database.app_uri) as conn:
        conn.execute("set local role remanence_app")
        row = conn.execute(
            "select current_user, rolbypassrls from pg_roles where rolname = %s", [LOGIN]
        )
        assert row.fetchone() == ("remanence_app", False)


def test_migrate_without_the_right_to_admit_says_what_to_run(
    empty_database: Database, folder: Path, databases: Databases
) -> None:
    migrate(empty_database.owner_uri, folder=folder)
    databases.run_as_admin("create role stranger login createrole password 'x'")
    try:
        with psycopg.connect(empty_database.admin_uri) as conn:
            conn.execute("grant usage on schema remanence to stranger")
            conn.execute("grant select on remanence.schema_migrations to stranger")
            conn.execute("create policy p on remanence.schema_migrations using (true)")
        stranger = empty_database.owner_uri.replace(OWNER, "stranger")
        stranger = stranger.replace(stranger.split(":")[2].split("@")[0], "x")

        with pytest.raises(DatabaseUnfit, match='grant "remanence_app" to "stranger"'):
            migrate(stranger, folder=folder)
    finally:
        databases.drop(empty_database)
        databases.run_as_admin("drop role stranger")


def test_migrate_by_another_owner_on_the_same_server_says_so_before_it_changes_anything(
    databases: Databases, database: Database, folder: Path
) -> None:
    assert database.owner_uri  # the run-time role of this server was made by its owner
    databases.run_as_admin("create role neighbour login password 'x'")
    databases.run_as_admin("create database neighbours owner neighbour")
    where = urlsplit(database.owner_uri)
    uri = f"postgresql://neighbour:x@127.0.0.1:{where.port}/neighbours"
    try:
        with pytest.raises(DatabaseUnfit, match='grant "remanence_app" to "neighbour"'):
            migrate(uri, folder=folder)
        with psycopg.connect(uri) as conn:
            schema = conn.execute("select to_regnamespace('remanence')").fetchone()
            assert schema == (None,)
    finally:
        databases.run_as_admin("drop database neighbours")
        databases.run_as_admin("drop role neighbour")


def test_migrate_through_a_transaction_pooler_says_which_uri_to_use(
    bouncer: Bouncer, empty_database: Database, folder: Path
) -> None:
    with pytest.raises(DatabaseUnfit, match=r"transaction pooler.*session-mode"):
        migrate(bouncer.uri(empty_database.owner_uri), folder=folder)


def test_migrate_through_a_transaction_pooler_is_fine_when_nothing_is_pending(
    bouncer: Bouncer, fresh_database: Database
) -> None:
    assert migrate(bouncer.uri(fresh_database.owner_uri)) == []


@pytest.mark.parametrize("pool_size", [1, 2, 20])
def test_check_session_mode_finds_a_transaction_pooler_of_any_size(
    databases: Databases, database: Database, pool_size: int
) -> None:
    program = pgbouncer_program()
    if program is None:
        pytest.skip("pgbouncer is not installed")
    with Bouncer.started(program, databases.pg, pool_size=pool_size) as pooler:
        uri = pooler.uri(database.owner_uri)
        with connect(uri) as conn, pytest.raises(DatabaseUnfit):
            check_session_mode(uri, conn)


@pytest.mark.parametrize("pool_size", [1, 5])
def test_check_session_mode_accepts_a_session_pooler(
    databases: Databases, database: Database, pool_size: int
) -> None:
    program = pgbouncer_program()
    if program is None:
        pytest.skip("pgbouncer is not installed")
    with Bouncer.started(program, databases.pg, mode="session", pool_size=pool_size) as pooler:
        uri = pooler.uri(database.owner_uri)
        with connect(uri) as conn:
            check_session_mode(uri, conn)


def test_check_session_mode_accepts_a_direct_connection(database: Database) -> None:
    with connect(database.owner_uri) as conn:
        check_session_mode(database.owner_uri, conn)
