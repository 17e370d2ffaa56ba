"""The scheduled sweep, as a Lambda invocation.

Edge: functions/compact -> here -> engine.compact.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from aws_lambda_powertools import Logger

from remanence.aws.limits import deadline_of
from remanence.aws.observe import count

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from remanence.engine.sweep import SweepReport


class Sweep(Protocol):
    """Looks once at everything that is due."""

    def __call__(self, *, deadline: float) -> SweepReport:
        """`deadline` is in seconds of `time.monotonic`; nothing new is begun after it."""
        ...


def sweep_for(context: LambdaContext, *, sweep: Sweep) -> dict[str, int]:
    """Sweep within the time of this invocation; the counts are metrics, log and answer."""
    counts: dict[str, int] = asdict(sweep(deadline=deadline_of(context)))
    for name, value in counts.items():
        count(f"Sweep{name.title()}", value)
    Logger().info("swept", extra=counts)
    return counts
