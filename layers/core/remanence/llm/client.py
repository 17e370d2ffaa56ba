"""One provider's HTTP client: JSON objects in and out, failures as classes of errors.py.

Path: the wires -> Client -> sdk.Sdk.
The SDK is imported and its client made by the first call, once, and kept until `close`.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

from remanence.errors import ProviderError, ProviderTimeout
from remanence.llm.faults import Fault, describe, quotes_key, to_error
from remanence.llm.payload import as_object
from remanence.llm.sdk import open_sdk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from remanence.core.exchange import JsonObject
    from remanence.llm.sdk import Sdk
    from remanence.llm.vendors import Provider


class Client:
    """Calls to one provider. Safe to share between threads.

    Every method takes a `deadline` in seconds of `time.monotonic`, by which the whole answer is
    there, and raises a kind of ProviderError.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._sdk: Sdk | None = None
        self._lock = Lock()

    def post(
        self, path: str, body: JsonObject, *, deadline: float, headers: Mapping[str, str]
    ) -> JsonObject:
        """Send `body` and return the answer."""
        sdk, seconds = self._ready(deadline)
        try:
            answer = sdk.post(path, body, headers, seconds)
        except sdk.errors as exc:
            raise self._error(exc, sdk, streaming=False) from self._cause(exc)
        return as_object(answer, "the answer")

    def stream(
        self, path: str, body: JsonObject, *, deadline: float, headers: Mapping[str, str]
    ) -> Iterator[JsonObject]:
        """Send `body` and yield the events of the answer; closing the iterator hangs up."""
        sdk, seconds = self._ready(deadline)
        try:
            events = sdk.open_stream(path, body, headers, seconds)
        except sdk.errors as exc:
            raise self._error(exc, sdk, streaming=False) from self._cause(exc)
        try:
            with events as opened:
                for event in opened:
                    yield as_object(event, "an event")
        except sdk.errors as exc:
            raise self._error(exc, sdk, streaming=True) from self._cause(exc)

    def fetch(self, path: str, *, deadline: float) -> JsonObject:
        """Get what stands at `path`, which may be a whole URL."""
        sdk, seconds = self._ready(deadline)
        try:
            answer = sdk.get(path, seconds)
        except sdk.errors as exc:
            raise self._error(exc, sdk, streaming=False) from self._cause(exc)
        return as_object(answer, "the answer")

    def failure(self, body: JsonObject) -> ProviderError:
        """The error for a failure that was told inside an answer which began well."""
        return to_error(describe("stream", None, body, {}), self._provider)

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        with self._lock:
            sdk, self._sdk = self._sdk, None
        if sdk is not None:
            sdk.close()

    def open(self) -> Sdk:
        """Import the SDK and make its client, if that is not done: seconds, on a busy machine."""
        with self._lock:
            if self._sdk is None:
                self._sdk = open_sdk(self._provider)
            return self._sdk

    def _ready(self, deadline: float) -> tuple[Sdk, float]:
        sdk = self.open()
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise ProviderTimeout(f"no time is left to call {self._provider.name}")
        return sdk, seconds

    def _error(self, exc: Exception, sdk: Sdk, *, streaming: bool) -> ProviderError:
        return to_error(_fault(exc, sdk, streaming=streaming), self._provider)

    def _cause(self, exc: Exception) -> Exception | None:
        """The cause to show in a traceback, unless its words may quote the key."""
        status = getattr(exc, "status_code", None)
        return None if status in {401, 403} or quotes_key(str(exc), self._provider) else exc


def _fault(exc: Exception, sdk: Sdk, *, streaming: bool) -> Fault:
    """Describe what an SDK raised, by its class; both SDKs have the same attributes."""
    if isinstance(exc, sdk.timeout_errors):
        return Fault(kind="timeout")
    if isinstance(exc, sdk.connection_errors):
        # A stream that began and broke is an answer that cannot be used, not a busy provider.
        return Fault(kind="unreadable" if streaming else "connection")
    if not isinstance(exc, sdk.api_errors):
        return Fault(kind="unreadable")
    body: object = getattr(exc, "body", None)
    if streaming:
        return describe("stream", None, body, {})
    status: object = getattr(exc, "status_code", None)
    headers: Mapping[str, str] = getattr(getattr(exc, "response", None), "headers", {})
    return describe("status", status if isinstance(status, int) else None, body, headers)
