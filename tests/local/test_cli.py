"""The command line: what it prints, and with which exit code it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.process import run_cli

from remanence import __version__

if TYPE_CHECKING:
    from support.bouncer import Bouncer
    from support.pg import Database


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version_prints_the_version(word: str) -> None:
    done = run_cli(word)

    assert (done.returncode, done.stdout) == (0, f"{__version__}\n")


def test_help_names_every_command_and_variable() -> None:
    done = run_cli("--help")

    assert done.returncode == 0
    for word in ("dev", "serve", "migrate", "chat", "version", "PORT", "REMANENCE_PG_URI"):
        assert word in done.stdout


def test_unknown_command_is_a_usage_error() -> None:
    assert run_cli("dance").returncode == 2


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_command_without_a_database_says_which_variable_to_set(command: str) -> None:
    done = run_cli(command)

    assert done.returncode == 1
    assert "REMANENCE_PG_URI" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_command_with_an_unreachable_database_says_why_and_hides_the_password(
    command: str,
) -> None:
    done = run_cli(command, REMANENCE_PG_URI="postgresql://me:s3cr3t@127.0.0.1:1/app", PORT=0)

    assert done.returncode == 1
    assert "127.0.0.1:1 as me: Connection refused" in done.stderr
    assert "s3cr3t" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_command_with_bad_settings_lists_all_of_them() -> None:
    done = run_cli(
        "dev",
        PORT="many",
        REMANENCE_COMPACT_AT="7",
        REMANENCE_DEFAULT_MODEL="foo",
        REMANENCE_DEFAULT_EMBEDDING="openai/text-embedding-3-small",
    )

    assert done.returncode == 1
    assert "PORT must be a number" in done.stderr
    assert "REMANENCE_COMPACT_AT" in done.stderr
    assert "REMANENCE_DEFAULT_MODEL is 'foo', which no configured provider serves" in done.stderr
    assert "REMANENCE_DEFAULT_EMBEDDING is 'openai/" in done.stderr


def test_migrate_tells_what_it_applied_and_then_that_there_is_nothing(
    empty_database: Database,
) -> None:
    first = run_cli("migrate", "--uri", empty_database.owner_uri)
    second = run_cli("migrate", REMANENCE_PG_URI=empty_database.owner_uri)

    assert (first.returncode, second.returncode) == (0, 0)
    assert "0001_create_schema.sql" in first.stdout
    assert second.stdout == "Nothing to do: up to date.\n"


def test_migrate_takes_the_alias_of_the_variable(empty_database: Database) -> None:
    assert run_cli("migrate", LETTA_PG_URI=empty_database.owner_uri).returncode == 0


def test_serve_over_an_empty_database_through_a_transaction_pooler_names_the_remedy(
    bouncer: Bouncer, empty_database: Database
) -> None:
    done = run_cli("serve", REMANENCE_PG_URI=bouncer.uri(empty_database.owner_uri), PORT=0)

    assert done.returncode == 1
    assert "remanence migrate --uri" in done.stderr


@pytest.mark.parametrize("home", ["", "/", "/nobody/lives/here"])
def test_dev_without_a_home_directory_asks_for_another_one(home: str) -> None:
    done = run_cli("dev", HOME=home, PORT=0)

    assert done.returncode == 1
    assert "set REMANENCE_HOME" in done.stderr
    assert "Traceback" not in done.stderr
