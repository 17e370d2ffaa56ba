"""What a tool can do in its process, and what it cannot: each attempt is really made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import remanence
from remanence.core.custom_tools import ToolRan, ToolRun
from remanence.core.ids import ToolId
from remanence.core.types import Tool
from remanence.sandbox.exchange import MOST_LINES, MOST_RETURN_CHARS, ran_from_json, run_to_json
from remanence.sandbox.local import LocalSandbox, ToolLimits
from remanence.sandbox.serve import serve_run

LIMITS = ToolLimits(seconds=10.0, memory_bytes=256 * 1024 * 1024, file_bytes=1024 * 1024)
SANDBOX = LocalSandbox(limits=LIMITS)
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's shields are Linux's")


def a_run(body: str, arguments: dict[str, Any] | None = None, head: str = "") -> ToolRun:
    """A run of a function `tool(...)` with this body."""
    names = ", ".join(arguments or {})
    source = f"{head}\ndef tool({names}):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    tool = Tool(
        id=ToolId("tool-1"),
        name="tool",
        description="",
        tool_type="custom",
        parameters={},
        source_code=source,
    )
    return ToolRun(
        tool_call_id="call-1",
        tool=tool,
        arguments=arguments or {},
        org_id="org-1",
        agent_id="agent-1",
    )


def ran(body: str, arguments: dict[str, Any] | None = None, **options: Any) -> ToolRan:
    return SANDBOX.run(a_run(body, arguments, **options), timeout_s=20)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("return 'as it is'", "as it is"),
        ("return {'a': [1, 'ä']}", '{"a": [1, "ä"]}'),
        ("return True", "True"),
        ("pass", "None"),
        ("return {1, }", "{1}"),
        ("return [object]", "[<class 'object'>]"),
    ],
)
def test_return_is_text_as_it_is_and_structures_as_json(body: str, text: str) -> None:
    assert ran(body) == ToolRan(text=text, status="success")


def test_what_is_printed_is_kept_apart_from_the_return() -> None:
    answer = ran("import sys\nprint('a\\nb')\nprint('c', file=sys.stderr)\nreturn 'r'")

    assert (answer.text, answer.stdout, answer.stderr) == ("r", ("a", "b"), ("c",))


def test_what_is_printed_is_bounded() -> None:
    assert len(ran("for i in range(10_000): print(i)").stdout) == MOST_LINES
    assert "too large" in ran("for i in range(10**6): print('x' * 100)").text.lower()


def test_coroutine_is_run_to_its_end() -> None:
    run = a_run("return 1")
    source = "import asyncio\nasync def tool():\n    await asyncio.sleep(0.01)\n    return 7\n"
    run = replace(run, tool=replace(run.tool, source_code=source))

    assert SANDBOX.run(run, timeout_s=20).text == "7"


def test_arguments_become_what_the_annotations_say() -> None:
    head = """
import dataclasses, enum
class Color(enum.Enum):
    RED = "red"
@dataclasses.dataclass
class Point:
    x: int
    color: Color = Color.RED
