"""The files of one embedded Postgres: where they are, how they are first made, how it is run.

Beside the main path: `postgres.py` decides when; this module knows how. Nothing here looks at
what is running.

Root's server runs as another user, who may not search root's directories on the way to the data.
It gets the data directory as an open descriptor (/proc/self/fd/N) instead, so that no permission
of any parent directory is touched.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remanence.errors import StoreUnavailable
from remanence.local.binaries import Identity, find_binaries, identity_for

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Profile = Literal["dev", "test"]

# Superuser; owner of database and schema, without any special right, as on a hosted Postgres;
# login of the running server, whom row-level security binds.
ADMIN, OWNER, LOGIN = "remanence_admin", "remanence_owner", "remanence_login"

_LOCALE = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
# English messages in the log, and nothing of the caller's environment (PGDATA, PGPORT, ...).
_ENV = {"PATH": "/usr/bin:/bin", "LC_MESSAGES": "C", "TZ": "UTC"}
_LOG_LIMIT_BYTES = 5_000_000

# A laptop's database: small, on loopback only, reached with a password only.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_parallel_workers_per_gather": "0",
    "huge_pages": "off",
    "jit": "off",
    "log_checkpoints": "off",
}
# What is thrown away after the test need not survive a power cut.
_TEST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The files of one database cluster below `root`."""

    root: Path
    profile: Profile
    pg_bin: str

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.root / "data"

    @property
    def server_lock(self) -> Path:
        """Held by the server and each of its processes, as long as one of them lives."""
        return self.root / "server.lock"

    @property
    def port(self) -> int:
        """The port of the last start; 0 before the first."""
        try:
            return int((self.root / "port").read_text())
        except (OSError, ValueError):
            return 0

    def remember_port(self, port: int) -> None:
        """So that the next start takes the same one, and others find it."""
        _write(self.root / "port", str(port))

    @property
    def passwords(self) -> dict[str, str]:
        """Password per role; made once, readable by the user only."""
        path = self.root / "passwords.json"
        if not path.exists():
            made = {role: secrets.token_urlsafe(24) for role in (ADMIN, OWNER, LOGIN)}
            _write(path, json.dumps(made))
        return dict(json.loads(path.read_text()))

    @property
    def system_identifier(self) -> int:
        """The number that tells this cluster from all others (first field of pg_control)."""
        with (self.data / "global" / "pg_control").open("rb") as control:
            return int.from_bytes(control.read(8), sys.byteorder)

    @property
    def postmaster_pid(self) -> int:
        """What the PID file says; worth something only while the server is known to answer."""
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def log_tail(self, lines: int = 5) -> str:
        """The last lines of the server's log."""
        try:
            return "\n".join((self.root / "server.log").read_text().splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def initialize(self) -> None:
        """Make the data directory unless it is there; a half-made one never counts as made.

        Raises:
            StoreUnavailable: initdb failed.
        """
        if self.data.is_dir():
            return
        draft = self.root / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        identity = identity_for(self.data)
        program = find_binaries(self.pg_bin, identity) / "initdb"
        identity.give(draft)
        with _data_argument(draft, identity) as (argument, descriptors):
            self._run_initdb(program, argument, descriptors, identity)
        draft.rename(self.data)

    def spawn(self, port: int, lock: int) -> subprocess.Popen[bytes]:
        """Start the server on a port; it inherits the open lock and keeps it for its life."""
        identity = identity_for(self.data)
        program = find_binaries(self.pg_bin, identity) / "postgres"
        # We hold the lock, so no server runs: the file is a leftover, whatever lives under its PID.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        settings = _SETTINGS | (_TEST_SETTINGS if self.profile == "test" else {})
        options = [f"--{name}={value}" for name, value in {**settings, "port": str(port)}.items()]
        with _data_argument(self.data, identity) as (argument, descriptors), self._log() as log:
            return subprocess.Popen(  # noqa: S603  the path is ours
                [program, "-D", argument, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=_ENV,
                pass_fds=(lock, *descriptors),
                start_new_session=True,  # ctrl-C in the terminal is for us; we stop it in order
                user=identity.uid,
                group=identity.gid,
                extra_groups=identity.groups,
            )

    def _run_initdb(
        self, program: Path, data: str, descriptors: list[int], identity: Identity
    ) -> None:
        read, write = os.pipe()
        os.write(write, self.passwords[ADMIN].encode() + b"\n")
        os.close(write)
        identity.give(read)  # opening /dev/fd/N asks for the permission of the pipe's owner
        command = [
            str(program),
            *("-D", data, "-U", ADMIN, "-E", "UTF8", f"--locale={_LOCALE}"),
            *("--auth=scram-sha-256", f"--pwfile=/dev/fd/{read}", "--no-instructions"),
            *(["--no-sync"] if self.profile == "test" else []),
        ]
        try:
            done = subprocess.run(  # noqa: S603  the path is ours
                command,
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                env=_ENV,
                pass_fds=(read, *descriptors),
                user=identity.uid,
                group=identity.gid,
                extra_groups=identity.groups,
            )
        finally:
            os.close(read)
        if done.returncode:
            said = done.stderr.strip() or done.stdout.strip()
            raise StoreUnavailable(f"the embedded database could not be made:\n{said}")

    @contextmanager
    def _log(self) -> Generator[int]:
        path = self.root / "server.log"
        if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.old"))
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


@contextmanager
def _data_argument(data: Path, identity: Identity) -> Generator[tuple[str, list[int]]]:
    """How a child names the directory, and the descriptors it must inherit for that."""
    if not identity.is_other or sys.platform != "linux":
        yield str(data), []
        return
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", [descriptor]
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for this user only."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
