"""How long an invocation may still work."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What is kept of a function's time to commit, ring again, write logs and answer.
MARGIN_S = 10.0


def deadline_of(context: LambdaContext) -> float:
    """When to be done, in seconds of `time.monotonic`: a margin before Lambda kills us."""
    return monotonic() + context.get_remaining_time_in_millis() / 1000 - MARGIN_S