"""
    run = a_run("", head=head)
    source = head + (
        "def tool(c: Color, p: Point, many: list[Point], o: Optional[Color] = None):\n"
        "    return f'{c.name} {p.x} {p.color.name} {many[0].x} {o}'\n"
    )
    arguments = {"c": "red", "p": {"x": 1, "color": "red"}, "many": [{"x": 2}]}
    run = replace(run, tool=replace(run.tool, source_code=source), arguments=arguments)

    assert SANDBOX.run(run, timeout_s=20).text == "RED 1 RED 2 None"


def test_error_is_told_with_its_line_and_without_our_paths() -> None:
    answer = ran("x = {}\nreturn x['missing']")

    assert answer.status == "error"
    assert answer.text == "tool failed: KeyError: 'missing' (line 4 in tool)"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise SystemExit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os; os._exit(0)", "without an answer"),
        ("return tool()", "RecursionError"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("import os; os.write(3, b'x' * 10)\nfor fd in range(3, 9):\n    os.close(fd)", "failed"),
        ("return bytearray(10**9)", "MemoryError"),
    ],
)
def test_tool_that_ends_badly_is_an_error(body: str, told: str) -> None:
    answer = ran(body)

    assert answer.status == "error"
    assert told in answer.text or "no readable answer" in answer.text


@pytest.mark.parametrize("char", ["x", "\\x01", "\\ud800", "\\U0001F600"])
def test_longest_return_is_carried_whatever_it_holds(char: str) -> None:
    answer = LocalSandbox().run(a_run(f"return '{char}' * 3_000_000"), timeout_s=20)

    assert (answer.status, len(answer.text)) == ("success", MOST_RETURN_CHARS)


def test_characters_that_cannot_be_stored_are_left_out() -> None:
    answer = ran("print('p\\0q')\nreturn 'a\\0b'")

    assert (answer.text, answer.stdout) == ("ab", ("pq",))


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(99)"])
def test_tool_without_an_end_is_stopped_in_time(body: str) -> None:
    began = time.monotonic()

    answer = SANDBOX.run(a_run(body), timeout_s=1)

    assert answer.status == "error"
    # A loop may use up its computing time a moment before the clock runs out.
    assert "1 s, its time limit" in answer.text or "computing time" in answer.text
    assert time.monotonic() - began < 5


def test_no_time_left_runs_nothing() -> None:
    assert "no time left" in SANDBOX.run(a_run("return 1"), timeout_s=0).text


def test_only_so_many_run_at_once() -> None:
    sandbox = LocalSandbox(limits=replace(LIMITS, at_once=1))
    sandbox._places.acquire()

    assert "no time left" in sandbox.run(a_run("return 1"), timeout_s=0.05).text


def test_environment_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMANENCE_PG_URI", "postgresql://secret")

    seen = json.loads(ran("import os\nreturn dict(os.environ)").text)

    assert "secret" not in json.dumps(seen)
    assert seen["LETTA_AGENT_ID"] == "agent-1"
    assert seen["REMANENCE_TOOL_CALL_ID"] == "call-1"


def test_secrets_are_there_for_the_tool_and_not_for_what_starts_it() -> None:
    secrets = {"KEY": "hush", "PYTHONHOME": "/x", "LD_PRELOAD": "/x.so"}
    run = replace(a_run("import os\nreturn os.environ['KEY']"), environment=secrets)

    assert SANDBOX.run(run, timeout_s=20) == ToolRan(text="hush", status="success")


def test_folder_of_a_run_is_gone_after_it() -> None:
    folder = ran("open('a', 'w').write('b')\nimport os\nreturn os.getcwd()").text

    assert not Path(folder).exists()


def test_packages_are_only_there_for_tools_that_require_some() -> None:
    run = a_run("import yaml\nreturn 'there'")
    requiring = replace(run, tool=replace(run.tool, extras={"pip_requirements": [{}]}))

    assert "No module named 'yaml'" in SANDBOX.run(run, timeout_s=20).text
    assert SANDBOX.run(requiring, timeout_s=20).text == "there"


ESCAPES = {
    "files": "return open('/etc/hostname').read()",
    "own source": f"return open({remanence.__file__!r}).read()",
    "write outside": "open('/tmp/escaped', 'w')",
    "environment of the server": "import os\nreturn open(f'/proc/{os.getppid()}/environ').read()",
    "memory of the server": "import os\nreturn open(f'/proc/{os.getppid()}/mem').read(1)",
    "fork": "import os\nos.fork()",
    "fork bomb": "import os\nwhile True: os.fork()",
    "program": "import subprocess\nsubprocess.run(['/bin/ls'])",
    "signal": "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)",
    "socket": "import socket\nsocket.create_connection(('127.0.0.1', 1))",
    "raw socket": "import _socket\n_socket.socket()",
    "name": "import socket\nsocket.getaddrinfo('example.com', 80)",
    "link": "import os\nos.symlink('/etc/hostname', 'x')\nreturn open('x').read()",
    "user": "import os\nos.setuid(0) if os.getuid() else open('/etc/shadow').read()",
}


@linux
@pytest.mark.parametrize("body", ESCAPES.values(), ids=ESCAPES)
def test_way_out_is_closed(body: str) -> None:
    answer = ran(body)

    assert answer.status == "error"
    assert "PermissionError" in answer.text


@linux
def test_native_code_finds_the_kernel_in_its_way() -> None:
    body = """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        tried = [libc.fork(), libc.vfork(), libc.socket(2, 1, 0), libc.setsid(),
                 libc.kill(os.getppid(), 0), libc.ptrace(16, os.getppid(), 0, 0),
                 libc.execve(b"/bin/ls", None, None), libc.unshare(0x10000000),
                 libc.open(b"/etc/hostname", 0), libc.open(b"/etc/x", 0o101, 0o600)]
        return tried
    """

    assert json.loads(ran(body).text) == [-1] * 10


@linux
def test_threads_are_bounded_and_work() -> None:
    few = "from concurrent.futures import ThreadPoolExecutor\n" + (
        "with ThreadPoolExecutor(4) as pool:\n    return sum(pool.map(lambda n: n, range(10)))"
    )
    many = "import threading, time\nfor _ in range(10_000):\n" + (
        "    threading.Thread(target=time.sleep, args=(5,), daemon=True).start()"
    )

    assert ran(few).text == "45"
    assert "can't start new thread" in ran(many).text


@linux
def test_network_is_there_for_a_deployment_that_wants_it() -> None:
    with_network = LocalSandbox(limits=LIMITS, network=True)
    body = "import socket\nsocket.create_connection(('127.0.0.1', 1), timeout=1)"

    assert "ConnectionRefusedError" in with_network.run(a_run(body), timeout_s=20).text


@linux
def test_tool_ends_with_the_worker_that_waits_for_it(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_local import SANDBOX, a_run\n"
        "SANDBOX.run(a_run('import time; time.sleep(99)'), timeout_s=60)\n"
    )
    here = str(Path(__file__).parent)
    worker = subprocess.Popen([sys.executable, str(script), here])
    (tool,) = _wait_for(lambda: _children(worker.pid))

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    _wait_for(lambda: not _is_alive(tool))


def _children(pid: int) -> list[int]:
    """Child processes that have entered their own session, which the tool's has at once."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    found = [int(each) for each in text.split()]
    return [each for each in found if _sleeps(each)]


