"""Doorbells as the real boto3 client sends them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.loopback_aws import LoopbackAws

from remanence.dispatch.sqs import CORRELATION, SqsDispatcher

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Generator[LoopbackAws]:
    with LoopbackAws.started() as started:
        for name, value in started.environment().items():
            monkeypatch.setenv(name, value)
        yield started


def test_ring_sends_ids_only_in_the_group_of_the_conversation(aws: LoopbackAws) -> None:
    SqsDispatcher(aws.queue_url).ring("org-1", "conv-1", "run-1")

    (message,) = aws.messages
    assert message["QueueUrl"] == aws.queue_url
    assert message["MessageGroupId"] == "conv-1"
    assert json.loads(message["MessageBody"]) == {
        "org_id": "org-1",
        "conversation_id": "conv-1",
        "run_id": "run-1",
    }


def test_ring_carries_the_id_of_the_request(aws: LoopbackAws) -> None:
    SqsDispatcher(aws.queue_url, correlation_id=lambda: "request-7").ring("org-1", "c", "run-1")

    (message,) = aws.messages
    assert message["MessageAttributes"][CORRELATION]["StringValue"] == "request-7"


def test_ring_twice_is_never_taken_for_a_duplicate(aws: LoopbackAws) -> None:
    dispatcher = SqsDispatcher(aws.queue_url)

    dispatcher.ring("org-1", "conv-1", "run-1")
    dispatcher.ring("org-1", "conv-1", "run-1")

    first, second = aws.messages
    assert first["MessageDeduplicationId"] != second["MessageDeduplicationId"]


def test_ring_at_a_queue_that_refuses_is_logged_and_harmless(
    aws: LoopbackAws, caplog: pytest.LogCaptureFixture
) -> None:
    aws.failures = [(400, "AccessDenied")]

    SqsDispatcher(aws.queue_url).ring("org-1", "conv-1", "run-1")

    assert aws.messages == []
    assert "no bell for run-1 of conv-1" in caplog.text


def test_postpone_hides_the_received_message(aws: LoopbackAws) -> None:
    SqsDispatcher(aws.queue_url).postpone("receipt", 20)

    assert aws.postponed == [
        {"QueueUrl": aws.queue_url, "ReceiptHandle": "receipt", "VisibilityTimeout": 20}
    ]
