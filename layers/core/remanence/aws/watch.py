"""Committed steps as AWS reads them: a log line, EMF metrics, and spans of the trace.

Edge: engine.settle -> here. Ids, counts and times only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:
    from remanence.engine.watch import StepSeen

# Metrics of a step, by the field they are made of.
COUNTS = {
    "PromptTokens": "prompt_tokens",
    "CachedTokens": "cached_tokens",
    "CompletionTokens": "completion_tokens",
    "RoundTrips": "round_trips",
}
TIMES = {"StepMs": "step_ms", "ModelMs": "model_ms", "DbMs": "db_ms"}


def watch_step(seen: StepSeen) -> None:
    """The log line and the metrics."""
    Logger().info("step", extra=seen.fields())
    metrics = Metrics()
    metrics.add_metric("Steps", MetricUnit.Count, 1)
    metrics.add_metric("StepErrors", MetricUnit.Count, 1 if seen.error_type else 0)
    for name, field in COUNTS.items():
        metrics.add_metric(name, MetricUnit.Count, getattr(seen, field))
    for name, field in TIMES.items():
        metrics.add_metric(name, MetricUnit.Milliseconds, getattr(seen, field))


def trace_step(seen: StepSeen) -> None:
    """The same, and spans below the segment of the invocation, in whose thread this is called."""
    watch_step(seen)
    tracer = Tracer(auto_patch=False)
    if tracer.disabled:
        return
    recorder: Any = tracer.provider  # the X-Ray SDK, which has no types
    now = time.time()  # noqa: TID251  X-Ray counts in seconds since 1970
    for span in seen.spans:
        part = recorder.begin_subsegment(f"## {span.name}")
        part.start_time = now - (seen.ended_ns - span.began_ns) / 1e9
        recorder.end_subsegment(end_time=now - (seen.ended_ns - span.ended_ns) / 1e9)
