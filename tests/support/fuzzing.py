"""Requests made from the OpenAPI document, sent to a running server, and judged by the document.

Nothing is raised while it goes: every fault is noted once, so one run shows all of them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.server import MODEL, new_id

if TYPE_CHECKING:
    from support.server import Server

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# What an operation says of a part of it that is not served.
NOT_SERVED = 501
TIMEOUT_S = 30.0
_ANY_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(slots=True)
class Report:
    """What was sent, what came back, and each fault with one example."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    faults: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, label: str, fault: str, example: str) -> None:
        self.faults.setdefault((label, _ANY_ID.sub("<id>", fault)[:120]), example[:600])

    def __str__(self) -> str:
        lines = [f"{self.requests} requests: {dict(sorted(self.statuses.items()))}"]
        lines += [f"- {label}: {fault}\n    {text}" for (label, fault), text in self.faults.items()]
        return "\n".join(lines)


def fuzz(server: Server, *, examples: int, random_seed: int, only: str = "") -> Report:
    """Send `examples` requests to each operation of the document that contains `only`."""
    document = httpx.get(f"{server.base_url}/openapi.json", timeout=TIMEOUT_S).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=server.base_url)
    report = Report()
    with httpx.Client(timeout=TIMEOUT_S) as client:
        for result in schema.get_all_operations():
            operation = result.ok()
            if only in operation.label:
                _fuzz_operation(operation, client, server, report, examples, random_seed)
    return report


def _fuzz_operation(
    operation: Any, client: httpx.Client, server: Server, report: Report, examples: int, number: int
) -> None:
    ids = _things(client, server.base_url)

    @seed(number)
    @settings(
        max_examples=examples,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), real=st.integers(0, 3))
    def send(case: Any, real: int) -> None:
        if real:  # mostly ids that exist: a malformed one is refused before anything happens
            for name in case.path_parameters or {}:
                case.path_parameters[name] = ids.get(name, case.path_parameters[name])
            if isinstance(case.body, dict):
                case.body |= {key: ids[key] for key in case.body.keys() & ids.keys()}
                if "model" in case.body:
                    case.body["model"] = ids["agent_id"] if "openai" in operation.tags else MODEL
        _send(case, operation.label, report)

    send()


def _send(case: Any, label: str, report: Report) -> None:
    report.requests += 1
    try:
        response = case.call(timeout=TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  a server that does not answer is a fault too
        report.note(label, f"no answer: {type(error).__name__}: {error}", repr(case.body))
        return
    report.statuses[response.status_code] += 1
    expected = response.status_code == NOT_SERVED
    for check in CHECKS[1:] if expected else CHECKS:
        try:
            case.validate_response(response, checks=[check])
        except AssertionError as error:
            _note(error, case, label, report, response)
        except BaseExceptionGroup as group:
            for error in group.exceptions:
                _note(error, case, label, report, response)


def _note(error: BaseException, case: Any, label: str, report: Report, response: Any) -> None:
    first = " ".join(str(error).split())
    sent = f"{case.path_parameters} {case.query} {case.body!r}"
    report.note(label, f"{response.status_code} {first[:120]}", f"{first}\n    {sent}")


def _things(client: httpx.Client, base_url: str) -> dict[str, str]:
    """One of everything, made for this operation: another one may have deleted the last."""

    def made(path: str, **body: Any) -> Any:
        answer = client.post(f"{base_url}{path}", json=body)
        answer.raise_for_status()
        return answer.json()

    agent_id = made(
        "/v1/agents/", model=MODEL, memory_blocks=[{"label": "human", "value": "Name: Bob"}]
    )["id"]
    said = made(f"/v1/agents/{agent_id}/messages", input="hello")
    archive_id = made("/v1/archives/", name="papers")["id"]
    run_id = client.get(f"{base_url}/v1/runs/?agent_id={agent_id}").json()[0]["id"]
    return {
        "agent_id": agent_id,
        "archive_id": archive_id,
        "passage_id": made(f"/v1/archives/{archive_id}/passages", text="Bob likes tea.")["id"],
        "memory_id": new_id("passage"),
        "block_id": made("/v1/blocks/", label="pets", value="cat")["id"],
        "block_label": "human",
        "conversation_id": made(f"/v1/conversations/?agent_id={agent_id}")["id"],
        "message_id": said["messages"][0]["id"],
        "run_id": run_id,
        "step_id": client.get(f"{base_url}/v1/runs/{run_id}/steps").json()[0]["id"],
        "tool_id": client.get(f"{base_url}/v1/tools/").json()[0]["id"],
        "tool_name": "memory_insert",
    }
