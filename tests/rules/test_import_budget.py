"""What a function may load before it serves. Cold starts are paid by people who wait.

Imported from the checkout, by name of module rather than by time, so that it fails on a busy
machine only if somebody added an import. Seconds: `python tests/perf/cold_import.py`.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support.bundle import FUNCTIONS, REPOSITORY
from support.lambda_world import quiet_environment

PROVIDER_SDKS = {"openai", "anthropic"}
WEB = {"fastapi", "starlette", "uvicorn", "mangum"}
# A botocore client costs as much as FastAPI does; Powertools looks at `botocore` alone.
AWS_CLIENTS = {"boto3", "botocore.client", "botocore.session"}
NEVER = {"numpy", "requests", "pandas", "remanence.cli", "remanence.local"}


@pytest.mark.parametrize(
    ("function", "forbidden"),
    [
        ("api", PROVIDER_SDKS | AWS_CLIENTS | {"uvicorn", "remanence.demo"}),
        ("chat", PROVIDER_SDKS | AWS_CLIENTS | {"mangum", "remanence.demo"}),
        ("step", PROVIDER_SDKS | WEB | AWS_CLIENTS),
        ("compact", PROVIDER_SDKS | WEB | AWS_CLIENTS),
        ("tool", PROVIDER_SDKS | WEB | AWS_CLIENTS),
        ("migrate", PROVIDER_SDKS | WEB | AWS_CLIENTS),
    ],
)
def test_function_loads_only_what_it_needs_at_once(function: str, forbidden: set[str]) -> None:
    loaded = modules_of(function)

    assert loaded & (forbidden | NEVER) == set()


def test_every_function_is_held_to_a_budget() -> None:
    (mark,) = test_function_loads_only_what_it_needs_at_once.pytestmark

    assert {function for function, _ in mark.args[1]} == set(FUNCTIONS)


def modules_of(function: str) -> set[str]:
    environment = quiet_environment() | {
        # By this the X-Ray SDK sees that it is in Lambda, and makes no client.
        "LAMBDA_TASK_ROOT": "/var/task",
        "OPENAI_API_KEY": "sk-unused",
        "POWERTOOLS_METRICS_NAMESPACE": "Remanence",
        "POWERTOOLS_SERVICE_NAME": function,
        "REMANENCE_PG_URI": "postgresql://nobody@127.0.0.1:9/none",
        "REMANENCE_STEP_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/1/steps.fifo",
    }
    done = subprocess.run(
        [sys.executable, "-c", "import json, sys, app; print(json.dumps([*sys.modules]))"],
        env=environment,
        cwd=REPOSITORY / "functions" / function,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))
