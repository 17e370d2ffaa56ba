"""Answering doorbells: an SQS FIFO event in, one step of a conversation for each record.

Edge, the first hop of the background path: functions/step -> here -> engine. A bell carries ids
only and promises nothing: the engine looks into the database for what there is to do, so a
lost, doubled or late bell is harmless.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    SqsFifoPartialProcessor,
    process_partial_response,  # pyright: ignore[reportUnknownVariableType]  untyped handler
)

from remanence.aws.limits import deadline_of
from remanence.aws.observe import count
from remanence.correlation import correlation_id, set_correlation_id
from remanence.dispatch.sqs import CORRELATION
from remanence.errors import InvalidRequest, LeaseLost

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# A failed bell is heard again after 5 s, 10 s, 20 s ...: long before the queue would show it.
FIRST_PAUSE_S = 5
LONGEST_PAUSE_S = 300


class Advance(Protocol):
    """Takes a conversation one step further."""

    def __call__(self, org_id: str, conversation_id: str, *, deadline: float) -> bool:
        """True when there is more to do, and the next bell has been rung.

        `deadline` is in seconds of `time.monotonic`.
        """
        ...


class Postpone(Protocol):
    """Hides a received message for a while."""

    def __call__(self, receipt_handle: str, pause_s: int, /) -> None:
        """`receipt_handle` is the one this receive gave."""
        ...


def answer_bells(
    event: dict[str, Any], context: LambdaContext, *, advance: Advance, postpone: Postpone
) -> PartialItemFailureResponse:
    """Advance each conversation that was rung for, and report the bells that failed.

    A failed record fails those after it (FIFO), is postponed, and comes again until the queue
    gives it to the dead-letter queue.
    """
    logger = Logger()

    def answer(record: SQSRecord) -> bool:
        try:
            return _answer(record, context, advance)
        except Exception:  # logged here, where the ids are known; the processor reports it
            attempt = int(record.attributes.approximate_receive_count or 1)
            logger.exception("bell failed", extra={"attempt": attempt})
            count("BellsFailed")
            postpone(record.receipt_handle, pause_after(attempt))
            raise

    processor = SqsFifoPartialProcessor()
    # One record is a whole batch: raising would hide which one failed.
    processor.raise_on_entire_batch_failure = False
    return process_partial_response(event, answer, processor, context)


def pause_after(attempt: int) -> int:
    """Seconds until a bell that failed `attempt` times is heard again."""
    return int(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1)))


def _answer(record: SQSRecord, context: LambdaContext, advance: Advance) -> bool:
    logger = Logger()
    _correlate(record, logger)
    org_id, conversation_id, run_id = _read(record.body)
    logger.append_keys(conversation_id=conversation_id, run_id=run_id)
    try:
        has_more = advance(org_id, conversation_id, deadline=deadline_of(context))
    except LeaseLost:  # somebody else is at it, and will ring
        has_more = False
    count("BellsAnswered")
    logger.info("bell answered", extra={"has_more": has_more})
    return has_more


def _correlate(record: SQSRecord, logger: Logger) -> None:
    """Go on under the id of the request that rang first."""
    mark = record.message_attributes[CORRELATION]
    set_correlation_id((mark.string_value or "") if mark else "")
    if correlation_id():
        logger.set_correlation_id(correlation_id())


def _read(body: str) -> tuple[str, str, str]:
    try:
        bell = json.loads(body)
        return bell["org_id"], bell["conversation_id"], bell["run_id"]
    except (ValueError, TypeError, KeyError) as exc:
        message = "a bell is a JSON object with org_id, conversation_id and run_id"
        raise InvalidRequest(message, field="body") from exc
