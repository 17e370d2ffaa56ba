"""Doorbells in, steps out; the engine is a list of what was asked of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest
from aws_lambda_powertools import Logger
from support.lambda_world import a_bell, an_event

from remanence.aws.bells import answer_bells, pause_after
from remanence.correlation import correlation_id
from remanence.dispatch.sqs import CORRELATION
from remanence.errors import LeaseLost, StoreUnavailable

BELL = {"org_id": "org-1", "conversation_id": "conv-1", "run_id": "run-1"}


class Context:
    """What a handler asks of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@dataclass
class Work:
    """An engine that fails as told, and the queue's side of it."""

    failure: Exception | None = None
    asked: list[tuple[str, str, float]] = field(default_factory=list)
    postponed: list[tuple[str, int]] = field(default_factory=list)

    def advance(self, org_id: str, conversation_id: str, *, deadline: float) -> bool:
        self.asked.append((org_id, conversation_id, deadline))
        if self.failure:
            raise self.failure
        return True

    def postpone(self, receipt_handle: str, pause_s: int, /) -> None:
        self.postponed.append((receipt_handle, pause_s))

    def answer(self, event: dict[str, object]) -> object:
        return answer_bells(event, Context(), advance=self.advance, postpone=self.postpone)


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "step")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Remanence")


def test_bell_advances_its_conversation_within_the_time_that_is_left() -> None:
    work = Work()

    answer = work.answer(a_bell(BELL))

    assert answer == {"batchItemFailures": []}
    ((org_id, conversation_id, deadline),) = work.asked
    assert (org_id, conversation_id) == ("org-1", "conv-1")
    assert 45 < deadline - time.monotonic() < 55


def test_bell_for_a_conversation_another_worker_has_is_answered() -> None:
    work = Work(failure=LeaseLost("conv-1", "run-1"))

    assert work.answer(a_bell(BELL)) == {"batchItemFailures": []}
    assert work.postponed == []


def test_bell_that_fails_is_reported_and_postponed() -> None:
    work = Work(failure=StoreUnavailable("the database is away"))
    event = a_bell(BELL, attempt=3)
    (record,) = event["Records"]

    answer = work.answer(event)

    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
    assert work.postponed == [(record["receiptHandle"], 20)]


def test_bells_behind_a_failed_one_wait_for_it() -> None:
    work = Work(failure=StoreUnavailable("the database is away"))
    event = an_event("sqs_fifo")
    first = a_bell(BELL)["Records"][0] | {"messageId": "m-1"}
    event["Records"] = [first, first | {"messageId": "m-2"}]

    answer = work.answer(event)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}]}
    assert len(work.asked) == 1


@pytest.mark.parametrize("body", ["rubbish", "[]", '{"org_id": "org-1"}', '"text"'])
def test_bell_that_is_no_bell_is_reported(body: str) -> None:
    work = Work()

    answer = work.answer(a_bell(body))

    assert answer != {"batchItemFailures": []}
    assert work.asked == []


@pytest.mark.parametrize(("attempt", "pause_s"), [(1, 5), (2, 10), (3, 20), (7, 300), (1000, 300)])
def test_pause_after_doubles_up_to_a_limit(attempt: int, pause_s: int) -> None:
    assert pause_after(attempt) == pause_s


def test_bell_goes_on_under_the_id_of_the_request_that_rang() -> None:
    seen: list[str] = []
    logged: list[str | None] = []

    class Noting(Work):
        def advance(self, org_id: str, conversation_id: str, *, deadline: float) -> bool:
            seen.append(correlation_id())
            logged.append(Logger().get_correlation_id())
            return False

    bell = a_bell(BELL)
    attribute = {"dataType": "String", "stringValue": "request-7"}
    bell["Records"][0]["messageAttributes"] = {CORRELATION: attribute}
    Noting().answer(bell)
    Noting().answer(a_bell(BELL))

    assert seen == ["request-7", ""]
    assert logged[0] == "request-7"
