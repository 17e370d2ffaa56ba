"""AWS's own Runtime Interface Emulator, around awslambdaric and a function of the bundle.

The emulator is a binary in the wheel of the SAM CLI. It is the Runtime API of Lambda and takes
one invocation at a time; the client inside (awslambdaric) is the one that runs in Lambda.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.bundle import Bundle

START_S = 30.0
TRACE_ID = "1-67456f00-0123456789abcdef01234567"


@dataclass(frozen=True, slots=True)
class Emulator:
    """One function's execution environment."""

    url: str
    log: Path

    def invoke(self, event: dict[str, Any]) -> Any:
        """The handler's answer, or Lambda's `{"errorType": ..., "errorMessage": ...}`."""
        headers = {"X-Amzn-Trace-Id": f"Root={TRACE_ID};Parent=0123456789abcdef;Sampled=1"}
        content = json.dumps(event).encode()
        request = Request(self.url, data=content, headers=headers, method="POST")  # noqa: S310
        with urlopen(request, timeout=60) as response:  # noqa: S310
            return json.loads(response.read() or b"null")

    def log_lines(self) -> list[dict[str, Any]]:
        """What the function wrote in JSON: log lines and metrics."""
        return json_lines(self.log)


def json_lines(log: Path) -> list[dict[str, Any]]:
    """The lines of a log that are JSON objects."""
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


@contextmanager
def emulated(
    bundle: Bundle, function: str, environment: dict[str, str], log: Path, *, timeout_s: int = 60
) -> Generator[Emulator]:
    """Run a function of the bundle until the block ends."""
    address, runtime_api = (f"127.0.0.1:{free_port()}" for _ in range(2))
    variables = bundle.environment(function) | environment
    variables["PYTHONPATH"] += f":{bundle.runtime}"
    variables["AWS_LAMBDA_FUNCTION_TIMEOUT"] = str(timeout_s)
    command = [_emulator(), "--runtime-interface-emulator-address", address]
    command += ["--runtime-api-address", runtime_api]
    command += [str(bundle.python), "-m", "awslambdaric", "app.handler"]
    with process(command, variables, bundle.code(function), log):
        wait_for_port(address)
        yield Emulator(f"http://{address}/2015-03-31/functions/function/invocations", log)


@contextmanager
def process(
    command: list[str], environment: dict[str, str], folder: Path, log: Path
) -> Generator[subprocess.Popen[bytes]]:
    """A process with a group of its own, gone when the block ends; its output is in `log`."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield started
        finally:
            os.killpg(started.pid, signal.SIGTERM)
            try:
                started.wait(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
                started.wait()


def wait_for_port(address: str) -> None:
    """Return when somebody listens; at most `START_S` later."""
    host, _, port = address.partition(":")
    give_up = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            assert time.monotonic() < give_up, f"nobody listens on {address}"
            time.sleep(0.02)
        else:
            return


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _emulator() -> str:
    if platform.system() != "Linux":
        pytest.skip("the runtime interface emulator is a Linux program")
    spec = importlib.util.find_spec("samcli")
    assert spec is not None
    assert spec.origin is not None
    machine = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    program = Path(spec.origin).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    return str(program)
