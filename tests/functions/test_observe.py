"""What observation writes: JSON lines, metrics and trace segments, each where AWS reads it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from typing import Any

import pytest
from support.bundle import REPOSITORY
from support.lambda_world import quiet_environment

# A handler as Lambda calls it, in a process of its own: Powertools keeps state per process.
PROGRAM = """
import logging
from remanence.aws.observe import count, observed
from remanence.aws.watch import trace_step
from remanence.engine.meter import Span
from remanence.engine.watch import StepSeen

SEEN = StepSeen(
    run_id="run-1", step_id="step-1", step_no=1, agent_id="agent-1", org_id="org-1",
    conversation_id="conv-1", model="openai/x", prompt_tokens=80, completion_tokens=5,
    cached_tokens=60, cache_share=0.75, round_trips=2, db_ms=3.5, model_ms=900.0, step_ms=910.0,
    stop_reason="end_turn", error_type=None, ended_ns=2_000_000_000,
    spans=(Span(name="model", began_ns=500_000_000, ended_ns=1_500_000_000),),
)

class Context:
    function_name = "remanence-step"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:remanence-step"
    aws_request_id = "request-1"

def handle(event, context):
    logging.getLogger("remanence.engine.run").warning("said by the engine")
    count("BellsAnswered", 2)
    trace_step(SEEN)
    if event["fails"]:
        raise ValueError("as told")
    return {"answer": "not for the trace"}

handler = observed(handle, correlation_id_path="id")
handler({"id": "request-7", "fails": %(fails)s}, Context())
"""


def run(*, fails: bool = False, **changes: str) -> list[dict[str, Any]]:
    environment = quiet_environment() | {
        "AWS_LAMBDA_FUNCTION_NAME": "remanence-step",
        "LAMBDA_TASK_ROOT": "/var/task",
        "POWERTOOLS_METRICS_NAMESPACE": "Remanence",
        "POWERTOOLS_SERVICE_NAME": "step",
        "PYTHONPATH": str(REPOSITORY / "layers" / "core"),
        **changes,
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % {"fails": fails}],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_observed_handler_logs_our_own_loggers_as_json_with_the_correlation_id() -> None:
    (line,) = [line for line in run() if line.get("message") == "said by the engine"]

    assert line["correlation_id"] == "request-7"
    assert line["function_request_id"] == "request-1"
    assert line["service"] == "step"


def test_observed_handler_emits_its_metrics_and_the_cold_start() -> None:
    metrics = [line for line in run() if "_aws" in line]

    assert [line.get("ColdStart") for line in metrics] == [[1.0], None]
    assert metrics[1]["BellsAnswered"] == [2.0]
    assert metrics[1]["HandlerMs"][0] > 0


def test_committed_step_is_one_line_and_its_metrics() -> None:
    lines = run()

    (line,) = [line for line in lines if line.get("message") == "step"]
    assert (line["run_id"], line["cache_share"], line["stop_reason"]) == ("run-1", 0.75, "end_turn")
    assert line["correlation_id"] == "request-7"
    assert {"step_id", "agent_id", "org_id", "round_trips", "db_ms", "model_ms"} <= set(line)
    assert "error_type" not in line
    metrics = [line for line in lines if "_aws" in line][-1]
    assert (metrics["Steps"], metrics["StepErrors"], metrics["PromptTokens"]) == ([1], [0], [80])
    assert metrics["StepMs"] == [910.0]


def test_observed_handler_that_fails_still_emits_its_metrics() -> None:
    assert any("HandlerMs" in line for line in run(fails=True))


@pytest.mark.parametrize("fails", [False, True])
def test_observed_handler_sends_a_segment_without_the_answer(fails: bool) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(5)
        run(
            fails=fails,
            AWS_XRAY_DAEMON_ADDRESS=f"127.0.0.1:{daemon.getsockname()[1]}",
            _X_AMZN_TRACE_ID="Root=1-67456f00-0123456789abcdef01234567;"
            "Parent=0123456789abcdef;Sampled=1",
        )
        sent = [daemon.recv(65_000).partition(b"\n") for _ in range(2)]

    # Below Lambda's own segment each part is sent when it ends, the inner one first.
    part, segment = (json.loads(content) for _, _, content in sent)
    assert all(json.loads(header)["format"] == "json" for header, _, _ in sent)
    assert segment["trace_id"] == "1-67456f00-0123456789abcdef01234567"
    assert segment["name"] == "## invocation"
    assert segment["annotations"]["ColdStart"] is True
    assert segment.get("fault", False) is fails
    assert "not for the trace" not in str(sent)
    assert (part["name"], part["parent_id"]) == ("## model", segment["id"])
    assert part["end_time"] - part["start_time"] == pytest.approx(1.0)
