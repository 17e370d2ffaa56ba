"""What a tool's process gives up before it reads the first line of a tool. Runs in that process.

Path: child.main -> raise_shields. Standard library only. Each shield is kept by the kernel and
cannot be lowered again; where the kernel has one of them not, the rest still hold, and the
answer says which were raised.

    limits     CPU seconds, memory, size of files, open files, threads; no core dump
    user       started by root: another user, or at least no capability
    landlock   only the standard library, and the tool's own folder, can be read; nothing else
               written; no process outside can be looked into or signalled
    seccomp    no sockets, no new processes, no programs, no signals to others, no tracing
    audit      Python's own calls to the same effect fail with a readable reason
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

from remanence.sandbox import landlock, seccomp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_NETWORK_EVENTS = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.sendmsg",
        "socket.sendto",
    }
)
_PROCESS_EVENTS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.kill",
        "os.killpg",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "pty.spawn",
        "subprocess.Popen",
    }
)
# Ways around the audit hook, which only close where the kernel does not stand behind it.
_NATIVE_EVENTS = frozenset({"ctypes.dlopen", "ctypes.dlsym", "ctypes.dlsym/handle"})


def raise_shields(wanted: Mapping[str, Any], folder: str) -> list[str]:
    """Give up what a tool does not need.

    Args:
        wanted: `parent`, the process that waits for it; cpu_s, memory_bytes, file_bytes,
            open_files, threads; `network` (bool);
            `user`, a user id to become when started by root, or None; `paths`, where packages
            are.
        folder: the tool's own; all it may write.

    Returns:
        The names of the shields that hold.
    """
    held = ["limits"]
    _limit(wanted)
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and _leave_root(libc, wanted["user"]):
        held.append("user")
    if sys.platform == "linux":
        _end_with(libc, wanted["parent"])
    if sys.platform == "linux" and libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        network = bool(wanted["network"])
        if landlock.enclose(libc, folder, paths=wanted["paths"], network=network):
            held.append("landlock")
        if seccomp.refuse_calls(libc, network=network):
            held.append("seccomp")
    sys.addaudithook(_auditor(network=wanted["network"], native="seccomp" in held))
    return [*held, "audit"]


def _limit(wanted: Mapping[str, Any]) -> None:
    _at_most(resource.RLIMIT_CPU, wanted["cpu_s"])
    _at_most(resource.RLIMIT_FSIZE, wanted["file_bytes"])
    _at_most(resource.RLIMIT_NOFILE, wanted["open_files"])
    _at_most(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":  # elsewhere the kernel does not keep them, or counts otherwise
        _at_most(resource.RLIMIT_AS, wanted["memory_bytes"])
        _at_most(resource.RLIMIT_MSGQUEUE, 0)
        if wanted["user"] is not None:  # counts a user's threads: only with a user of its own
            _at_most(resource.RLIMIT_NPROC, wanted["threads"])


def _at_most(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _leave_root(libc: ctypes.CDLL, user: int | None) -> bool:
    if user is not None:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        return True
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    return bool(libc.capset(header, nothing) == 0)


def _end_with(libc: ctypes.CDLL, parent: int) -> None:
    """End when the process that waits for the answer ends: nobody else would stop it."""
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _auditor(*, network: bool, native: bool) -> Callable[[str, tuple[Any, ...]], None]:
    network_events = frozenset[str]() if network else _NETWORK_EVENTS
    native_events = frozenset[str]() if native else _NATIVE_EVENTS

    def refuse(event: str, _args: tuple[Any, ...]) -> None:
        if event in network_events:
            raise PermissionError("tools have no network here")
        if event in _PROCESS_EVENTS:
            raise PermissionError("tools may not start, stop or signal processes")
        if event in native_events:
            raise PermissionError("tools may not load native libraries here")

    return refuse
