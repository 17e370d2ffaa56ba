"""Everything a function of the bundle meets: SSM, SQS, a model provider, the database."""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from support.lambda_emulator import (
    TRACE_ID,
    Emulator,
    emulated,
    free_port,
    json_lines,
    process,
    wait_for_port,
)
from support.loopback_aws import LoopbackAws
from support.wires import OpenAIServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from http.client import HTTPResponse

    from support.bundle import Bundle
    from support.pg import Database

EVENTS = Path(__file__).parents[1] / "functions" / "events"
API_KEY = "open-sesame"
PROVIDER_KEY = "sk-loopback"
MODEL = "openai/loopback"
REQUEST_ID = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
# Slower than any buffer would hold words back by chance.
PAUSE_S = 0.15


class PacedOpenAIServer(OpenAIServer):
    """Speaks one word every `pause_s` seconds."""

    pause_s = 0.0

    def __init__(self) -> None:
        super().__init__()
        handler = self._server.RequestHandlerClass
        send = handler._chunk

        def send_slowly(this: Any, text: str) -> None:
            time.sleep(self.pause_s)
            send(this, text)

        handler._chunk = send_slowly


@dataclass
class LambdaWorld:
    """Starts functions, and holds what they can reach."""

    bundle: Bundle
    database: Database
    aws: LoopbackAws
    provider: PacedOpenAIServer
    scratch: Path

    @classmethod
    @contextmanager
    def started(cls, bundle: Bundle, database: Database, scratch: Path) -> Generator[LambdaWorld]:
        """Services on loopback until the block ends."""
        with LoopbackAws.started() as aws, PacedOpenAIServer() as provider:
            aws.parameters = {
                "/r/pg-uri": database.app_uri,
                "/r/owner-pg-uri": database.owner_uri,
                "/r/api-key": API_KEY,
                "/r/provider-keys": f"OPENAI_API_KEY={PROVIDER_KEY}\n",
            }
            yield cls(bundle, database, aws, provider, scratch)

    def with_own_core(self, folder: Path) -> LambdaWorld:
        """The same with a copy of our package in `folder`, to be changed by the test."""
        root = folder / "own"
        root.mkdir()
        for path in self.bundle.root.iterdir():
            (root / path.name).symlink_to(path)
        (root / "CoreLayer").unlink()
        shutil.copytree(self.bundle.root / "CoreLayer", root / "CoreLayer")
        return replace(self, bundle=replace(self.bundle, root=root))

    def environment(self) -> dict[str, str]:
        """The variables that the template fills by reference."""
        return self.aws.environment() | {
            "OPENAI_BASE_URL": self.provider.base_url,
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "REMANENCE_API_KEY_PARAMETER": "/r/api-key",
            "REMANENCE_DEFAULT_MODEL": MODEL,
            "REMANENCE_PG_URI_PARAMETER": "/r/pg-uri",
            "REMANENCE_PROVIDER_KEYS_PARAMETER": "/r/provider-keys",
            "REMANENCE_STEP_QUEUE_URL": self.aws.queue_url,
        }

    @contextmanager
    def function(self, name: str, **changes: str) -> Generator[Emulator]:
        """A function behind the emulator; `changes` replace variables."""
        environment = self.environment() | changes
        log = self.scratch / f"{name}.log"
        with emulated(self.bundle, name, environment, log) as emulator:
            yield emulator

    @contextmanager
    def chat(self, **changes: str) -> Generator[Chat]:
        """The chat function as the Lambda Web Adapter starts it: its handler, a script."""
        port = free_port()
        environment = self.bundle.environment("chat") | self.environment() | changes
        environment["AWS_LWA_PORT"] = str(port)
        code, log = self.bundle.code("chat"), self.scratch / "chat.log"
        with process([str(code / "run.sh")], environment, code, log):
            wait_for_port(f"127.0.0.1:{port}")
            yield Chat(port, environment["AWS_LWA_READINESS_CHECK_PATH"], log)


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat function's HTTP server."""

    port: int
    readiness_path: str
    log: Path

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON."""
        with self._send("GET", path, None) as response:
            return response.status, json.loads(response.read() or b"null")

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and JSON."""
        with self._send("POST", path, body) as response:
            return response.status, json.loads(response.read() or b"null")

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[tuple[float, str]]:
        """Each piece as it arrives, with the seconds since the request."""
        started = time.monotonic()
        with self._send("POST", path, body) as response:
            assert response.status == 200, response.read()
            while piece := response.read1():
                yield time.monotonic() - started, piece.decode()

    def log_lines(self) -> list[dict[str, Any]]:
        """What the function wrote in JSON: log lines and metrics."""
        return json_lines(self.log)

    @contextmanager
    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Generator[HTTPResponse]:
        headers = {
            "Authorization": f"Bearer {API_KEY}",
            "Content-Type": "application/json",
            # As the adapter passes it on from Lambda.
            "X-Amzn-Trace-Id": f"Root={TRACE_ID};Parent=0123456789abcdef;Sampled=1",
            "X-Amzn-Request-Context": json.dumps({"requestId": REQUEST_ID}),
        }
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            with connection.getresponse() as response:
                yield response


def an_event(name: str, **changes: Any) -> dict[str, Any]:
    """A recorded event, with top-level fields replaced."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event | changes


def a_request(method: str, url: str, body: Any = None, *, key: str = API_KEY) -> dict[str, Any]:
    """The proxy event API Gateway makes of a request."""
    parts = urlsplit(url)
    event = an_event("api_gateway_proxy", httpMethod=method, path=parts.path)
    event["headers"]["Authorization"] = f"Bearer {key}"
    event["multiValueHeaders"]["Authorization"] = [f"Bearer {key}"]
    event["body"] = None if body is None else json.dumps(body)
    pairs = [pair.partition("=") for pair in parts.query.split("&") if pair]
    if pairs:
        event["queryStringParameters"] = {name: value for name, _, value in pairs}
        event["multiValueQueryStringParameters"] = {name: [value] for name, _, value in pairs}
    return event


def a_bell(body: dict[str, Any] | str, *, attempt: int = 1) -> dict[str, Any]:
    """The SQS event of one message."""
    event = an_event("sqs_fifo")
    (record,) = event["Records"]
    record["body"] = body if isinstance(body, str) else json.dumps(body)
    record["attributes"]["ApproximateReceiveCount"] = str(attempt)
    return event


def quiet_environment() -> dict[str, str]:
    """A process environment without anything of ours or of AWS."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REMANENCE_", "AWS_", "LETTA_", "OPENAI_", "PYTHON"))
    }
