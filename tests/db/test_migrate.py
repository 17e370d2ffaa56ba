"""The migration runner on a real Postgres, with toy migrations."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from remanence.db.migrate import Migration, migrate, pending, read_migrations
from remanence.errors import SchemaMismatch, SchemaNewer, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from support.pg import Database

ONE = "create table remanence.one (id integer primary key);\n"
TWO = """\
alter table remanence.one add column note text;
create index one_note_idx on remanence.one (note);
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_create_one.sql").write_text(ONE)
    (tmp_path / "0002_add_note.sql").write_text(TWO)
    return tmp_path


def value(uri: str, query: str) -> object:
    with psycopg.connect(uri) as conn:
        row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None


def names(applied: list[Migration]) -> list[str]:
    return [migration.name for migration in applied]


def test_migrate_on_an_empty_database_applies_all_in_order(
    empty_database: Database, folder: Path
) -> None:
    told: list[str] = []

    applied = migrate(
        empty_database.owner_uri, folder=folder, report=lambda step, _: told.append(step.name)
    )

    assert names(applied) == told == ["0001_create_one.sql", "0002_add_note.sql"]
    assert value(empty_database.owner_uri, "select count(note) from remanence.one") == 0
    assert value(empty_database.owner_uri, "select max(version) from remanence.schema_migrations")


def test_migrate_a_second_time_applies_nothing(empty_database: Database, folder: Path) -> None:
    migrate(empty_database.owner_uri, folder=folder)

    assert migrate(empty_database.owner_uri, folder=folder) == []


def test_migrate_with_a_new_file_applies_only_that(empty_database: Database, folder: Path) -> None:
    migrate(empty_database.owner_uri, folder=folder)
    (folder / "0003_drop_note.sql").write_text("alter table remanence.one drop column note;")

    assert names(migrate(empty_database.owner_uri, folder=folder)) == ["0003_drop_note.sql"]


def test_migrate_with_a_failing_file_leaves_nothing_of_it(
    empty_database: Database, folder: Path
) -> None:
    (folder / "0003_break.sql").write_text("create table remanence.two ();\n\nselect 1 / 0;\n")

    with pytest.raises(StoreError, match=r"'0003_break\.sql' .* division by zero \(22012\)"):
        migrate(empty_database.owner_uri, folder=folder)

    uri = empty_database.owner_uri
    assert value(uri, "select to_regclass('remanence.two')") is None
    assert value(uri, "select max(version) from remanence.schema_migrations") == 2


def test_migrate_after_the_failing_file_was_mended_goes_on(
    empty_database: Database, folder: Path
) -> None:
    (folder / "0003_add_two.sql").write_text("create table remanence.two (id intger);")
    with pytest.raises(StoreError, match=r"near line 1 .* \(42704\)"):
        migrate(empty_database.owner_uri, folder=folder)
    (folder / "0003_add_two.sql").write_text("create table remanence.two (id integer);")

    assert names(migrate(empty_database.owner_uri, folder=folder)) == ["0003_add_two.sql"]


def test_migrate_with_an_edited_file_names_it(empty_database: Database, folder: Path) -> None:
    migrate(empty_database.owner_uri, folder=folder)
    (folder / "0001_create_one.sql").write_text(ONE + "-- edited\n")

    with pytest.raises(SchemaMismatch, match=r"0001_create_one\.sql"):
        migrate(empty_database.owner_uri, folder=folder)


def test_migrate_of_a_newer_database_is_refused(empty_database: Database, folder: Path) -> None:
    migrate(empty_database.owner_uri, folder=folder)
    (folder / "0002_add_note.sql").unlink()

    with pytest.raises(SchemaNewer, match=r"0002_add_note\.sql.*newer than this version"):
        migrate(empty_database.owner_uri, folder=folder)


def test_migrate_of_a_newer_database_with_an_edited_file_names_the_file(
    empty_database: Database, folder: Path
) -> None:
    migrate(empty_database.owner_uri, folder=folder)
    (folder / "0002_add_note.sql").unlink()
    (folder / "0001_create_one.sql").write_text(ONE + "-- edited\n")

    with pytest.raises(SchemaMismatch, match=r"0001_create_one\.sql"):
        migrate(empty_database.owner_uri, folder=folder)


