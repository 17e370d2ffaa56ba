"""infra/README.md, section 1, followed word by word against a database set up as Supabase's.

The commands are taken from the page; only what stands in angle brackets is filled in.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from support.bouncer import pgbouncer_program
from support.process import clean_env, run_cli, serving
from support.supabase import PASSWORD, SERVER_PASSWORD, Project, supabase_project

from remanence.local.binaries import find_binaries, identity_for

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[2]
# What the page has in place of the strings that Supabase shows.
OWNER_STRING = "postgresql://postgres.<ref>:<password>@<pooler host>:5432/postgres?sslmode=require"


@pytest.fixture(scope="module")
def project() -> Generator[Project]:
    program = pgbouncer_program()
    if program is None:
        pytest.skip("pgbouncer is not installed")
    with supabase_project(program) as started:
        yield started


def commands(heading: str) -> list[str]:
    """The shell commands of a section of the page, continued lines joined."""
    page = (ROOT / "infra" / "README.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", "").splitlines()]


def run(command: str, project: Project, folder: Path) -> subprocess.CompletedProcess[str]:
    command = command.replace(OWNER_STRING, project.session_uri)
    command = command.replace("<a second, long password>", SERVER_PASSWORD)
    command = command.replace(".venv/bin/", shlex.quote(str(ROOT / ".venv/bin")) + "/")
    command = command.replace("infra/", shlex.quote(str(ROOT / "infra")) + "/")
    assert "<" not in command.replace("< ", ""), f"the page has something to fill in: {command}"
    psql = find_binaries(os.environ.get("PG_BIN", ""), identity_for(Path(tempfile.gettempdir())))
    path = f"{psql}:{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=clean_env(PATH=path),
        capture_output=True,
        text=True,
        check=False,
    )


def test_guide_leads_from_an_empty_project_to_an_agent_that_answers(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "migration-pg-uri.txt").write_text(project.session_uri + "\n")
    (tmp_path / "pg-uri.txt").write_text(project.server_uri + "\n")
    written = commands("1. The database")

    outputs = [run(command, project, tmp_path) for command in written]

    assert len(written) == 4, "migrate, roles, and the doctor for each of the two URLs"
    for command, done in zip(written, outputs, strict=True):
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert PASSWORD not in str([done.stdout + done.stderr for done in outputs])
    doctor = outputs[-1].stdout
    assert "a transaction pooler: right for run time" in doctor
    assert "bound by row-level security" in doctor
    assert "anon and authenticated reach nothing" in doctor

    variables = {"REMANENCE_PG_URI": project.server_uri, "REMANENCE_API_KEY": "sesame"}
    with serving("serve", tmp_path / "server.log", **variables) as server:
        smoke = run_cli("smoke", server.url, REMANENCE_API_KEY="sesame")
    assert smoke.returncode == 0, smoke.stdout


def test_data_api_roles_find_nothing(project: Project) -> None:
    with psycopg.connect(project.direct_uri) as conn:
        for role in ("anon", "authenticated"):
            conn.execute(f"set local role {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
                conn.execute("select from remanence.agents")
            conn.execute("reset role")


def test_owner_at_run_time_is_sent_to_the_roles_file(project: Project) -> None:
    done = run_cli("doctor", project.session_uri)

    assert done.returncode == 1
    assert "has BYPASSRLS" in done.stdout
    assert "infra/roles.sql" in done.stdout
