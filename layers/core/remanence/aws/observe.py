"""Logs, metrics and traces around what Lambda calls, by Powertools.

Edge, wrapped around every handler of `functions/`. Names and levels come from the POWERTOOLS_*
variables of template.yaml, which Powertools reads by itself. Neither event nor answer is logged
or traced, ever: they hold what people said.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

from remanence.adapter import REQUEST_CONTEXT, believed
from remanence.correlation import set_correlation_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    Event = dict[str, Any]
    Handler = Callable[[Event, LambdaContext], object]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


def observed(handler: Handler, *, correlation_id_path: str = "") -> Handler:
    """`handler` with structured logs, its duration as a metric, and a trace segment.

    Args:
        handler: takes the event and the Lambda context.
        correlation_id_path: JMESPath of the id in the event that all log lines carry.
    """
    logger, metrics = start_logging(), Metrics()
    # What could be patched are clients we do not have; looking for them costs imports. In Lambda
    # the X-Ray SDK itself is 0.04 s of CPU (elsewhere it makes a botocore client: 0.2 s).
    tracer = Tracer(auto_patch=False)

    def invocation(event: Event, context: LambdaContext) -> object:  # the segment's name
        started = perf_counter()
        set_correlation_id(logger.get_correlation_id() or "")
        try:
            return handler(event, context)
        finally:
            _add_ms(metrics, "HandlerMs", started)

    metered = metrics.log_metrics(invocation, capture_cold_start_metric=True)
    traced: Handler = tracer.capture_lambda_handler(metered, capture_response=False)
    return logger.inject_lambda_context(
        traced, correlation_id_path=correlation_id_path or None, clear_state=True
    )


def observed_asgi(app: AsgiApp, *, is_adapted: bool) -> AsgiApp:
    """`app` with one log line a request, and its time to the first byte and to the last.

    `is_adapted`: requests come through the Lambda Web Adapter. Headers that are its own to set
    reach neither log nor `app` unless it set them.
    """
    logger, metrics = start_logging(), Metrics()

    async def observe(scope: Message, receive: Receive, send: Send) -> None:
        started, seen = perf_counter(), {"status": 500}
        scope = {**scope, "headers": believed(scope["headers"], is_adapted=is_adapted)}
        asked = _asked(scope)
        set_correlation_id(asked.get("correlation_id", ""))

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
            elif "first" not in seen:
                seen["first"] = 1
                _add_ms(metrics, "FirstByteMs", started)
            await send(message)

        try:
            await app(scope, receive, send_on)
        finally:
            _add_ms(metrics, "HandlerMs", started)
            metrics.flush_metrics()
            logger.info("answered", extra=asked | {"status": seen["status"]})

    async def dispatch(scope: Message, receive: Receive, send: Send) -> None:
        await (observe if scope["type"] == "http" else app)(scope, receive, send)

    return dispatch


def _asked(scope: Message) -> dict[str, str]:
    """What a log line says of a request.

    Behind the Lambda Web Adapter the trace id and API Gateway's request id come as headers.
    """
    headers = dict(scope["headers"])
    trace_id = headers.get(b"x-amzn-trace-id", b"").decode("latin-1").partition(";")[0]
    asked = {"method": scope["method"], "path": scope["path"]}
    if trace_id:
        asked["trace_id"] = trace_id.removeprefix("Root=")
    with suppress(ValueError, KeyError, TypeError):
        asked["correlation_id"] = str(json.loads(headers[REQUEST_CONTEXT.encode()])["requestId"])
    return asked


def start_logging() -> Logger:
    """The JSON logger; our own loggers and the web server's speak through it too."""
    logger = Logger()
    for name in ("remanence", "uvicorn"):
        logging.getLogger(name).propagate = False  # the runtime's root handler would repeat it
    copy_config_to_registered_loggers(logger, include={"remanence"})
    # The server keeps its own level: run.sh tells it to speak of problems only.
    copy_config_to_registered_loggers(logger, include={"uvicorn"}, ignore_log_level=True)
    return logger


def count(name: str, value: float = 1) -> None:
    """Add to a metric of this invocation."""
    Metrics().add_metric(name, MetricUnit.Count, value)


def _add_ms(metrics: Metrics, name: str, started: float) -> None:
    metrics.add_metric(name, MetricUnit.Milliseconds, (perf_counter() - started) * 1000)
