"""Homes of embedded databases: new ones, and such as were used before."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from remanence.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="session")
def used_home() -> Generator[Path]:
    """A home whose database was made, started and stopped. To be copied, not to be used."""
    place = Path(tempfile.mkdtemp(prefix="remanence-used-"))
    pg = EmbeddedPostgres(place, "test")
    pg.start()
    pg.stop()
    yield place
    subprocess.run(["rm", "-rf", place], check=True)


@pytest.fixture
def new_home() -> Generator[Path]:
    """A home below a directory that only its owner may enter, as root's and most users' are."""
    private = Path(tempfile.mkdtemp(prefix="remanence-home-"))
    path = private / "deep" / "er"
    yield path
    last = EmbeddedPostgres(path, "test")
    if (path / "postgres").is_dir() and last.is_running:
        last.start()
        last.stop()
    subprocess.run(["rm", "-rf", private], check=True)


@pytest.fixture
def home(new_home: Path, used_home: Path) -> Path:
    """The same with a database in it that has run before: what every start but the first finds."""
    new_home.mkdir(parents=True)
    subprocess.run(["cp", "-a", used_home / "postgres", new_home], check=True)
    (new_home / "postgres/port").unlink()
    return new_home
