"""The two AWS services the functions speak to, and CloudFormation's mailbox, on loopback.

They take what the real clients send and check its signature the way AWS does, with botocore's
own signer. They hold messages in a list: whatever SQS does with order and time is not imitated.
"""

from __future__ import annotations

import datetime
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Generator

KEY_ID = "a-key-id"
SECRET = "only-on-loopback"  # noqa: S105
TOKEN = "a-session-token"  # noqa: S105
CONTAINER_TOKEN = "a-containers-token"  # noqa: S105
REGION = "eu-central-1"


@dataclass
class LoopbackAws:
    """What was asked, and what is answered."""

    url: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    postponed: list[dict[str, Any]] = field(default_factory=list)
    stack_answers: list[dict[str, Any]] = field(default_factory=list)
    # Statuses to fail the next requests with, before any is answered.
    failures: list[tuple[int, str]] = field(default_factory=list)
    requests: int = 0

    @classmethod
    @contextmanager
    def started(cls) -> Generator[LoopbackAws]:
        """Serve on a free port until the block ends."""
        aws = cls()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(aws))
        aws.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield aws
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @property
    def queue_url(self) -> str:
        """The queue's URL, as in SQS."""
        return f"{self.url}/123456789012/steps.fifo"

    def environment(self) -> dict[str, str]:
        """What a function's environment holds, to find and be known to these services."""
        return {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def environment_of_snapshot(self) -> dict[str, str]:
        """The same for a function of a snapshot: the place that has its credentials."""
        found = self.environment() | {
            "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
        }
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return found | dict.fromkeys(keys, "")

    def answer(self, target: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body for one signed request."""
        match target:
            case "AmazonSSM.GetParameters":
                return 200, self._get_parameters(body)
            case "AmazonSQS.SendMessage":
                self.messages.append(body)
                return 200, {"MessageId": f"m-{len(self.messages)}"}
            case "AmazonSQS.ChangeMessageVisibility":
                self.postponed.append(body)
                return 200, {}
        return 400, {"__type": "com.amazon#UnknownOperationException", "message": target}

    def _get_parameters(self, body: dict[str, Any]) -> dict[str, Any]:
        assert body["WithDecryption"] is True
        known = [name for name in body["Names"] if name in self.parameters]
        return {
            "Parameters": [{"Name": name, "Value": self.parameters[name]} for name in known],
            "InvalidParameters": [name for name in body["Names"] if name not in known],
        }


def is_signed(path: str, headers: dict[str, str], body: bytes, host: str) -> bool:
    """Whether the signature is the one botocore makes for this request at its time."""
    authorization = headers.get("Authorization", "")
    scope = re.search(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request", authorization)
    signed = re.search(r"SignedHeaders=([^,]+)", authorization)
    if scope is None or signed is None or scope[1] != KEY_ID:
        return False
    names = set(signed[1].split(";")) - {"x-amz-date", "x-amz-security-token"}
    lowered = {name.lower(): value for name, value in headers.items()}
    kept = {name: lowered[name] for name in names}
    request = AWSRequest("POST", f"http://{host}{path}", data=body, headers=kept)
    at = datetime.datetime.strptime(lowered["x-amz-date"], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    signer = SigV4Auth(Credentials(KEY_ID, SECRET, TOKEN), scope[3], scope[2])
    # What add_auth does, but for the time it would take from the clock.
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    return authorization.endswith(f"Signature={signature}")


def _handler_for(aws: LoopbackAws) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            aws.requests += 1
            body = self._body()
            headers = dict(self.headers.items())
            if aws.failures:
                status, kind = aws.failures.pop(0)
                self._send(status, {"__type": f"com.amazon#{kind}", "message": "told to"})
            elif not is_signed(self.path, headers, body, self.headers["Host"]):
                self._send(403, {"__type": "com.amazon#SignatureDoesNotMatch"})
            else:
                self._send(*aws.answer(self.headers["X-Amz-Target"], json.loads(body)))

        def do_GET(self) -> None:
            assert self.headers["Authorization"] == CONTAINER_TOKEN
            found = {"AccessKeyId": KEY_ID, "SecretAccessKey": SECRET, "Token": TOKEN}
            self._send(200, found | {"Expiration": "2100-01-01T00:00:00Z"})

        def do_PUT(self) -> None:
            assert not self.headers["Content-Type"]
            aws.stack_answers.append(json.loads(self._body()))
            self._send(200, {})

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
