"""The Letta protocol over HTTP, as far as the terminal client needs it.

Path: chat -> ChatServer -> the server. Standard library only, one connection per request. Errors
come out as `ServerUnreachable` or `ServerRefused`, with the server's own words.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode, urlsplit

from remanence import __version__

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from remanence.core.exchange import JsonObject, JsonValue

# A stream is kept alive by pings; an answer that takes longer than this is not coming.
_TIMEOUT_S = 300.0
_LONGEST_ERROR_CHARS = 500


class ServerUnreachable(Exception):
    """Nobody answers at the base URL, or the connection broke."""


class ServerRefused(Exception):
    """The server answered with an error. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ChatServer:
    """One server. Holds no connection; the key is sent as a bearer token and never shown."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        self.base_url = base_url.rstrip("/")
        self._api_key = api_key

    def get(self, path: str, **query: str | int) -> JsonValue:
        """The JSON at a path.

        Raises:
            ServerUnreachable, ServerRefused: there is none.
        """
        return self._json("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def send(self, method: str, path: str, body: JsonObject | None = None) -> JsonValue:
        """The JSON that a POST or PATCH answers.

        Raises:
            ServerUnreachable, ServerRefused: as `get`.
        """
        return self._json(method, path, body)

    def stream(self, path: str, body: JsonObject) -> Generator[JsonObject]:
        """The events of a POST that is answered by server-sent events, until `[DONE]`.

        Closing the generator hangs up.

        Raises:
            ServerUnreachable, ServerRefused: before the first event, or the connection broke.
        """
        with self._opened("POST", path, body) as response:
            yield from read_events(response)

    def _json(self, method: str, path: str, body: JsonObject | None) -> JsonValue:
        with self._opened(method, path, body) as response:
            text = response.read().decode("utf-8", "replace")
        try:
            return cast("JsonValue", json.loads(text)) if text.strip() else None
        except ValueError:
            raise ServerRefused(response.status, "the answer is not JSON") from None

    @contextmanager
    def _opened(self, method: str, path: str, body: JsonObject | None) -> Generator[HTTPResponse]:
        url = urlsplit(self.base_url)
        kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT_S)
        data = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, url.path + path, body=data, headers=self._headers())
            response = connection.getresponse()
            if response.status >= 400:
                raise ServerRefused(response.status, _reason(response))
            yield response
        except (OSError, HTTPException) as exc:
            raise ServerUnreachable(str(exc) or type(exc).__name__) from exc
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "User-Agent": f"remanence-chat/{__version__}",
        }
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        return headers


def read_events(lines: Iterable[bytes]) -> Iterator[JsonObject]:
    """The JSON objects of a stream of server-sent events; `[DONE]` or its end ends it.

    Raises:
        ServerRefused: an event is something else.

    Source: the event stream format of the WHATWG HTML standard; names and ids are not used here.
    """
    data: list[str] = []
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            text = "\n".join(data)
            data = []
            if text.startswith("[DONE]"):
                return
            yield _event(text)


def _event(text: str) -> JsonObject:
    try:
        value: object = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ServerRefused(200, "an event of the stream is not a JSON object")
    return cast("JsonObject", value)


def _reason(response: HTTPResponse) -> str:
    """What the body of an error says: `detail`, or `error.message`, or its text."""
    text = response.read(65_536).decode("utf-8", "replace").strip()
    try:
        body = cast("JsonValue", json.loads(text))
    except ValueError:
        body = None
    for key in ("detail", "error", "message"):
        if isinstance(body, dict) and key in body:
            body = body[key]
    if isinstance(body, str):
        text = body
    return text[:_LONGEST_ERROR_CHARS] or f"HTTP {response.status} {response.reason}"


def path_part(text: str) -> str:
    """A name or id as one part of a path."""
    return quote(text, safe="")


def text_at(value: JsonValue, *keys: str) -> str:
    """The string at nested keys, or "" when there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def number_at(value: JsonValue, *keys: str) -> int:
    """The whole number at nested keys, or 0 when there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return int(value) if isinstance(value, int | float) else 0


def objects_in(value: JsonValue) -> list[JsonObject]:
    """The objects of a list; empty for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
