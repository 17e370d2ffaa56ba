"""What the fault tests share: worker processes, and a database behind a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.bouncer import Bouncer, pgbouncer_program
from support.nursery import Nursery

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database, Databases


@pytest.fixture(scope="session")
def nursery() -> Generator[Nursery]:
    """Where worker processes come from."""
    with Nursery.started() as started:
        yield started


@pytest.fixture(scope="module")
def pooled_database(databases: Databases) -> Generator[tuple[Database, str]]:
    """A database for one file of tests, and its URI through pgbouncer, if there is one."""
    database = databases.clone()
    program = pgbouncer_program()
    if program is None:
        yield database, database.app_uri
    else:
        with Bouncer.started(program, databases.pg) as bouncer:
            yield database, bouncer.uri(database.app_uri)
    databases.drop(database)
