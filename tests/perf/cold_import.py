"""What a cold start pays before it serves: CPU seconds and memory of importing each function.

    python tests/perf/cold_import.py [BUILD_DIRECTORY]

(`make coldstart`) builds the artefact (or takes the build that is named), imports each function's
`app` from it in fresh processes, once as deployed and once with the precompiled files left out, and
prints the median of five, with the layers' unzipped sizes. The last rows are parts that functions
load when they need them, not at import, and all of them at once.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.bundle import ARCHITECTURE, FUNCTIONS, Bundle, build, find_python313, size_mb

ROUNDS = 5
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
import resource, sys, time
before = len(sys.modules)
began = time.process_time()
{code}
seconds = time.process_time() - began
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(seconds, peak_mb, len(sys.modules) - before)
"""


def main() -> None:
    """Print the table."""
    python = find_python313()
    if python is None:
        sys.exit("needs Python 3.13, the runtime's own")
    with tempfile.TemporaryDirectory(prefix="remanence-bundle-") as scratch:
        root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
        root = root or build(Path(scratch) / "build", python)
        plain = _without_compiled(root, Path(scratch) / "plain")
        compiled, sources = (Bundle(folder, python, folder) for folder in (root, plain))
        print(f"unzipped, {ARCHITECTURE}, MB      as deployed   without .pyc")
        for with_pyc, without in zip(compiled.layers, sources.layers, strict=True):
            name = with_pyc.parent.name
            print(f"{name:26}{size_mb(with_pyc):10.1f}{size_mb(without):14.1f}")
        print(f"\n{'CPU s (peak MB, modules)':26}     as deployed    without .pyc")
        rows = [(name, name, "import app") for name in FUNCTIONS]
        rows += [(name, "api", code) for name, code in PARTS.items()]
        for name, function, code in rows:
            cells = [_cost(bundle, function, code) for bundle in (compiled, sources)]
            print(f"{name:26}{cells[0]:>16}{cells[1]:>16}", flush=True)


def _without_compiled(root: Path, target: Path) -> Path:
    return Path(shutil.copytree(root, target, ignore=shutil.ignore_patterns("__pycache__")))


def _cost(bundle: Bundle, function: str, code: str) -> str:
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
    return f"{seconds:.2f} ({megabytes:.0f}, {modules:.0f})"


if __name__ == "__main__":
    main()
