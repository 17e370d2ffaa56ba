"""`remanence doctor` against databases that will do, and against each that will not."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
from support.fake_postgres import fake_postgres
from support.process import REMANENCE, clean_env, run_cli, silent_listener

from remanence.doctor.examine import examine
from remanence.doctor.findings import Finding, Status, is_fit
from remanence.doctor.fitness import Purpose

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.bouncer import Bouncer
    from support.pg import Database, Databases

    from remanence.local.postgres import EmbeddedPostgres


def findings(uri: str, purpose: Purpose = Purpose.RUNTIME, *, seconds: float = 5) -> list[Finding]:
    return list(examine(uri, purpose, seconds=seconds))


def failures(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(f.check, f.text, f.remedy) for f in found if f.status is Status.FAIL]


def of_check(found: list[Finding], check: str) -> Finding:
    (finding,) = [finding for finding in found if finding.check == check]
    return finding


def test_good_database_is_fit_and_every_check_says_so(database: Database) -> None:
    found = findings(database.app_uri)

    assert is_fit(found)
    assert {finding.check for finding in found} == {
        *("resolve", "connect", "tls", "server", "latency", "pooler", "role", "pgvector"),
        *("schema", "rls", "data api", "connections"),
    }
    assert "bound by row-level security" in of_check(found, "role").text


def test_server_without_pgvector_is_told_to_install_it(without_vector: EmbeddedPostgres) -> None:
    found = findings(without_vector.owner_uri, Purpose.MIGRATIONS)

    ((check, text, remedy),) = failures(found)
    assert (check, text) == ("pgvector", "pgvector is not installed on the database server")
    assert "postgresql-16-pgvector" in remedy


def test_superuser_is_sent_to_the_roles_file(database: Database) -> None:
    ((check, text, remedy),) = failures(findings(database.admin_uri))

    assert check == "role"
    assert "is a superuser" in text
    assert "infra/roles.sql" in remedy


def test_role_that_bypasses_rls_is_sent_to_the_roles_file(
    databases: Databases, database: Database
) -> None:
    with login(databases, database, "free", "bypassrls in role remanence_app") as uri:
        ((check, text, remedy),) = failures(findings(uri))

    assert (check, "BYPASSRLS" in text) == ("role", True)
    assert "infra/roles.sql" in remedy


def test_role_that_is_no_member_is_told_the_grant(databases: Databases, database: Database) -> None:
    with login(databases, database, "outsider", "") as uri:
        found = findings(uri)

    assert of_check(found, "role").remedy.endswith('grant remanence_app to "outsider"')


def test_owner_at_run_time_is_a_warning(database: Database) -> None:
    found = findings(database.owner_uri)

    assert is_fit(found)
    assert of_check(found, "role").status is Status.WARN


def test_rls_off_on_one_table_is_named_with_the_statement_that_mends_it(
    fresh_database: Database,
) -> None:
    with psycopg.connect(fresh_database.owner_uri) as conn:
        conn.execute("alter table remanence.blocks disable row level security")

    assert failures(findings(fresh_database.app_uri)) == [
        (
            "rls",
            "row-level security is off on blocks",
            "as the owner run: alter table remanence.blocks enable row level security",
        )
    ]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("drop policy runs_of_org on remanence.runs", "the policies of runs"),
        ("create policy p on remanence.runs to public using (true)", "the policies of runs"),
        ("alter policy organizations_of_org on remanence.organizations using (true)", "visible"),
    ],
)
def test_policy_that_was_changed_is_found(
    fresh_database: Database, statement: str, said: str
) -> None:
    with psycopg.connect(fresh_database.owner_uri) as conn:
        conn.execute(statement.encode())

    ((check, text, _),) = failures(findings(fresh_database.app_uri))

    assert check == "rls"
    assert said in text


def test_wrong_password_is_said_and_never_shown(database: Database) -> None:
    parts = urlsplit(database.app_uri)
    uri = database.app_uri.replace(f":{parts.password}@", ":pl4nted@")

    done = run_cli("doctor", uri)

    assert done.returncode == 1
    assert "password authentication failed" in done.stdout
    assert "-> set the password anew" in done.stdout
    assert "pl4nted" not in done.stdout + done.stderr


def test_transaction_pooler_is_right_at_run_time_and_wrong_for_migrations(
    bouncer: Bouncer, database: Database
) -> None:
    uri = bouncer.uri(database.app_uri)

    assert "a transaction pooler" in of_check(findings(uri), "pooler").text
    owner = findings(bouncer.uri(database.owner_uri), Purpose.MIGRATIONS)
    ((check, text, remedy),) = failures(owner)
    assert check == "pooler"
    assert "transaction pooler" in text
    assert "port 5432 instead of 6543" in remedy


def test_old_server_is_told_to_be_upgraded() -> None:
    with fake_postgres("13.4") as uri:
        found = findings(uri)

    ((check, text, remedy),) = failures(found)
    assert (check, text) == ("server", "the database is Postgres 13.4, and 15 or newer is needed")
    assert remedy.startswith("upgrade the server")


def test_host_that_says_nothing_is_given_up_in_time() -> None:
    began = time.monotonic()
    with silent_listener() as port:
        found = findings(f"postgresql://me:s3cr3t@127.0.0.1:{port}/app", seconds=2)

    assert [check for check, _, _ in failures(found)] == ["connect"]
    assert "firewall" in of_check(found, "connect").remedy
    assert time.monotonic() - began < 6


def test_server_that_falls_silent_after_the_login_is_given_up_in_time() -> None:
    began = time.monotonic()
    with fake_postgres("16.4") as uri:
        found = findings(uri, seconds=1)

    assert [check for check, _, _ in failures(found)] == ["latency"]
    assert time.monotonic() - began < 6


def test_unknown_host_is_said_without_trying_it() -> None:
    found = findings("postgresql://me@no.such.invalid/app", seconds=2)

    assert [finding.check for finding in found] == ["resolve"]


def test_empty_database_wants_migrations_and_may_have_them(empty_database: Database) -> None:
    runtime = findings(empty_database.owner_uri)
    migrations = findings(empty_database.owner_uri, Purpose.MIGRATIONS)
    deployment = findings(empty_database.owner_uri, Purpose.DEPLOYMENT)

    assert is_fit(deployment)
    assert [check for check, _, _ in failures(runtime)] == ["schema"]
    assert "0001_create_schema.sql" in of_check(runtime, "schema").text
    assert is_fit(migrations)


def test_data_api_roles_that_reach_the_schema_are_named(
    databases: Databases, fresh_database: Database
) -> None:
    databases.run_as_admin("create role anon")
    databases.run_as_admin("create role authenticated")
    try:
        assert "reach nothing" in of_check(findings(fresh_database.app_uri), "data api").text
        with psycopg.connect(fresh_database.owner_uri) as conn:
            conn.execute("grant usage on schema remanence to authenticated")
            conn.execute("grant select on remanence.messages to authenticated")

        ((check, text, remedy),) = failures(findings(fresh_database.app_uri))

        assert check == "data api"
        assert text.startswith("authenticated reaches ")
        assert text.endswith("table messages")
        assert "revoke all on schema remanence" in remedy
    finally:
        databases.drop(fresh_database)
        databases.run_as_admin("drop role anon")
        databases.run_as_admin("drop role authenticated")


@pytest.mark.parametrize(
    ("schemas", "is_published"),
    [("public, remanence", True), ("remanence", True), ("public, remanence_notes", False)],
)
def test_schema_that_the_data_api_serves_is_found(
    databases: Databases, database: Database, schemas: str, *, is_published: bool
) -> None:
    databases.run_as_admin("create role authenticator")
    try:
        databases.run_as_admin(f"alter role authenticator set pgrst.db_schemas = '{schemas}'")
        found = of_check(findings(database.app_uri), "data api")
    finally:
        databases.run_as_admin("drop role authenticator")

    assert (found.status is Status.FAIL) == is_published


def test_doctor_writes_nothing(fresh_database: Database) -> None:
    query = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_user_tables"
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        conn.execute("select pg_stat_reset()")
        findings(fresh_database.app_uri)
        findings(fresh_database.owner_uri, Purpose.MIGRATIONS)
        conn.execute("select pg_stat_force_next_flush()")
        assert conn.execute(query).fetchone() == (0,)


def test_json_holds_every_finding(database: Database) -> None:
    done = run_cli("doctor", "--json", REMANENCE_PG_URI=database.app_uri)

    report = json.loads(done.stdout)

    assert (done.returncode, report["fit"]) == (0, True)
    assert set(report["checks"][0]) == {"check", "status", "text", "remedy"}


def test_url_may_come_by_the_input_so_that_no_process_list_shows_it(database: Database) -> None:

    done = subprocess.run(
        [REMANENCE, "doctor", "-"],
        input=database.app_uri + "\n",
        env=clean_env(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_doctor_without_a_url_says_which_variable_to_set() -> None:
    done = run_cli("doctor")

    assert done.returncode == 1
    assert "REMANENCE_PG_URI" in done.stderr


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_doctor_waits_for_a_number_of_seconds(seconds: str) -> None:
    done = run_cli("doctor", "--timeout", seconds, "postgresql://u:secret@127.0.0.1:9/x")

    assert done.returncode == 1
    assert "--timeout must be a number of seconds above 0" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def login(databases: Databases, database: Database, role: str, rights: str) -> Generator[str]:
    """The URI of a role that exists for the block."""
    databases.run_as_admin(f"create role {role} login password 'x' {rights}")
    where = urlsplit(database.app_uri)
    try:
        yield f"postgresql://{role}:x@127.0.0.1:{where.port}{where.path}"
    finally:
        databases.run_as_admin(f"drop role {role}")
