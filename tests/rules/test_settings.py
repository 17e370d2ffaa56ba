"""Every setting is documented, and read in one place."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from remanence.errors import SettingsError
from remanence.settings import Settings, variable_of

ROOT = Path(__file__).parents[2]
MOST_FIELDS = 27


def test_settings_are_few_and_all_in_the_readme() -> None:
    table = (ROOT / "README.md").read_text()
    variables = [variable_of(spec.name) for spec in fields(Settings)]

    assert len(variables) <= MOST_FIELDS
    assert [name for name in variables if f"`{name}`" not in table] == []


def test_environment_is_read_in_few_places() -> None:
    readers = {
        str(path.relative_to(ROOT / "layers/core/remanence"))
        for path in (ROOT / "layers/core/remanence").rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }

    # sandbox/child.py reads none: it hands a tool its own.
    assert readers <= {"cli.py", "wiring.py", "local/chat.py", "sandbox/child.py"}


def test_settings_report_every_problem_at_once() -> None:
    env = {"PORT": "many", "REMANENCE_POOL_SIZE": "0", "REMANENCE_PG_URI": "mysql://secret@host"}

    with pytest.raises(SettingsError) as raised:
        Settings.from_env(env)

    text = str(raised.value)
    assert "PORT" in text
    assert "REMANENCE_POOL_SIZE" in text
    assert "REMANENCE_PG_URI" in text
    assert "secret" not in text


def test_settings_accept_the_retired_servers_database_variable() -> None:
    assert Settings.from_env({"LETTA_PG_URI": "postgresql://x"}).pg_uri == "postgresql://x"


@pytest.mark.parametrize("driver", ["", "+asyncpg", "+psycopg", "+psycopg2", "+pg8000"])
@pytest.mark.parametrize("variable", ["LETTA_PG_URI", "REMANENCE_PG_URI"])
def test_settings_drop_the_driver_of_a_database_uri(variable: str, driver: str) -> None:
    settings = Settings.from_env({variable: f"postgresql{driver}://me:a+b://c@host/db"})

    assert settings.pg_uri == "postgresql://me:a+b://c@host/db"
