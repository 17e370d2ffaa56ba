"""Deployments and migrations: what CloudFormation hears, and what is left when one fails.

As in `test_bundle.py`: the built function under the real awslambdaric. A later version of the
project is the same bundle with one more migration in its layer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
from support.lambda_world import LambdaWorld, a_request, an_event

from remanence.db.migrate import read_migrations

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from support.lambda_emulator import Emulator
    from support.pg import Database

NEXT = f"{len(read_migrations()) + 1:04d}_add_note.sql"
GOOD = "alter table remanence.agents add column note text;\n"
BROKEN = GOOD + "\nselect 1 / 0;\n"


def test_migrate_by_hand_brings_an_empty_database_to_this_version(
    lambda_world: LambdaWorld, empty_database: Database
) -> None:
    use(lambda_world, empty_database)

    with migrating(lambda_world) as migrate:
        first = migrate.invoke({})
        second = migrate.invoke({})

    assert first["applied"]
    assert second == {"applied": []}


def test_migrate_answers_cloudformation(
    lambda_world: LambdaWorld, empty_database: Database
) -> None:
    use(lambda_world, empty_database)

    answer = deployed(lambda_world, "Create")

    assert answer["Status"] == "SUCCESS"
    assert "0001" in answer["Data"]["Applied"]


def test_migration_that_fails_is_answered_and_the_version_before_goes_on(
    lambda_world: LambdaWorld, fresh_database: Database, tmp_path: Path
) -> None:
    use(lambda_world, fresh_database)
    later = with_migration(lambda_world, BROKEN, tmp_path)

    answer = deployed(later, "Update")

    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith(
        f"migration '{NEXT}' failed and changed nothing: division by zero (22012)"
    )
    assert last_migration(fresh_database) == read_migrations()[-1].name
    assert not has_note(fresh_database)
    with lambda_world.function("api") as api:
        listed = api.invoke(a_request("GET", "/v1/agents/"))
    assert (listed["statusCode"], json.loads(listed["body"])) == (200, [])


def test_deployment_goes_on_once_the_migration_is_mended_and_may_be_taken_back(
    lambda_world: LambdaWorld, fresh_database: Database, tmp_path: Path
) -> None:
    use(lambda_world, fresh_database)

    mended = deployed(with_migration(lambda_world, GOOD, tmp_path), "Update")
    taken_back = deployed(lambda_world, "Update")
    deleted = deployed(lambda_world, "Delete")

    assert (mended["Status"], mended["Data"]["Applied"]) == ("SUCCESS", NEXT)
    assert taken_back["Status"] == "SUCCESS"
    assert "newer than this version" in taken_back["Reason"]
    assert deleted["Status"] == "SUCCESS"
    assert has_note(fresh_database), "neither takes data away"


def test_migrate_that_cannot_connect_fails_the_deployment(lambda_world: LambdaWorld) -> None:
    uri = "postgresql://owner:s3cret@127.0.0.1:9/postgres"
    lambda_world.aws.parameters["/r/owner-pg-uri"] = uri

    answer = deployed(lambda_world, "Create")

    assert answer["Status"] == "FAILED"
    assert "127.0.0.1:9" in answer["Reason"]
    written = (lambda_world.scratch / "migrate.log").read_text()
    assert "s3cret" not in answer["Reason"] + written


def use(lambda_world: LambdaWorld, database: Database) -> None:
    lambda_world.aws.parameters["/r/owner-pg-uri"] = database.owner_uri
    lambda_world.aws.parameters["/r/pg-uri"] = database.app_uri


def migrating(lambda_world: LambdaWorld) -> AbstractContextManager[Emulator]:
    return lambda_world.function("migrate", REMANENCE_PG_URI_PARAMETER="/r/owner-pg-uri")


def deployed(lambda_world: LambdaWorld, kind: str) -> dict[str, Any]:
    """What CloudFormation is answered when a deployment asks for `kind` of the resource."""
    event = an_event(
        "custom_resource", RequestType=kind, ResponseURL=f"{lambda_world.aws.url}/answer"
    )
    with migrating(lambda_world) as migrate:
        returned: dict[str, Any] = migrate.invoke(event)
    assert lambda_world.aws.stack_answers.pop() == returned
    return returned


def with_migration(lambda_world: LambdaWorld, sql: str, folder: Path) -> LambdaWorld:
    """The world with a version of the project that has one more migration."""
    later = lambda_world.with_own_core(folder)
    migrations = later.bundle.layers[1] / "remanence" / "db" / "migrations"
    (migrations / NEXT).write_text(sql)
    return later


def last_migration(database: Database) -> str:
    query = "select name from remanence.schema_migrations order by version desc limit 1"
    return str(answer_of(database, query))


def has_note(database: Database) -> bool:
    return bool(
        answer_of(
            database,
            "select exists (select from information_schema.columns"
            " where table_schema = 'remanence' and table_name = 'agents' and column_name = 'note')",
        )
    )


def answer_of(database: Database, query: str) -> object:
    with psycopg.connect(database.owner_uri) as conn:
        row = conn.execute(query.encode()).fetchone()
    return row and row[0]
