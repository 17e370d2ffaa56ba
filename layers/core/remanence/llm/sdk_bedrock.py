"""boto3's clients of Bedrock, as an Sdk. Importing this module imports boto3.

Path: sdk.open_sdk -> open_client -> deadline.bounded_client.
boto3 knows the service, who calls (role, profile, environment) and how events are framed. What it
sends goes over our own HTTP client, by the `before-send` event that is there for that: boto3 bounds
one read, and not the time until an answer is complete.
"""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from threading import local
from typing import TYPE_CHECKING, Any, cast

import boto3
import httpx2
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.eventstream import ParserError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError

from remanence.errors import ProviderRefusedKey
from remanence.llm.deadline import bounded_client, within
from remanence.llm.sdk import Sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping
    from contextlib import AbstractContextManager

    from botocore.awsrequest import AWSPreparedRequest

    from remanence.core.exchange import JsonObject, JsonValue
    from remanence.llm.vendors import Provider


_UNREADABLE = (ParserError, ResponseParserError)


class BedrockError(Exception):
    """A refusal, with the attributes that client.Client reads of every package's errors."""

    def __init__(self, code: str, message: str, status: int | None, headers: Mapping[str, str]):
        super().__init__(message)
        self.status_code = status
        self.body = {"code": code, "message": message}
        self.response = _Head(headers)


class _Head:
    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers


class _Raw:
    """The body of an answer, as botocore reads it."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    def stream(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_raw()
        finally:
            self.close()

    def read(self, _: int | None = None) -> bytes:
        return b"".join(self.stream())

    def close(self) -> None:
        self._response.close()


class _Transport:
    """Sends what boto3 has signed, within the seconds that the calling thread has said."""

    def __init__(self) -> None:
        self.http = bounded_client()
        self._of_thread = local()

    def allow(self, seconds: float) -> None:
        self._of_thread.seconds = seconds

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        prepared = self.http.build_request(
            request.method,
            request.url,
            # As it comes: a stream of small events is not to be compressed.
            headers=[*request.headers.items(), ("accept-encoding", "identity")],
            content=cast("bytes | None", request.body),
            timeout=within(self._of_thread.seconds),
        )
        response = self.http.send(prepared, stream=True)
        headers: Any = dict(response.headers)
        return AWSResponse(request.url, response.status_code, headers, _Raw(response))


def open_client(provider: Provider) -> Sdk:
    """Clients for this provider, without the package's own retries."""
    transport = _Transport()
    runtime = _client("bedrock-runtime", provider.base_url, provider, transport)

    def run(call: Callable[..., Any], parameters: JsonObject, seconds: float) -> JsonObject:
        transport.allow(seconds)
        with _told():
            answer: JsonObject = call(**parameters)
        return answer

    def post(path: str, body: JsonObject, _: Mapping[str, str], seconds: float) -> object:
        if path != "invoke_model":
            said = run(getattr(runtime, path), _with_bytes(body), seconds)
            if "output" not in said:  # boto3 passes over a body that is not JSON
                raise ValueError("an answer without an output")
            return _readable(said)
        answer = run(runtime.invoke_model, {**body, "body": json.dumps(body["body"])}, seconds)
        return json.loads(cast("Any", answer["body"]).read())

    def open_stream(
        path: str, body: JsonObject, _: Mapping[str, str], seconds: float
    ) -> AbstractContextManager[Iterator[object]]:
        return _events_of(run(getattr(runtime, path), _with_bytes(body), seconds)["stream"])

    def get(path: str, seconds: float) -> object:
        # The list of models is another service, at another address of the same region.
        url = provider.base_url.replace("//bedrock-runtime.", "//bedrock.")
        return run(getattr(_client("bedrock", url, provider, transport), path), {}, seconds)

    return Sdk(
        post=post,
        open_stream=open_stream,
        get=get,
        close=transport.http.close,
        timeout_errors=(httpx2.TimeoutException,),
        connection_errors=(httpx2.TransportError,),
        api_errors=(BedrockError,),
        errors=(*_UNREADABLE, BedrockError, BotoCoreError, httpx2.HTTPError, ValueError),
    )


def _client(service: str, url: str, provider: Provider, transport: _Transport) -> Any:
    session: Any = boto3.Session(region_name=provider.region)
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    client = session.client(service, endpoint_url=url, config=once)
    client.meta.events.register(f"before-send.{service}", transport.send)
    return client


@contextmanager
def _events_of(stream: Any) -> Generator[Iterator[object]]:
    try:
        with _told():
            yield (_readable(event) if _holds_bytes(event) else event for event in stream)
    finally:
        stream.close()


@contextmanager
def _told() -> Generator[None]:
    """What boto3 raises, as BedrockError; what is missing on our side, as what it is."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as exc:
        raise ProviderRefusedKey(
            "no AWS credentials are found to call bedrock with: give the function's role the right"
            " to bedrock:InvokeModel*, or set a profile or AWS_ACCESS_KEY_ID and its secret"
        ) from exc
    except ParamValidationError as exc:
        raise BedrockError("ParamValidation", str(exc), 400, {}) from exc
    except ClientError as exc:
        told: Any = exc.response
        about = told.get("Error", {})
        head = told.get("ResponseMetadata", {})
        raise BedrockError(
            about.get("Code", ""),
            about.get("Message", ""),
            head.get("HTTPStatusCode"),
            head.get("HTTPHeaders", {}),
        ) from exc


def _with_bytes(body: JsonObject) -> JsonObject:
    """Converse's parameters with bytes where boto3 wants them."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    return {**body, "messages": [_message_with_bytes(cast("JsonObject", m)) for m in messages]}


def _message_with_bytes(message: JsonObject) -> JsonObject:
    content = cast("list[JsonObject]", message["content"])
    return {**message, "content": [_block_with_bytes(block) for block in content]}


def _block_with_bytes(block: JsonObject) -> JsonObject:
    match block:
        case {"image": {"format": kind, "source": {"bytes": str(data)}}}:
            return {"image": {"format": kind, "source": {"bytes": _decoded(data)}}}
        case {"reasoningContent": {"redactedContent": str(data)}}:
            return {"reasoningContent": {"redactedContent": _decoded(data)}}
        case _:
            return block


def _decoded(data: str) -> JsonValue:
    return cast("JsonValue", base64.b64decode(data))


def _holds_bytes(event: Any) -> bool:
    """Only thoughts do; a look at each event costs less than a copy of it."""
    return "reasoningContent" in event.get("contentBlockDelta", {}).get("delta", ())


def _readable(value: object) -> object:
    """A parsed answer as JSON: bytes become base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _readable(inner) for key, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_readable(inner) for inner in cast("list[object]", value)]
    return value
