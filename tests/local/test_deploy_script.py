"""`make deploy` where something is missing: said in words, before anything is changed."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.bundle import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "never-used"}


@pytest.mark.parametrize(
    ("stage", "variables", "said"),
    [
        ("default", {}, "No AWS credentials. Set AWS_ACCESS_KEY_ID"),
        ("default", KEYS, "No region. Set AWS_REGION"),
        ("staging", KEYS, "no stage 'staging'"),
    ],
)
def test_deploy_says_what_is_missing(
    tmp_path: Path, stage: str, variables: dict[str, str], said: str
) -> None:
    # No aws command, and no file of it, that could know either.
    environment = {"PATH": f"{no_aws(tmp_path)}", "HOME": str(tmp_path), **variables}

    done = subprocess.run(
        ["/bin/sh", "infra/scripts/deploy", stage],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode != 0
    assert said in done.stderr
    assert "== validate" not in done.stdout
    assert "never-used" not in done.stdout + done.stderr


def no_aws(folder: Path) -> Path:
    """A path with what the script needs of the system, and nothing else."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("sh", "dirname"):
        found = next(
            place for place in ("/usr/bin", "/bin") if os.access(f"{place}/{name}", os.X_OK)
        )
        (programs / name).symlink_to(f"{found}/{name}")
    return programs
