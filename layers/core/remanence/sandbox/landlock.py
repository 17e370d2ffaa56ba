"""Landlock: which files a process may still see. Runs in a tool's process.

Source: the kernel's Documentation/userspace-api/landlock.rst. Since Linux 5.13, without root.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

# The same numbers on every architecture.
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_RULE_PATH_BENEATH = 1
_VERSION_FLAG = 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_FILES = 1 << 0 | _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 << 15
# Making devices, sockets and pipes, and running programs, is in no rule.
_OWN_FOLDER = _WRITE_FILE | _READ_FILE | _READ_DIR | _TRUNCATE | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8
_READABLE = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
)
_FOR_NETWORK = (
    "/etc/gai.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/pki/tls",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/usr/share/ca-certificates",
)


class _Ruleset(ctypes.Structure):
    _fields_: ClassVar = [
        ("fs", ctypes.c_uint64),
        ("net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_: ClassVar = [("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


def enclose(libc: ctypes.CDLL, folder: str, *, paths: Sequence[str], network: bool) -> bool:
    """Leave only the standard library, `paths`, and `folder` to be written; whether it holds."""
    version = version_of(libc)
    if version < 1:
        return False
    handled = (1 << 13) - 1
    handled |= (1 << 13 if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    rules = _Ruleset(fs=handled, net=0, scoped=0)
    size = 8
    if version >= 4:
        size, rules.net = 16, 0 if network else 0b11  # TCP: to listen, to connect
    if version >= 6:
        size, rules.scoped = 24, 0b11  # abstract sockets and signals: only among ourselves
    ruleset = libc.syscall(_CREATE, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    readable = [*_READABLE, *_python(), *paths, *(_FOR_NETWORK if network else ())]
    for path in readable:
        _allow(libc, ruleset, path, (_READ_FILE | _READ_DIR) & handled)
    _allow(libc, ruleset, "/dev/null", (_READ_FILE | _WRITE_FILE) & handled)
    _allow(libc, ruleset, folder, _OWN_FOLDER & handled)
    holds = libc.syscall(_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return bool(holds)


def version_of(libc: ctypes.CDLL) -> int:
    """Which Landlock this kernel has; below 1: none."""
    return int(libc.syscall(_CREATE, None, 0, _VERSION_FLAG))


def _python() -> list[str]:
    """Where the running Python has its library, its native modules and its own code."""
    return [f"{prefix}/lib" for prefix in {sys.base_prefix, sys.base_exec_prefix}]


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # is not there: nothing to allow
    try:
        if not os.path.isdir(path):
            access &= _OF_FILES
        rule = _PathBeneath(allowed=access, parent_fd=fd)
        libc.syscall(_ADD, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(fd)
