"""Custom tools through the real boto3 client, over the HTTP that Lambda speaks."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from support.loopback_aws import LoopbackAws

from remanence.core.custom_tools import ToolRan, ToolRun
from remanence.core.ids import ToolId
from remanence.core.types import Tool
from remanence.sandbox.lambda_invoke import LambdaSandbox
from remanence.sandbox.local import LocalSandbox
from remanence.sandbox.serve import serve_run

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass
class LoopbackLambda:
    """Answers invocations with the handler's own code, or with `broken`."""

    url: str = ""
    asked: list[tuple[str, str | None, Any]] = field(default_factory=list)
    broken: tuple[int, dict[str, str], bytes] | None = None

    @classmethod
    @contextmanager
    def started(cls) -> Generator[LoopbackLambda]:
        made = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                made.asked.append((self.path, self.headers["x-amz-tenant-id"], body))
                status, headers, answer = made.broken or (200, {}, b"")
                if not made.broken:
                    answer = json.dumps(serve_run(LocalSandbox(), body)).encode()
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        made.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Generator[LoopbackLambda]:
    with LoopbackLambda.started() as started:
        environment = LoopbackAws().environment() | {"AWS_ENDPOINT_URL": started.url}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield started


def a_run() -> ToolRun:
    tool = Tool(
        id=ToolId("tool-1"),
        name="double",
        description="",
        tool_type="custom",
        parameters={},
        source_code="def double(n):\n    print('so')\n    return n * 2\n",
    )
    return ToolRun(
        tool_call_id="call-1", tool=tool, arguments={"n": 21}, org_id="org-1", agent_id="agent-1"
    )


def test_environment_goes_with_the_run(function: LoopbackLambda) -> None:
    body = "import os\n    return os.environ['KEY'] + os.environ['LETTA_AGENT_ID']"
    source = f"def double(n):\n    {body}\n"
    run = a_run()
    run = replace(run, tool=replace(run.tool, source_code=source), environment={"KEY": "hush "})

    assert LambdaSandbox("tools").run(run, timeout_s=30).text == "hush agent-1"
    assert "hush" not in repr(run)


def test_run_is_one_invocation_for_the_organization(function: LoopbackLambda) -> None:
    ran = LambdaSandbox("tools").run(a_run(), timeout_s=30)

    assert ran == ToolRan(text="42", status="success", stdout=("so",))
    ((path, tenant, body),) = function.asked
    assert path == "/2015-03-31/functions/tools/invocations"
    assert tenant == "org-1"
    assert body["tool_call_id"] == "call-1"
    assert body["timeout_s"] == 25.0


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ((200, {"x-amz-function-error": "Unhandled"}, b'{"errorType": "x"}'), "too much time"),
        ((500, {}, b"{}"), "did not answer (ClientError)"),
        ((200, {}, b"no json"), "did not answer (JSONDecodeError)"),
        ((200, {}, b'"text"'), "no readable answer"),
    ],
)
def test_function_that_fails_is_an_error_and_not_asked_again(
    function: LoopbackLambda, broken: tuple[int, dict[str, str], bytes], told: str
) -> None:
    function.broken = broken

    ran = LambdaSandbox("tools").run(a_run(), timeout_s=30)

    assert ran.status == "error"
    assert told in ran.text
    assert len(function.asked) == 1


def test_no_time_left_invokes_nothing(function: LoopbackLambda) -> None:
    assert "no time left" in LambdaSandbox("tools").run(a_run(), timeout_s=5).text
    assert function.asked == []
