"""What every test may ask for: a real Postgres with the real schema, and a real pooler.

The helpers live in `support`, importable because this folder is put on the path.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support.bouncer import Bouncer, pgbouncer_program
from support.pg import Database, Databases

if TYPE_CHECKING:
    from collections.abc import Generator


OPT_IN = ("live", "perf", "fuzz")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write the generated files that tests compare with"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a key, a quiet machine or time, unless `-m` asks for it."""
    if config.option.markexpr:
        return
    opt_in = {item for item in items if any(item.get_closest_marker(name) for name in OPT_IN)}
    if opt_in:
        config.hook.pytest_deselected(items=list(opt_in))
        items[:] = [item for item in items if item not in opt_in]


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """True when generated files are to be written instead of compared (`make golden`)."""
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture(scope="session")
def databases() -> Generator[Databases]:
    """The session's own Postgres, with a migrated template to clone from."""
    with Databases.started() as started:
        yield started


@pytest.fixture(scope="session")
def database(databases: Databases) -> Database:
    """A migrated database shared by the whole session: use ids of your own."""
    return databases.clone()


@pytest.fixture
def fresh_database(databases: Databases) -> Generator[Database]:
    """A migrated database for one test."""
    clone = databases.clone()
    yield clone
    databases.drop(clone)


@pytest.fixture
def empty_database(databases: Databases) -> Generator[Database]:
    """A database as a hosted Postgres hands it out: pgvector, an owner, no schema of ours."""
    clone = databases.clone(template="template1")
    yield clone
    databases.drop(clone)


@pytest.fixture(scope="session")
def bouncer(databases: Databases) -> Generator[Bouncer]:
    """A real pgbouncer in transaction mode in front of the session's Postgres."""
    program = pgbouncer_program()
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    with Bouncer.started(program, databases.pg) as started:
        yield started


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that boto3 finds, and nothing else of AWS from the machine."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "only-on-loopback")
