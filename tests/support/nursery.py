"""Workers as processes that can be killed, forked in milliseconds from one that imported it all.

    with Nursery.started() as nursery:
        job = nursery.run({"do": "advance", ...})
        job.wait()            # its exit status; negative: the signal that killed it
        job.said("reach")     # what it told, in order

`python -m support.nursery` is the other side: it reads one JSON object per line, forks, runs
`support.fault_jobs.run` in the child, and passes on what the child tells as lines of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

WAIT_S = 60.0
TESTS = Path(__file__).parents[1]


@dataclass
class Job:
    """One worker process."""

    number: int
    changed: threading.Condition
    pid: int | None = None
    status: int | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    die_at: int = 0

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """Its exit status once it is gone."""
        self.wait_until(lambda: self.status is not None, timeout_s)
        assert self.status is not None
        return self.status

    def wait_for(self, key: str, value: Any = None) -> None:
        """Return once it told `key` (with this value, if one is given)."""
        self.wait_until(lambda: value in self.said(key) if value else bool(self.said(key)))

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        with self.changed:
            if not self.changed.wait_for(is_so, timeout_s):
                raise TimeoutError(f"worker {self.number} said {self.lines[-5:]}")

    def said(self, key: str) -> list[Any]:
        """The values it told under `key`, in order."""
        return [line[key] for line in list(self.lines) if key in line]

    def signal(self, number: int) -> None:
        self.wait_until(lambda: self.pid is not None)
        assert self.pid is not None
        os.kill(self.pid, number)

    def wait_until_stopped(self) -> None:
        """Return once the process stands still after SIGSTOP."""
        self.wait_until(lambda: self.pid is not None)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
            if stat.rpartition(")")[2].split()[0] == "T":
                return
            time.sleep(0.001)
        raise TimeoutError(f"worker {self.number} does not stand still")


class Nursery:
    """The process that forks workers, from the outside."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._jobs: dict[int, Job] = {}
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    @contextmanager
    def started(cls) -> Generator[Nursery]:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=TESTS,
        )
        nursery = cls(process)
        try:
            yield nursery
        finally:
            nursery.close()

    def close(self) -> None:
        """End it and every worker that is left."""
        for job in self._jobs.values():
            if job.status is None and job.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(job.pid, signal.SIGKILL)
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)
        if self._process.stdout:
            self._process.stdout.close()

    def run(self, spec: dict[str, Any]) -> Job:
        """Start a worker; returns at once."""
        job = Job(len(self._jobs) + 1, self._changed, die_at=spec.get("die_at", 0))
        self._jobs[job.number] = job
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"job": job.number, **spec}).encode() + b"\n")
        self._process.stdin.flush()
        return job

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            said = json.loads(line)
            job = self._jobs[said.pop("job")]
            with self._changed:
                if "pid" in said:
                    job.pid = said["pid"]
                elif "status" in said:
                    job.status = said["status"]
                else:
                    job.lines.append(said)
                self._changed.notify_all()


# --- the other side ---------------------------------------------------------------------------


def _tell(said: dict[str, Any]) -> None:
    """One line, in one write: whole even when several workers speak."""
    os.write(1, json.dumps(said).encode() + b"\n")


def _child(spec: dict[str, Any], run: Callable[..., None]) -> None:
    number = spec.pop("job")
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run(spec, lambda **said: _tell({"job": number, **said}))
        code = 0
    except BaseException:  # noqa: BLE001  a child never comes back from here
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        _tell({"job": children.pop(pid), "status": os.waitstatus_to_exitcode(status)})


def main() -> None:
    # Everything a worker needs, imported once; the parent's side needs none of it.
    from support.fault_jobs import run  # noqa: PLC0415

    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    gc.disable()  # a collection would touch, and so copy, every page of the parent
    gc.freeze()
    children: dict[int, int] = {}
    rest = b""
    while True:
        readable, _, _ = select.select([0, wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
            _reap(children)
        if 0 not in readable:
            continue
        data = os.read(0, 65_536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            spec = json.loads(line)
            number = spec["job"]
            pid = os.fork()
            if pid == 0:
                _child(spec, run)
            children[pid] = number
            _tell({"job": number, "pid": pid})


if __name__ == "__main__":
    main()