def _sleeps(pid: int) -> bool:
    """Whether it has come to its `sleep`: all of its shields are raised by then."""
    return "clock_nanosleep" in Path(f"/proc/{pid}/wchan").read_text() or (
        "nanosleep" in Path(f"/proc/{pid}/wchan").read_text()
    )


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def _wait_for(found: Any, seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")
@pytest.mark.parametrize("user", [None, 65534], ids=["root", "nobody"])
def test_shields_hold_for_every_user_of_a_system_python(tmp_path: Path, user: int | None) -> None:
    """With a Python that others can read, root gives each run a user of its own."""
    python = Path("/usr/bin/python3")
    if not python.exists() or _version(python) < (3, 11):
        pytest.skip("needs a system Python of 3.11 or newer")
    shutil.copytree(Path(remanence.__file__).parent, tmp_path / "code/remanence")
    shutil.copy(Path(__file__).with_name("probe.py"), tmp_path / "code")
    for path in (tmp_path, *tmp_path.parents[:3], *(tmp_path / "code").rglob("*")):
        path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
    done = subprocess.run(
        [str(python), "-S", str(tmp_path / "code/probe.py")],
        capture_output=True,
        text=True,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        env={"SECRET": "s3cret", "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )

    seen = json.loads(done.stdout)
    assert seen["escaped"] == []
    assert seen["text"] == "4"
    assert (seen["user"] >= 1_900_000_000) if user is None else (seen["user"] == user)


def _version(python: Path) -> tuple[int, ...]:
    command = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    return tuple(int(each) for each in subprocess.check_output(command, text=True).split())


def test_request_to_the_tool_function_carries_all_it_needs() -> None:
    request = json.loads(json.dumps(run_to_json(a_run("return x + 1", {"x": 1}), 5.0)))

    assert serve_run(SANDBOX, request) == {
        "status": "success",
        "text": "2",
        "stdout": [],
        "stderr": [],
    }


@pytest.mark.parametrize(
    "answer", [None, [], "x", {}, {"status": "fine", "text": "x"}, {"status": "success", "text": 1}]
)
def test_answer_that_is_none_is_an_error(answer: Any) -> None:
    assert ran_from_json(answer).status == "error"
