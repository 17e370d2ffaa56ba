"""Doorbells over an SQS FIFO queue: how the next step is started on Lambda.

Edge. A bell carries ids only. Bells of one conversation form a message group, so that its steps
come one after the other; the database, not the queue, holds what there is to do. So a bell that
cannot be rung is logged and forgotten: the sweep rings for whatever is left hanging.
"""

from __future__ import annotations

import json
import logging
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

# The message attribute that carries the id of the request.
CORRELATION = "correlation_id"

_log = logging.getLogger(__name__)


class SqsDispatcher:
    """Rings by a message in the queue."""

    def __init__(self, queue_url: str, *, correlation_id: Callable[[], str] = str) -> None:
        self._queue_url = queue_url
        self._correlation_id = correlation_id

    def ring(self, org_id: str, conversation_id: str, run_id: str) -> None:
        """Ask for a step of the conversation soon."""
        bell = {"org_id": org_id, "conversation_id": conversation_id, "run_id": run_id}
        try:
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=json.dumps(bell),
                MessageGroupId=conversation_id,
                # Never by content: all bells of a run look alike, and SQS would drop the second
                # one within five minutes.
                MessageDeduplicationId=token_hex(16),
                MessageAttributes=self._marks(),
            )
        except self._failures:
            _log.exception("no bell for %s of %s: the sweep will ring", run_id, conversation_id)

    def postpone(self, receipt_handle: str, pause_s: int) -> None:
        """Hide a received bell, and those behind it in its group, for `pause_s` seconds.

        FIFO queues refuse a delay when sending; this is their way to back off. If it fails, the
        bell comes back later by itself.
        """
        try:
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=pause_s
            )
        except self._failures:
            _log.exception("a bell keeps the queue's own pause")

    def _marks(self) -> dict[str, MessageAttributeValueTypeDef]:
        """The id of the request that rings, so that its steps are found by it."""
        mark = self._correlation_id()
        return {CORRELATION: {"DataType": "String", "StringValue": mark}} if mark else {}

    @cached_property
    def _client(self) -> SQSClient:
        import boto3  # noqa: PLC0415  0.2 s of CPU, only for those who ring
        from botocore.config import Config  # noqa: PLC0415

        # Stubs of the services we do not use are not installed, so its type is part unknown.
        return boto3.client(  # pyright: ignore[reportUnknownMemberType]
            "sqs",
            config=Config(
                connect_timeout=2,
                read_timeout=5,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
        )

    @cached_property
    def _failures(self) -> tuple[type[Exception], ...]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        return BotoCoreError, ClientError
