"""Migrations as a step of a CloudFormation deployment, or by hand.

Edge: functions/migrate -> here -> db.migrate. A custom resource has to answer by a PUT to the
URL in its event, whatever happens: a stack that gets no answer waits for an hour.
"""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from aws_lambda_powertools import Logger

from remanence.aws.observe import count
from remanence.errors import AppError, SchemaNewer

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

# Of a digest that tells one release from another; a version's description takes 256 characters.
RELEASE_CHARS = 16
# What is kept of the function's time to say that it was not enough; killed, it says nothing.
TELL_S = 20.0
TOO_LONG = (
    "the migrations take longer than a function may run; those that are done stay, and no function "
    "was changed: run `remanence migrate` with the URL of migrations by hand, then deploy again"
)
# CloudFormation takes an answer of at most 4 KB.
REASON_CHARS = 1000
ANSWER_TIMEOUT_S = 10


def migrate_for(
    event: dict[str, Any], context: LambdaContext, *, migrate: Callable[[], list[str]]
) -> dict[str, Any]:
    """Apply pending migrations for an event by hand (any) or of a custom resource.

    Args:
        event: a custom resource's event has `RequestType` and `ResponseURL`.
        context: Lambda's.
        migrate: applies what is pending, and returns the names of what it applied.

    Returns:
        `{"applied": [...]}`; for a custom resource the answer that was sent.

    Raises:
        AppError: a migration failed, and the event came by hand.
    """
    if "ResponseURL" not in event:
        return {"applied": _migrate(migrate)}
    answers = _Answers(event["ResponseURL"])
    too_long = _success(event) | {"Status": "FAILED", "Reason": TOO_LONG}
    left_s = context.get_remaining_time_in_millis() / 1000 - TELL_S
    late = threading.Timer(left_s, answers.send, [too_long])
    late.daemon = True
    late.start()
    try:
        answer = _answer(event, context, migrate)
    finally:
        late.cancel()
    answers.send(answer)
    return answer


class _Answers:
    """To one event: the first that is sent is the only one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._is_sent = False

    def send(self, answer: dict[str, Any]) -> None:
        with self._lock:
            if not self._is_sent:
                _send(self._url, answer)
                self._is_sent = True


def _success(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "Status": "SUCCESS",
        "PhysicalResourceId": event.get("PhysicalResourceId", "remanence-schema"),
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Release": release_of(event["ResourceProperties"])},
    }


def _answer(
    event: dict[str, Any], context: LambdaContext, migrate: Callable[[], list[str]]
) -> dict[str, Any]:
    answer = _success(event)
    if event["RequestType"] == "Delete":
        return answer | {"Reason": "the schema and its data stay where they are"}
    try:
        applied = _migrate(migrate)
    except SchemaNewer as exc:
        # A deployment that failed further on is being taken back. Migrations only expand, so the
        # version of before lives with what that deployment has left; refusing would leave the
        # stack in between.
        is_going_back = event["RequestType"] == "Update"
        Logger().warning("the schema is newer than this code", extra={"stays": is_going_back})
        return answer | {"Status": "SUCCESS" if is_going_back else "FAILED", "Reason": exc.message}
    except Exception as exc:  # noqa: BLE001  whatever it is, the stack waits for an answer
        Logger().exception("migration failed")
        return answer | {"Status": "FAILED", "Reason": _reason(exc, context)}
    answer["Data"]["Applied"] = ",".join(applied)
    return answer


def release_of(properties: dict[str, Any]) -> str:
    """A digest of what is deployed: layers and settings. Functions publish when it changes."""
    told = {name: value for name, value in properties.items() if not name.startswith("Service")}
    text = json.dumps(told, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:RELEASE_CHARS]


def _migrate(migrate: Callable[[], list[str]]) -> list[str]:
    applied = migrate()
    count("MigrationsApplied", len(applied))
    Logger().info("migrated", extra={"applied": applied})
    return applied


def _reason(exc: Exception, context: LambdaContext) -> str:
    # Only our own errors are known to hold no secret.
    what = str(exc) if isinstance(exc, AppError) else type(exc).__name__
    return f"{what[:REASON_CHARS]} (log stream {context.log_stream_name})"


def _send(url: str, answer: dict[str, Any]) -> None:
    # The URL is signed without a content type, and urllib would add one of its own.
    request = Request(  # noqa: S310  CloudFormation's own URL
        url, data=json.dumps(answer).encode(), headers={"Content-Type": ""}, method="PUT"
    )
    with urlopen(request, timeout=ANSWER_TIMEOUT_S):  # noqa: S310
        pass
