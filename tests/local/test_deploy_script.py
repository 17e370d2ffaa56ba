"""`make deploy` where something is missing: said in words, before anything is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


# The first deployment's questions, answered: it saves them as one text, in place of the list.
SAM = """#!/bin/sh
echo "sam $* in=$AWS_DEFAULT_REGION" >>log
case "$*" in
list*json*) echo '[{"OutputKey": "ApiUrl", "OutputValue": "https://api.example"},'
    echo '{"OutputKey": "DeadBellsUrl", "OutputValue": "https://dead.example"}]' ;;
list*) exit "$(cat first)" ;;
*--guided*) cp answered.toml samconfig.toml; echo 0 >first ;;
esac
"""
SAYS = """#!/bin/sh
echo "$(basename "$0") $* uri=$REMANENCE_PG_URI_PARAMETER key=$REMANENCE_API_KEY_PARAMETER" \
    "for=$ARCHITECTURE mine=$REMANENCE_PG_URI$REMANENCE_API_KEY" >>log
"""
ANSWERED = """[prod.global.parameters]
stack_name = "remanence"
[prod.deploy.parameters]
stack_name = "mine"
parameter_overrides = "PgUriParameter=\\"/a/pg\\" MigrationPgUriParameter=\\"/a/owner\\" \
ApiKeyParameter=\\"/a/key\\" DefaultModel=\\"\\" Architecture=\\"x86_64\\""
"""


def test_what_was_answered_at_the_first_deployment_holds_at_once_and_at_the_next(
    tmp_path: Path,
) -> None:
    for name, text in {"sam": SAM, "remanence": SAYS}.items():
        write_program(tmp_path / ".venv/bin" / name, text)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    write_program(tmp_path / "infra/scripts/build", SAYS)
    shutil.copy(REPOSITORY / "infra/scripts/deploy", tmp_path / "infra/scripts/deploy")
    shutil.copy(REPOSITORY / "samconfig.toml", tmp_path)
    (tmp_path / "answered.toml").write_text(ANSWERED)
    (tmp_path / "first").write_text("1")
    mine = {"REMANENCE_PG_URI": "postgresql://laptop", "REMANENCE_API_KEY": "of-this-machine"}
    environment = {"PATH": os.environ["PATH"], "AWS_REGION": "eu-central-1", **KEYS, **mine}

    for _ in range(2):
        command = ["/bin/sh", "infra/scripts/deploy", "prod"]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)

    first, second = (tmp_path / "log").read_text().split("sam validate")[1:]
    smoked = "smoke --dead-bells https://dead.example https://api.example uri= key=/a/key "
    assert "uri=/remanence/prod/pg-uri key= for=arm64 mine=\n" in first
    assert "deploy --guided --on-failure DELETE --config-env prod in=eu-central-1" in first
    assert smoked in first
    assert "doctor --for migrations uri=/a/owner key= for=x86_64 mine=\n" in second
    assert "doctor --for deployment uri=/a/pg " in second
    assert "build --config-env prod uri= key= for=x86_64" in second
    assert "guided" not in second
    assert "stack-outputs --stack-name mine" in second
    assert smoked in second


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


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
