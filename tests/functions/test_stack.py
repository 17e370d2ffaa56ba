"""Migrations for CloudFormation: whatever happens, it gets an answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from support.lambda_world import an_event
from support.loopback_aws import LoopbackAws

from remanence.aws.stack import TELL_S, migrate_for, release_of
from remanence.errors import SchemaMismatch, SchemaNewer

if TYPE_CHECKING:
    from collections.abc import Generator


class Context:
    """What a handler asks of Lambda's context."""

    log_stream_name = "2026/11/25/[1]abc"

    def __init__(self, left_s: float = 300.0) -> None:
        self._left_s = left_s

    def get_remaining_time_in_millis(self) -> int:
        return int(self._left_s * 1000)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Generator[LoopbackAws]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "migrate")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Remanence")
    with LoopbackAws.started() as started:
        yield started


def applied() -> list[str]:
    return ["0001_create_schema", "0002_create_step_functions"]


def refused() -> list[str]:
    raise SchemaMismatch("the database is newer than this code")


def newer() -> list[str]:
    raise SchemaNewer("the database is newer than this code")


def broken() -> list[str]:
    raise RuntimeError("postgresql://owner:s3cret@db.example/postgres")


def migrate(event: dict[str, Any], how: Any) -> dict[str, Any]:
    return migrate_for(event, Context(), migrate=how)


def resource_event(aws: LoopbackAws, **changes: Any) -> dict[str, Any]:
    return an_event("custom_resource", ResponseURL=f"{aws.url}/answer?signed=1", **changes)


def test_migrate_by_hand_answers_what_was_applied() -> None:
    assert migrate({}, applied) == {"applied": applied()}


def test_migrate_by_hand_raises_what_failed() -> None:
    with pytest.raises(SchemaMismatch):
        migrate({}, refused)


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_resource_is_migrated_and_answered(aws: LoopbackAws, kind: str) -> None:
    event = resource_event(aws, RequestType=kind)

    migrate(event, applied)

    (answer,) = aws.stack_answers
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["Applied"] == ",".join(applied())
    assert answer["Data"]["Release"] == release_of(event["ResourceProperties"])
    assert {answer[name] for name in ("StackId", "RequestId", "LogicalResourceId")} == {
        event[name] for name in ("StackId", "RequestId", "LogicalResourceId")
    }


def test_resource_keeps_its_id_so_that_nothing_is_replaced(aws: LoopbackAws) -> None:
    migrate(resource_event(aws, RequestType="Update", PhysicalResourceId="older"), applied)

    assert aws.stack_answers[0]["PhysicalResourceId"] == "older"


def test_deleted_resource_leaves_the_data_alone(aws: LoopbackAws) -> None:
    migrate(resource_event(aws, RequestType="Delete"), broken)

    assert aws.stack_answers[0]["Status"] == "SUCCESS"


def test_failed_migration_fails_the_deployment_with_the_reason(aws: LoopbackAws) -> None:
    migrate(resource_event(aws), refused)

    (answer,) = aws.stack_answers
    assert answer["Status"] == "FAILED"
    assert answer["Reason"].startswith("the database is newer than this code (log stream 2026")


def test_unforeseen_failure_shows_its_kind_and_no_secret(aws: LoopbackAws) -> None:
    migrate(resource_event(aws), broken)

    (answer,) = aws.stack_answers
    assert answer["Status"] == "FAILED"
    assert "RuntimeError" in answer["Reason"]
    assert "s3cret" not in answer["Reason"]


@pytest.mark.parametrize(("kind", "status"), [("Create", "FAILED"), ("Update", "SUCCESS")])
def test_schema_of_a_deployment_that_is_taken_back_stays(
    aws: LoopbackAws, kind: str, status: str
) -> None:
    migrate(resource_event(aws, RequestType=kind), newer)

    (answer,) = aws.stack_answers
    assert (answer["Status"], answer["Reason"]) == (status, "the database is newer than this code")
    assert answer["Data"]["Release"], "the versions of before are published by it"


def test_migration_that_takes_too_long_is_told_while_there_is_time_and_once(
    aws: LoopbackAws,
) -> None:
    told_meanwhile: list[dict[str, Any]] = []

    def slow() -> list[str]:
        give_up = time.monotonic() + 10
        while not aws.stack_answers and time.monotonic() < give_up:
            time.sleep(0.01)
        told_meanwhile.extend(aws.stack_answers)
        return applied()

    migrate_for(resource_event(aws), Context(left_s=TELL_S + 0.1), migrate=slow)

    assert [answer["Status"] for answer in told_meanwhile] == ["FAILED"]
    assert "by hand" in told_meanwhile[0]["Reason"]
    assert aws.stack_answers == told_meanwhile, "what came after it is not told"
