"""Running a custom tool in a process of its own on this machine.

Path: engine.lookups -> LocalSandbox.run -> child.main (see shields.py for what that process
gives up), and the same inside the ToolFunction. The process is started with a clean environment
and nothing but four open files; it is ended by force when its time is over.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

import remanence
from remanence.core.custom_tools import ToolRan
from remanence.sandbox import landlock
from remanence.sandbox.exchange import MOST_PRINTED_CHARS, MOST_RETURN_CHARS, printed, ran_from_json

if TYPE_CHECKING:
    from remanence.core.custom_tools import ToolRun
    from remanence.core.exchange import JsonObject

log = logging.getLogger(__name__)

_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from remanence.sandbox.child import main; main()"
)
_PR_SET_DUMPABLE = 4
# The longest return, each of its characters spelled \u0000.
_LARGEST_ANSWER = 6 * MOST_RETURN_CHARS + 10_000
# Where user ids of tools are taken from, when started by root: ids that systems do not give out.
_FIRST_USER, _USERS = 1_900_000_000, 100_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """What one call of a tool may take.

    `file_bytes` bounds each file, what is printed too; `threads` holds when the server runs as
    root; `at_once` is how many tools run at a time, the others wait.
    """

    seconds: float = 60.0
    memory_bytes: int = 512 * 1024 * 1024
    file_bytes: int = 16 * 1024 * 1024
    open_files: int = 64
    threads: int = 32
    at_once: int = 4


class LocalSandbox:
    """Runs tools on this machine. `network`: whether they may reach it."""

    def __init__(self, *, limits: ToolLimits | None = None, network: bool = False) -> None:
        self._limits = limits or ToolLimits()
        self._network = network
        self._places = threading.BoundedSemaphore(self._limits.at_once)
        self._told = False

    def run(self, run: ToolRun, *, timeout_s: float) -> ToolRan:
        """Run a tool to its end, or until its time is over. Never raises for what a tool does."""
        give_up = time.monotonic() + timeout_s
        if timeout_s <= 0 or not self._places.acquire(timeout=timeout_s):
            return _error(run, "there was no time left to run it")
        try:
            seconds = min(self._limits.seconds, give_up - time.monotonic())
            return self._run(run, max(seconds, 0.1))
        finally:
            self._places.release()

    def _run(self, run: ToolRun, seconds: float) -> ToolRan:
        _close_our_memory()
        user = _user_of_its_own()
        with (
            tempfile.TemporaryDirectory(prefix="tool-", ignore_cleanup_errors=True) as folder,
            tempfile.TemporaryFile() as call,
            tempfile.TemporaryFile() as answer,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            if user is not None:
                os.chown(folder, user, user)
            call.write(json.dumps(self._call(run, seconds, user)).encode())
            call.seek(0)
            process = subprocess.Popen(  # noqa: S603  our own interpreter
                _command(answer.fileno()),
                stdin=call,
                stdout=out,
                stderr=err,
                pass_fds=(answer.fileno(),),
                cwd=folder,
                env=_environment(run, folder),
                start_new_session=True,
            )
            ended = _wait(process, seconds)
            return self._answer_of(run, ended, seconds, answer, (out, err))

    def _call(self, run: ToolRun, seconds: float, user: int | None) -> JsonObject:
        limits = self._limits
        packages = bool(run.tool.extras.get("pip_requirements"))
        return {
            "source_code": run.tool.source_code or "",
            "name": run.tool.name,
            "arguments": run.arguments,
            "environment": dict(run.environment),
            "most_chars": MOST_RETURN_CHARS,
            "shields": {
                "parent": os.getpid(),
                "cpu_s": int(seconds) + 1,
                "memory_bytes": limits.memory_bytes,
                "file_bytes": limits.file_bytes,
                "open_files": limits.open_files,
                "threads": limits.threads,
                "user": user,
                "network": self._network,
                "paths": [*_packages()] if packages else [],
            },
        }

    def _answer_of(
        self,
        run: ToolRun,
        exit_code: int | None,
        seconds: float,
        answer: IO[bytes],
        prints: tuple[IO[bytes], IO[bytes]],
    ) -> ToolRan:
        stdout, stderr = (printed(_text_of(file, MOST_PRINTED_CHARS)) for file in prints)
        if exit_code is None:
            ran = _error(run, f"it was stopped after {seconds:.0f} s, its time limit")
            return replace(ran, stdout=stdout, stderr=stderr)
        said = _text_of(answer, _LARGEST_ANSWER)
        if exit_code != 0 or not said:
            log.info("tool %s ended with %s", run.tool.id, exit_code)
            return replace(_error(run, _ending(exit_code)), stdout=stdout, stderr=stderr)
        try:
            values = json.loads(said)
        except ValueError:
            values = None
        self._tell(values)
        return replace(ran_from_json(values), stdout=stdout, stderr=stderr)

    def _tell(self, values: object) -> None:
        """Say once, in the log, what this machine cannot do for tools."""
        if self._told or not isinstance(values, dict):
            return
        self._told = True
        missing = {"landlock", "seccomp"} - set(map(str, values.get("shields", ())))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        if missing:
            log.warning("this system has no %s: tools are kept in less well", ", ".join(missing))


def _command(answer_fd: int) -> list[str]:
    """Isolated (-I), without site packages (-S), and leaving no compiled files (-B)."""
    return [sys.executable, "-I", "-S", "-B", "-c", _START, _ours(), str(answer_fd)]


def _environment(run: ToolRun, folder: str) -> dict[str, str]:
    """What a tool's process starts with; nothing of ours. Secrets come with the call (child.py)."""
    return {
        "HOME": folder,
        "LANG": "C.UTF-8",
        "LETTA_AGENT_ID": run.agent_id,
        "LETTA_TOOL_ID": run.tool.id,
        "PATH": "",
        "REMANENCE_TOOL_CALL_ID": run.tool_call_id,
        "TMPDIR": folder,
    }


def _user_of_its_own() -> int | None:
    """A user id for one run, when this is root and another user could read Python's library."""
    if os.geteuid() != 0:
        return None
    library = Path(sysconfig.get_path("stdlib"))
    if not all(path.stat().st_mode & 0o001 for path in (library, *library.parents)):
        return None
    return _FIRST_USER + secrets.randbelow(_USERS)


@cache
def _close_our_memory() -> None:
    """Where no Landlock keeps them apart, processes of one user may look into each other.

    Our environment holds the database URL: this makes it, and our memory, root's.
    """
    if sys.platform != "linux" or os.geteuid() == 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if landlock.version_of(libc) < 1:
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _packages() -> set[str]:
    """Where installed packages are, for tools with requirements (in a layer: beside ours)."""
    return {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), _ours()}


def _ours() -> str:
    return str(Path(remanence.__file__).parents[1])


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """The exit code; None when it had to be stopped. Whatever it started ends with it."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text_of(file: IO[bytes], most_bytes: int) -> str:
    file.seek(0)
    return file.read(most_bytes).decode(errors="replace")


def _ending(exit_code: int) -> str:
    match -exit_code:
        case signal.SIGXCPU | signal.SIGKILL:
            return "it was stopped: it took more computing time or memory than tools have"
        case _ if exit_code < 0:
            return f"its process crashed ({signal.Signals(-exit_code).name})"
        case _:
            return "it ended its process without an answer"


def _error(run: ToolRun, why: str) -> ToolRan:
    return ToolRan(text=f"{run.tool.name} failed: {why}", status="error")
