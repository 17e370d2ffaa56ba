"""Layers are the same bytes wherever they are built, and know no path of the machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from support.bundle import (
    ARCHITECTURE,
    ARCHITECTURES,
    REPOSITORY,
    build,
    find_python313,
    size_mb,
)

if TYPE_CHECKING:
    from pathlib import Path

CORE_LIMIT_MB = 8
DEPS_LIMIT_MB = 120
# What Lambda takes of a function with its layers, unzipped.
LIMIT_MB = 250


@pytest.mark.parametrize("layer", ["core", pytest.param("deps", marks=pytest.mark.perf)])
def test_two_builds_in_different_folders_are_the_same(layer: str, tmp_path: Path) -> None:
    first, second = (built(layer, tmp_path / folder) for folder in ("here", "and/over/there"))

    assert digests(first) == digests(second)
    assert str(tmp_path).encode() not in b"".join(
        path.read_bytes() for path in first.rglob("*.pyc") if "remanence" in path.parts
    )


def test_core_layer_is_our_package_alone_and_small(tmp_path: Path) -> None:
    site = built("core", tmp_path)

    assert [path.name for path in site.iterdir()] == ["remanence"]
    assert not {path.suffix for path in site.rglob("*") if path.is_file()} - {
        *(".py", ".pyc", ".sql", ".pem", ".typed", ".json", ".html", ".css", ".js", ".svg")
    }
    assert size_mb(site) < CORE_LIMIT_MB


@pytest.mark.perf
@pytest.mark.parametrize(("architecture", "machine"), [("arm64", 0xB7), ("x86_64", 0x3E)])
def test_deps_layer_runs_on_its_architecture_alone_and_is_pruned(
    architecture: str, machine: int, tmp_path: Path
) -> None:
    site = built("deps", tmp_path, architecture)

    programs = [path for path in site.rglob("*") if path.is_file() and ".so" in path.name]
    assert {_machine(path) for path in programs} == {machine}
    assert sorted(
        path.name for path in (site / "botocore" / "data").iterdir() if path.is_dir()
    ) == [
        *("lambda", "sqs"),
    ]
    assert not [path for path in site.rglob("*") if path.name in {"tests", "RECORD"}]
    assert size_mb(site) < DEPS_LIMIT_MB


@pytest.mark.perf
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_whole_build_is_the_same_from_two_folders(architecture: str, tmp_path: Path) -> None:
    python = find_python313()
    if python is None:
        pytest.skip("needs Python 3.13, the runtime's own")
    checkouts = [tmp_path / "here", tmp_path / "and/over/there"]
    for checkout in checkouts:
        shutil.copytree(REPOSITORY, checkout, ignore=shutil.ignore_patterns(".*", "node_modules"))

    builds = [
        build(checkout / "made", python, architecture, checkout=checkout) for checkout in checkouts
    ]

    first, second = map(digests, builds)
    assert len(first) > 1000
    assert first == second
    assert sum(map(size_mb, (builds[0] / "DepsLayer", builds[0] / "CoreLayer"))) < LIMIT_MB


def _machine(path: Path) -> int:
    head = path.read_bytes()[:20]
    assert head[:4] == b"\x7fELF"
    return int.from_bytes(head[18:20], "little")


def built(layer: str, folder: Path, architecture: str = ARCHITECTURE) -> Path:
    """The layer, made from a copy of its folder, as `sam build` has it made."""
    python = find_python313()
    if python is None:
        pytest.skip("needs Python 3.13, the runtime's own")
    source = folder / "source"
    shutil.copytree(
        REPOSITORY / "layers" / layer, source, ignore=shutil.ignore_patterns("__pycache__")
    )
    variables = {"ARTIFACTS_DIR": str(folder / "made"), "ARCHITECTURE": architecture}
    done = subprocess.run(
        ["make", f"build-{layer.title()}Layer", f"PYTHON={python}"],
        cwd=source,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "made" / "python"


def digests(site: Path) -> dict[str, str]:
    """What each file holds, by its path."""
    return {
        str(path.relative_to(site)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(site.rglob("*"))
        if path.is_file()
    }
