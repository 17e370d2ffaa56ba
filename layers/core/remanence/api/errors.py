"""Errors as HTTP answers: the only place that knows both.

Every answer is `{"detail": <text>}`, but a model provider's failure, which is `{"error": ...}`,
and a refusal because tool calls wait for an approval or others edited the same, whose detail is
an object.
The SDKs send a request again after 408, 409, 429 and 5xx unless `x-should-retry: false` forbids
it; it is forbidden where the same request cannot succeed, or was stored and would be stored twice.
"""

import json
import logging
import math
import re
import traceback
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware

from remanence.errors import (
    AgentBusy,
    AppError,
    EditConflict,
    InvalidRequest,
    NotAuthenticated,
    PendingApproval,
    ProviderError,
    ProviderRateLimited,
    StoreError,
)

logger = logging.getLogger("remanence.api")

# More says less: the first few wrong fields are what a reader can mend at once.
_MAX_PROBLEMS = 5
# What clients made for OpenAI ask: they read {"error": {"message", "type", "param", "code"}}.
_OPENAI_PATHS = ("/v1/chat/completions", "/v1/responses")
_KEPT_HEADERS = ("x-should-retry", "retry-after", "www-authenticate", "allow")
_RETRIED_BY_SDK = frozenset({408, 409, 429})


def install_error_handlers(app: FastAPI) -> None:
    """Translate everything a route, a dependency or the gate raises."""
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    # A middleware of its own and not a handler of the application: that one answers too, but
    # raises the exception once more afterwards, and the server logs it with what it holds.
    app.add_middleware(ExceptionMiddleware, handlers={AppError: _on_app, Exception: _on_unknown})


def answer_to(exc: AppError) -> JSONResponse:
    """The answer for an error raised on purpose."""
    headers: dict[str, str] = {}
    retried = exc.http_status in _RETRIED_BY_SDK or exc.http_status >= 500
    # What failed at a provider is a run whose input is stored: sent again, it is stored twice.
    if retried and (not exc.retryable or isinstance(exc, ProviderError)):
        headers["x-should-retry"] = "false"
    wait_s = getattr(exc, "retry_after_s", None)
    if wait_s is not None:
        headers["retry-after"] = str(math.ceil(wait_s))
    if isinstance(exc, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(_body_of(exc), status_code=exc.http_status, headers=headers)


def _body_of(exc: AppError) -> dict[str, Any]:
    if isinstance(exc, ProviderError):
        return {"error": {"type": exc.code, "message": exc.message, "detail": exc.message}}
    if isinstance(exc, StoreError):
        # Its message may name a host or a column: it is for the log.
        return {"detail": "The database is not available now; try again later"}
    if isinstance(exc, PendingApproval):
        return {
            "detail": {
                "code": exc.code,
                "message": exc.message,
                "pending_request_id": exc.pending_request_id,
            }
        }
    if isinstance(exc, EditConflict):
        return {
            "detail": {
                "code": exc.code,
                "message": exc.message,
                "yours": exc.yours,
                "current": exc.current,
                "current_version": exc.version,
            }
        }
    body: dict[str, Any] = {"detail": exc.message}
    if isinstance(exc, AgentBusy) and exc.run_id is not None:
        body["run_id"] = exc.run_id
    return body


async def _on_app(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AppError)  # noqa: S101  what it is registered for
    if isinstance(exc, StoreError):
        # What Postgres puts in quotes may be a value that somebody sent.
        reason = re.sub(r'"[^"]*"', '"..."', exc.message)
        logger.error("%s %s: %s: %s", request.method, _route_of(request), exc.code, reason)
        if not exc.retryable:
            return _spoken_as_asked(request, _unknown_error(), exc.code)
    elif not isinstance(exc, ProviderRateLimited) and exc.http_status >= 500:
        logger.warning("%s %s: %s", request.method, _route_of(request), exc.code)
    return _spoken_as_asked(request, answer_to(exc), exc.code)


def _spoken_as_asked(request: Request, answer: JSONResponse, code: str) -> JSONResponse:
    """The answer; to a client made for OpenAI, in the shape that it reads."""
    if not request.url.path.startswith(_OPENAI_PATHS):
        return answer
    return openai_shaped(answer, code)


def openai_shaped(answer: JSONResponse, code: str) -> JSONResponse:
    """The same answer in the shape that clients made for OpenAI read."""
    body: dict[str, Any] = json.loads(bytes(answer.body))
    headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
    detail = body["error"] if "error" in body else body["detail"]
    message = detail if isinstance(detail, str) else detail["message"]
    error = {"message": message, "type": code, "param": None, "code": code}
    return JSONResponse({"error": error}, status_code=answer.status_code, headers=headers)


async def _on_unknown(request: Request, exc: Exception) -> Response:
    """A fault of ours. Logged without its message, which may hold what a user said."""
    frames = traceback.extract_tb(exc.__traceback__)[-12:]
    logger.error(
        "%s %s: %s at %s",
        request.method,
        _route_of(request),
        type(exc).__name__,
        " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames)),
    )
    return _spoken_as_asked(request, _unknown_error(), "unknown_error")


def _unknown_error() -> JSONResponse:
    body = {"detail": "An unknown error occurred"}
    return JSONResponse(body, status_code=500, headers={"x-should-retry": "false"})


def _route_of(request: Request) -> str:
    """The path with its ids left out, if a route was found."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "(no route)"))


async def _on_http(request: Request, exc: Exception) -> Response:
    """What the framework raises: no such path, or no such method of it."""
    assert isinstance(exc, HTTPException)  # noqa: S101  what it is registered for
    detail = exc.detail
    if exc.status_code in {404, 405}:
        detail = f"{request.method} {request.url.path} is not served here: {detail}"
    answer = JSONResponse({"detail": detail}, status_code=exc.status_code, headers=exc.headers)
    return _spoken_as_asked(request, answer, "not_found" if exc.status_code == 404 else "refused")


async def _on_validation(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  what it is registered for
    answer = JSONResponse({"detail": sentence_of(exc.errors())}, status_code=422)
    return _spoken_as_asked(request, answer, InvalidRequest.code)


def sentence_of(problems: Sequence[Any]) -> str:
    """What is wrong with a request, each field named; what was sent is not repeated."""
    said = [_problem(problem) for problem in problems[:_MAX_PROBLEMS]]
    more = len(problems) - len(said)
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def _problem(problem: dict[str, Any]) -> str:
    kind = problem["type"]
    if kind == "json_invalid":
        reason = problem.get("ctx", {}).get("error", "")
        return f"the body is not valid JSON: {reason} at character {problem['loc'][-1]}"
    where, *path = problem["loc"]
    name = _field_name(path)
    place = {"body": "", "path": " in the path", "query": " in the query"}.get(
        where, f" in {where}"
    )
    if not name:
        return "a JSON object is required as the body (with content-type application/json)"
    if kind == "missing":
        return f"{name}{place} is required"
    text = str(problem["msg"])
    return f"{name}{place}: {text[:1].lower()}{text[1:]}"


def _field_name(path: Sequence[str | int]) -> str:
    """`("memory_blocks", 0, "limit")` as `memory_blocks[0].limit`."""
    name = ""
    for key in path:
        name += f"[{key}]" if isinstance(key, int) else f".{key}" if name else key
    return name
