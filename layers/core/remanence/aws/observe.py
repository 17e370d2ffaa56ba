"""Logs, metrics and traces around what Lambda calls, by Powertools.

Edge, wrapped around every handler of `functions/`. Names and levels come from the POWERTOOLS_*
variables of template.yaml, which Powertools reads by itself. Neither event nor answer is logged
or traced, ever: they hold what people said.
"""

from __future__ import annotations

import logging
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    Event = dict[str, Any]
    Handler = Callable[[Event, LambdaContext], object]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


def observed(handler: Handler, *, correlation_id_path: str = "", traced: bool = False) -> Handler:
    """`handler` with structured logs, its duration as a metric, and cold starts counted.

    Args:
        handler: takes the event and the Lambda context.
        correlation_id_path: JMESPath of the id in the event that all log lines carry.
        traced: whether to open an X-Ray subsegment. The X-Ray SDK makes a botocore client when it
            is imported, as much CPU as FastAPI (0.2 s; tests/perf/cold_import.py), so functions
            somebody waits for are left to the segment that Lambda itself writes.
    """
    logger, metrics = start_logging(), Metrics()

    def invocation(event: Event, context: LambdaContext) -> object:  # the subsegment's name
        started = perf_counter()
        try:
            return handler(event, context)
        finally:
            _add_ms(metrics, "HandlerMs", started)

    wrapped: Handler = metrics.log_metrics(invocation, capture_cold_start_metric=True)
    if traced:
        wrapped = _traced(wrapped)
    return logger.inject_lambda_context(
        wrapped, correlation_id_path=correlation_id_path or None, clear_state=True
    )


def observed_asgi(app: AsgiApp) -> AsgiApp:
    """`app` with one log line a request, and its time to the first byte and to the last."""
    logger, metrics = start_logging(), Metrics()

    async def observe(scope: Message, receive: Receive, send: Send) -> None:
        started, seen = perf_counter(), {"status": 500}

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
            fields = {"method": scope["method"], "path": scope["path"], "status": seen["status"]}
            logger.info("answered", extra=fields)

    async def dispatch(scope: Message, receive: Receive, send: Send) -> None:
        await (observe if scope["type"] == "http" else app)(scope, receive, send)

    return dispatch


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


def _traced(handler: Handler) -> Handler:
    from aws_lambda_powertools import Tracer  # noqa: PLC0415  not paid by who is not traced

    traced: Handler = Tracer(auto_patch=False).capture_lambda_handler(
        handler, capture_response=False
    )
    return traced
