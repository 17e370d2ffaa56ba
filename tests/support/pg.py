"""One throw-away Postgres per test session, and databases cloned from a migrated template.

Two sessions at once do not meet: each has a directory and a port of its own. What a killed
session left behind is cleared by the next one.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from remanence.db.migrate import migrate
from remanence.local.cluster import ADMIN, LOGIN, OWNER
from remanence.local.locks import is_locked
from remanence.local.postgres import DATABASE, EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Generator

_PREFIX = "remanence-test-"


@dataclass(frozen=True, slots=True)
class Database:
    """One database and the URIs of its three roles.

    `owner_uri` migrates; `app_uri` is what the server uses: row-level security binds it.
    """

    name: str
    admin_uri: str
    owner_uri: str
    app_uri: str


class Databases:
    """Hands out databases of one Postgres in the test profile."""

    def __init__(self, pg: EmbeddedPostgres) -> None:
        self.pg = pg
        self._numbers = itertools.count(1)

    @classmethod
    @contextmanager
    def started(cls) -> Generator[Databases]:
        """Start the server, migrate the template; afterwards stop it and delete everything."""
        _clear_leftovers()
        home = Path(tempfile.mkdtemp(prefix=_PREFIX))
        pg = EmbeddedPostgres(home, "test", pg_bin=os.environ.get("PG_BIN", ""))
        try:
            pg.start()
            migrate(pg.owner_uri, login_roles=[LOGIN])
            yield cls(pg)
        finally:
            pg.stop()
            shutil.rmtree(home, ignore_errors=True)

    def clone(self, template: str = DATABASE) -> Database:
        """A new database with everything the template holds; takes about 0.05 s."""
        name = f"test_{next(self._numbers)}"
        self.run_as_admin(
            f'create database "{name}" template "{template}" strategy file_copy owner {OWNER}'
        )
        return self.of_name(name)

    def drop(self, database: Database) -> None:
        """Delete it, whoever is still connected."""
        self.run_as_admin(f'drop database if exists "{database.name}" with (force)')

    def of_name(self, name: str) -> Database:
        """The URIs of a database."""
        uri = self.pg.uri
        return Database(name, uri(ADMIN, name), uri(OWNER, name), uri(LOGIN, name))

    def run_as_admin(self, statement: str) -> None:
        """Run a statement outside of any transaction, as superuser."""
        with psycopg.connect(self.pg.uri(ADMIN, "postgres"), autocommit=True) as conn:
            conn.execute(statement.encode())


def _clear_leftovers() -> None:
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        users = home / "postgres" / "users.lock"
        if home.stat().st_uid != os.geteuid() or not users.exists() or is_locked(users):
            continue
        leftover = EmbeddedPostgres(home, "test")
        if leftover.is_running:
            leftover.start()
            leftover.stop()
        shutil.rmtree(home, ignore_errors=True)
