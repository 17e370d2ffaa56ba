"""The gate: what every request passes before a route is looked for.

Path: server -> gate -> FastAPI -> route. It authenticates first, so that nothing of an unknown
caller is read; then it reads the body, within a limit, and refuses text that Postgres cannot
hold, so that no route has to think of either.
"""

import json
import math
import re
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from remanence.api.auth import authenticate
from remanence.core.exchange import JsonValue
from remanence.errors import BodyTooLarge, InvalidRequest

# API Gateway's own limit.
MAX_BODY_BYTES = 10 * 1024 * 1024
# Deeper JSON is an attack on parsers, and Postgres gives up on it.
MAX_JSON_DEPTH = 100

_OPEN_PATHS = frozenset(
    {
        "/v1/health/",
        "/v1/health",
        "/v1/ready/",
        "/v1/ready",
        "/openapi.json",
        "/docs",
        "/docs/docs.css",
        "/docs/docs.js",
    }
)
# Letta's SDKs ask for the same with a slash at the end, and mean another list.
_OPENAI_LIST = "/v1/models"
# A body without any of these needs no second look: the escapes of NUL and of half a character,
# the numbers JSON does not have, and brackets enough to be deep.
_SUSPECT = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|NaN|Infinity|[eE]\+?\d{3}")


class Gate:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, *, api_key: str | None, collections: Iterable[str]) -> None:
        self._app = app
        self._api_key = api_key
        self._collections = frozenset(collections)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, changed by nothing but the spelling of its path.

        Raises:
            NotAuthenticated: a key is configured and was not sent.
            BodyTooLarge: the body is longer than the limit.
            InvalidRequest: it holds what cannot be stored.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        key = None if path in _OPEN_PATHS else self._api_key
        scope.setdefault("state", {})["actor"] = authenticate(scope["headers"], key)
        if "\0" in path or b"%00" in scope["query_string"]:
            raise InvalidRequest("the address must not contain NUL characters")
        # Both spellings are served, without a redirect, unless the other one is somebody else's.
        if f"{path}/" in self._collections and not _is_openais(path, scope["headers"]):
            scope = {**scope, "path": f"{path}/", "raw_path": f"{path}/".encode()}
        await self._app(scope, await _checked_body(scope, receive), send)


def _is_openais(path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether it is the list of models that a client made for OpenAI asks for."""
    return path == _OPENAI_LIST and not any(
        name == b"user-agent" and value.startswith((b"Letta/", b"AsyncLetta/", b"letta-client/"))
        for name, value in headers
    )


async def _checked_body(scope: Scope, receive: Receive) -> Receive:
    """A `receive` that gives the body again, after it was read and looked at."""
    if scope["method"] in {"GET", "HEAD", "OPTIONS"}:
        return receive
    headers = dict(scope["headers"])
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise _too_large(int(declared))
    body = await _read(receive)
    if b"json" in headers.get(b"content-type", b"").lower():
        check_json(body)
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":  # the caller has gone
            return b""
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large(size)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(size: int) -> BodyTooLarge:
    return BodyTooLarge("the body", limit=MAX_BODY_BYTES, actual=size, unit="bytes")


def check_json(body: bytes) -> None:
    """Refuse what is valid for Python's JSON and cannot be stored.

    Raises:
        InvalidRequest: NUL or half a surrogate pair in a text, a number that is not finite, or
            nesting beyond the limit.
    """
    is_deep = body.count(b"[") + body.count(b"{") > MAX_JSON_DEPTH
    if not is_deep and not _SUSPECT.search(body):
        return
    try:
        value = json.loads(body)
    except RecursionError:
        raise InvalidRequest(f"the body is nested deeper than {MAX_JSON_DEPTH} levels") from None
    except ValueError:
        return  # the route says what is wrong with it
    _check_value(value)


def _check_value(root: JsonValue) -> None:
    pending: list[tuple[JsonValue, int]] = [(root, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_JSON_DEPTH:
            raise InvalidRequest(f"the body is nested deeper than {MAX_JSON_DEPTH} levels")
        if isinstance(value, dict):
            pending += [(key, depth) for key in value]
            pending += [(item, depth + 1) for item in value.values()]
        elif isinstance(value, list):
            pending += [(item, depth + 1) for item in value]
        elif isinstance(value, str):
            _check_text(value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvalidRequest("the body contains a number that is not finite")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidRequest("the body contains a NUL character (\\u0000), which cannot be stored")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidRequest("the body contains half of a surrogate pair, which is not a character")