@pytest.mark.parametrize("name", ["0004_gap.sql", "0003-dash.sql", "3_short.sql"])
def test_read_migrations_with_a_wrong_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_text("select 1;")

    with pytest.raises(SchemaMismatch, match="must be named"):
        read_migrations(folder)


def test_migrate_runs_the_directive_file_outside_a_transaction(
    empty_database: Database, folder: Path
) -> None:
    (folder / "0003_index_one.sql").write_text(
        "-- migrate: no-transaction\ncreate index concurrently one_id_idx on remanence.one (id);\n"
    )

    applied = migrate(empty_database.owner_uri, folder=folder)

    assert not applied[-1].in_transaction
    valid = "select indisvalid from pg_index where indexrelid = 'remanence.one_id_idx'::regclass"
    assert value(empty_database.owner_uri, valid) is True
    locks = "select count(*) from pg_locks where locktype = 'advisory'"
    assert value(empty_database.owner_uri, locks) == 0


def test_migrate_of_a_file_that_commits_is_refused(empty_database: Database, folder: Path) -> None:
    (folder / "0003_commit.sql").write_text("create table remanence.two ();\ncommit;\n")

    with pytest.raises(StoreError, match="ends the transaction"):
        migrate(empty_database.owner_uri, folder=folder)


def test_migrate_by_many_runners_at_once_applies_each_file_once(
    empty_database: Database, folder: Path
) -> None:
    (folder / "0003_index_one.sql").write_text(
        "-- migrate: no-transaction\ncreate index concurrently one_id_idx on remanence.one (id);\n"
    )
    (folder / "0004_slow.sql").write_text("select pg_sleep(0.3);\ncreate table remanence.two ();")
    applied: list[str] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            applied.extend(names(migrate(empty_database.owner_uri, folder=folder)))
        except StoreError as exc:
            failed.append(exc)

    runners = [threading.Thread(target=run) for _ in range(4)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()

    assert failed == []
    assert sorted(applied) == [migration.name for migration in read_migrations(folder)]


def test_migrate_waits_out_a_table_lock(empty_database: Database, folder: Path) -> None:
    migrate(empty_database.owner_uri, folder=folder)
    (folder / "0003_drop_note.sql").write_text(
        "set local lock_timeout = '100ms';\nalter table remanence.one drop column note;"
    )
    blocker = psycopg.connect(empty_database.owner_uri)
    blocker.execute("lock table remanence.one in access share mode")
    release = threading.Timer(0.5, blocker.close)
    release.start()

    applied = migrate(empty_database.owner_uri, folder=folder)

    release.join()
    assert names(applied) == ["0003_drop_note.sql"]


def test_pending_before_and_after_migrating(empty_database: Database, folder: Path) -> None:
    migrations = read_migrations(folder)
    with psycopg.connect(empty_database.owner_uri, autocommit=True) as conn:
        before = pending(conn, migrations)
        migrate(empty_database.owner_uri, folder=folder)
        after = pending(conn, migrations)

    assert (before, after) == (migrations, [])


def test_migrate_ignores_what_the_role_has_on_its_search_path(
    empty_database: Database, folder: Path
) -> None:
    with psycopg.connect(empty_database.admin_uri, autocommit=True) as conn:
        conn.execute("create schema evil authorization remanence_owner")
        conn.execute(
            "create function evil.now() returns timestamptz language sql as"
            " 'select timestamptz ''1970-01-01'''"
        )
    (folder / "0003_table.sql").write_text(
        "create table remanence.two (at timestamptz default now());\n"
        "insert into remanence.two default values;"
    )
    uri = empty_database.owner_uri + "?options=-csearch_path%3Devil,pg_catalog"

    migrate(uri, folder=folder)

    assert value(empty_database.owner_uri, "select at > '2000-01-01' from remanence.two") is True
