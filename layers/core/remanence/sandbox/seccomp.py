"""Seccomp: which system calls a process may still make. Runs in a tool's process.

A filter of the classic BPF kind that refuses what reaches out of the process, and lets the rest
pass: a list of what is allowed would break with every new C library. Numbers: the kernel's
tables (x86: syscall_64.tbl, arm64: asm-generic/unistd.h).
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import ClassVar

_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_LOAD, _JUMP_EQUAL, _JUMP_SET, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
# Offsets in struct seccomp_data.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000

_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# call -> its numbers on x86_64 and aarch64 (None: there is no such call).
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
}
_SOCKET = (41, 198)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_TGKILL = (234, 131)
_PRLIMIT = (302, 261)


class _Instruction(ctypes.Structure):
    _fields_: ClassVar = [
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_: ClassVar = [("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction))]


def refuse_calls(libc: ctypes.CDLL, *, network: bool) -> bool:
    """Refuse calls that reach out of the process, from now on; whether it holds."""
    machine = os.uname().machine
    if machine not in _AUDIT_ARCHITECTURES or sys.maxsize < 2**32:
        return False
    instructions = _filter(machine, os.getpid(), network=network)
    array = (_Instruction * len(instructions))(*instructions)
    program = _Program(len(instructions), array)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _filter(machine: str, pid: int, *, network: bool) -> list[_Instruction]:
    column = list(_AUDIT_ARCHITECTURES).index(machine)
    denied = _Instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM)
    refused = [numbers[column] for numbers in _REFUSED.values()]
    if not network:
        refused.append(_SOCKET[column])
    steps = [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        _Instruction(_JUMP_EQUAL, 1, 0, _AUDIT_ARCHITECTURES[machine]),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        steps += [_Instruction(_JUMP_AT_LEAST, 0, 1, _X32), denied]
    for number in refused:
        if number is not None:
            steps += [_Instruction(_JUMP_EQUAL, 0, 1, number), denied]
    # Threads, but no processes. The C library falls back to clone when there is no clone3, whose
    # arguments a filter cannot see.
    steps += [
        _Instruction(_JUMP_EQUAL, 0, 1, _CLONE3[column]),
        _Instruction(_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        _Instruction(_JUMP_EQUAL, 0, 4, _CLONE[column]),
        _Instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
        _Instruction(_JUMP_SET, 1, 0, _CLONE_THREAD),
        denied,
        _Instruction(_RETURN, 0, 0, _ALLOW),
    ]
    # Signals to itself, its own limits.
    for number, own in ((_TGKILL[column], pid), (_PRLIMIT[column], 0)):
        steps += [
            _Instruction(_JUMP_EQUAL, 0, 4, number),
            _Instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
            _Instruction(_JUMP_EQUAL, 1, 0, own),
            denied,
            _Instruction(_RETURN, 0, 0, _ALLOW),
        ]
    return [*steps, _Instruction(_RETURN, 0, 0, _ALLOW)]
