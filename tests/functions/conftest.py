"""The built artefact, and the world its functions live in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.bundle import Bundle, BundleUnavailable, find_bundle
from support.lambda_world import LambdaWorld

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from support.pg import Database


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """What `sam build` makes of this checkout, built once; REMANENCE_BUNDLE names another.

    Workers that run tests at once share it: the folder above theirs is the run's.
    """
    own = tmp_path_factory.getbasetemp()
    scratch = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "bundle"
    scratch.mkdir(exist_ok=True)
    try:
        return find_bundle(scratch)
    except BundleUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def lambda_world(bundle: Bundle, database: Database, tmp_path: Path) -> Generator[LambdaWorld]:
    """SSM, SQS, a model provider and the database, on loopback."""
    with LambdaWorld.started(bundle, database, tmp_path) as started:
        yield started
