"""infra/schema.sql, for readers, is what the migrations really make (`make schema` writes it)."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from remanence.local.binaries import find_binaries, identity_for

if TYPE_CHECKING:
    from support.pg import Database

SCHEMA = Path(__file__).parents[2] / "infra" / "schema.sql"

HEADER = """\
-- The schema after all migrations, for reading. Generated: `make schema`. Nothing runs this file.
"""


def dump(database: Database) -> str:
    """The definitions of our schema, without what differs from one dump to the next."""
    place = Path(tempfile.gettempdir())
    program = find_binaries(os.environ.get("PG_BIN", ""), identity_for(place)) / "pg_dump"
    options = ["--schema-only", "--schema=remanence", "--no-owner"]
    done = subprocess.run(
        [program, *options, database.admin_uri], capture_output=True, text=True, check=True
    )
    # Settings of the session, psql commands with a random word, and the tool's own remarks.
    noise = re.compile(r"^(SET |SELECT pg_catalog\.set_config|\\|--( |$)).*\n", re.MULTILINE)
    return HEADER + "\n" + re.sub(r"\n{3,}", "\n\n", noise.sub("", done.stdout)).strip() + "\n"


def test_schema_file_is_what_the_migrations_make(database: Database, *, rewrite: bool) -> None:
    with psycopg.connect(database.admin_uri) as conn:
        if conn.info.server_version // 10_000 != 16:
            pytest.skip("the file is written by Postgres 16")
    found = dump(database)
    if rewrite:
        SCHEMA.write_text(found)

    assert SCHEMA.read_text() == found, "run `make schema`"
