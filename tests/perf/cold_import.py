"""What a cold start pays before it serves: CPU seconds and memory of importing each function.

    python tests/perf/cold_import.py [BUILD_DIRECTORY]

(`make coldstart`) builds the artefact (or takes the build that is named), imports each function's
`app` from it in fresh processes, as deployed and with the precompiled files left out, and writes
the medians with the sizes of what is deployed to infra/COLD_START.md. The last rows are parts that
functions load when they need them, not at import, and all of them at once. Linux only.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.bundle import (
    ARCHITECTURE,
    ARCHITECTURES,
    FUNCTIONS,
    REPOSITORY,
    Bundle,
    build,
    find_python313,
    size_mb,
    zipped_mb,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROUNDS = 5
PAGE = REPOSITORY / "infra" / "COLD_START.md"
_HEAD = f"""\
# What a cold start costs

Written by `make coldstart`. A function loads what it serves with, and no more:
a provider's SDK, boto3 and whatever runs tools are loaded by the first request that needs them, and
the layers come compiled, since `/opt` cannot be written to. `tests/functions/test_bundle.py` keeps
it so. Lambda gives a function of 512 MB 29 % of a processor after its start, and bills the start.

| deployed, in MB | {" | ".join(f"{name} zipped | {name}" for name in ARCHITECTURES)} |
|---|---|---|---|---|"""
_TABLE = f"""
Medians of {ROUNDS} fresh processes of Python 3.13 on {ARCHITECTURE}; memory is the process's peak.
Below the functions stand parts, each alone in such a process. What counts are the ratios: seconds
grow with what else a machine does.

| import | CPU s | without `.pyc` | modules | peak MB |
|---|---|---|---|---|"""
NAIVE = (
    "openai, anthropic, boto3, fastapi, mangum, uvicorn, psycopg, aws_lambda_powertools, pydantic"
)
PARTS = {
    "everything, naively": f"import {NAIVE}; boto3.client('sqs', region_name='eu-central-1')",
    "openai client": "import openai; openai.OpenAI(api_key='x')",
    "anthropic client": "import anthropic; anthropic.Anthropic(api_key='x')",
    "boto3 client (sqs)": "import boto3; boto3.client('sqs', region_name='eu-central-1')",
    "fastapi + mangum": "import fastapi, mangum",
    "psycopg": "import psycopg",
    "powertools logs + metrics": "from aws_lambda_powertools import Logger, Metrics",
    "powertools tracer": "from aws_lambda_powertools import Tracer; Tracer(auto_patch=False)",
}
_MEASURED = """
import re, sys, time
before = len(sys.modules)
began = time.process_time()
{code}
seconds = time.process_time() - began
# Not getrusage: a child's peak begins with what its parent had.
peak_mb = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024 / 1e6
print(seconds, peak_mb, len(sys.modules) - before)
"""


def main() -> None:
    """Write the page."""
    python = find_python313()
    if python is None:
        sys.exit("needs Python 3.13, the runtime's own")
    with tempfile.TemporaryDirectory(prefix="remanence-bundle-") as scratch:
        root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
        root = root or build(Path(scratch) / "build", python)
        plain = _without_compiled(root, Path(scratch) / "plain")
        compiled, sources = (Bundle(folder, python, folder) for folder in (root, plain))
        bundles = {name: _bundle(name, compiled, Path(scratch)) for name in ARCHITECTURES}
        lines = [_HEAD, *_sizes(bundles), _TABLE, *_costs(compiled, sources)]
    PAGE.write_text("\n".join(lines) + "\n")


def _bundle(architecture: str, own: Bundle, scratch: Path) -> Bundle:
    """The build for an architecture: the one there is, or one that is made (and not run) here."""
    if architecture == ARCHITECTURE:
        return own
    return Bundle(build(scratch / architecture, own.python, architecture), own.python, own.runtime)


def _sizes(bundles: Mapping[str, Bundle]) -> Iterator[str]:
    for name in ("DepsLayer", "CoreLayer", *(f"{name.title()}Function" for name in FUNCTIONS)):
        sizes = [
            f"{measure(bundle.root / name):.3f}"
            for bundle in bundles.values()
            for measure in (zipped_mb, size_mb)
        ]
        yield f"| {name} | {' | '.join(sizes)} |"


def _costs(compiled: Bundle, sources: Bundle) -> Iterator[str]:
    rows = [(f"the function {name}", name, "import app") for name in FUNCTIONS]
    rows += [(name, "api", code) for name, code in PARTS.items()]
    for name, function, code in rows:
        seconds, megabytes, modules = _cost(compiled, function, code)
        without, *_ = _cost(sources, function, code)
        row = f"| {name} | {seconds:.2f} | {without:.2f} | {modules:.0f} | {megabytes:.0f} |"
        print(row, flush=True)
        yield row


def _without_compiled(root: Path, target: Path) -> Path:
    return Path(shutil.copytree(root, target, ignore=shutil.ignore_patterns("__pycache__")))


def _cost(bundle: Bundle, function: str, code: str) -> tuple[float, float, float]:
    """CPU seconds, peak MB and modules."""
    environment = bundle.environment(function)
    environment["REMANENCE_PG_URI"] = "postgresql://nobody@127.0.0.1:9/none"
    command = [str(bundle.python), "-c", _MEASURED.format(code=code)]
    folder = bundle.code(function)
    answers = [
        subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, check=True
        ).stdout.splitlines()[-1]
        for _ in range(ROUNDS)
    ]
    seconds, megabytes, modules = (
        statistics.median(float(answer.split()[column]) for answer in answers)
        for column in (0, 1, 2)
    )
    return seconds, megabytes, modules


if __name__ == "__main__":
    main()
