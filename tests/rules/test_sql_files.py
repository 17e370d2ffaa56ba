"""Every statement is a file with a header, is used, and fits the migrated schema."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from remanence.db.queries import sql

if TYPE_CHECKING:
    from support.pg import Database

ROOT = Path(__file__).parents[2] / "layers/core/remanence"
FILES = sorted((ROOT / "db/sql").glob("*.sql"))
NAMES = [path.stem for path in FILES]
HEADER = ("takes", "returns", "uses")


def code() -> str:
    return "\n".join(path.read_text() for path in ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_sql_file_has_its_header(path: Path) -> None:
    comments = [line for line in path.read_text().splitlines() if line.startswith("--")]

    assert comments[0].startswith(f"-- {path.stem}: "), "the first line says what it does"
    starts = [re.match(r"-- (\w+):", line) for line in comments[1:]]
    assert [found[1] for found in starts if found and found[1] in HEADER] == list(HEADER)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_sql_file_is_one_statement_without_a_semicolon(path: Path) -> None:
    body = re.sub(r"--.*", "", path.read_text())

    assert ";" not in body
    assert "select *" not in body.lower()


def test_sql_files_are_each_used_exactly_once() -> None:
    text = code()

    uses = {name: len(re.findall(rf'"{name}"', text)) for name in NAMES}

    assert {name: n for name, n in uses.items() if n != 1} == {}


def test_python_holds_no_sql() -> None:
    statement = re.compile(r'"(?:select .+ from |insert into |update \w+ set |delete from )')
    # Runners of migrations and roles speak to the server about itself, not to our tables.
    free = {
        "migrate.py",
        "connect.py",
        "preconditions.py",
        "roles.py",
        "inspection.py",
        "cluster.py",
        "postgres.py",
    }

    found = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if path.name not in free and statement.search(path.read_text())
    ]

    assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_sql_file_prepares_against_the_schema(name: str, database: Database) -> None:
    text = sql(name)
    numbers: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    assert re.findall(r"%\((\w+)\)s(?!::)", text) == [], "every parameter is cast where it stands"
    statement = re.sub(r"%\((\w+)\)s", place, text).replace("%%", "%")
    with psycopg.connect(database.app_uri) as conn:
        prepared = conn.pgconn.prepare(b"checked", statement.encode())
        assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK, prepared.error_message.decode()


def test_every_table_is_behind_row_level_security(database: Database) -> None:
    with psycopg.connect(database.admin_uri) as conn:
        rows = conn.execute(
            """
            select class.relname, class.relrowsecurity,
                array(select polroles::regrole[]::text from pg_policy where polrelid = class.oid)
            from pg_class as class
            where class.relnamespace = 'remanence'::regnamespace and class.relkind = 'r'
            """
        ).fetchall()

    tables = {name: (secured, policies) for name, secured, policies in rows}
    bookkeeping = {"schema_migrations"}
    assert len(tables) > 10
    assert {
        name: row
        for name, row in tables.items()
        if name not in bookkeeping and row != (True, ["{remanence_app}"])
    } == {}


def test_runtime_login_cannot_step_around_row_level_security(database: Database) -> None:
    with psycopg.connect(database.app_uri) as conn:
        role = conn.execute(
            "select rolsuper, rolbypassrls from pg_roles where rolname = current_user"
        ).fetchone()
        conn.execute("select set_config('role', 'remanence_app', true)")
        seen = conn.execute("select count(*) from remanence.agents").fetchone()

    assert role == (False, False)
    assert seen == (0,)  # no organization was entered: nothing is visible
