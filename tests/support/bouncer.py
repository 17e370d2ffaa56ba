"""A real pgbouncer in transaction mode, as hosted databases put one in front of Postgres."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg

from remanence.local.binaries import identity_for
from remanence.local.cluster import ADMIN, LOGIN, OWNER

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from remanence.local.postgres import EmbeddedPostgres

_CONFIG = """
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {pool_size}
max_client_conn = 300
logfile = {folder}/bouncer.log
"""


@dataclass(frozen=True, slots=True)
class Bouncer:
    """A running pgbouncer."""

    port: int

    def uri(self, direct_uri: str) -> str:
        """The same database and role as `direct_uri`, through the pooler."""
        parts = urlsplit(direct_uri)
        return parts._replace(netloc=parts.netloc.rsplit(":", 1)[0] + f":{self.port}").geturl()

    @classmethod
    @contextmanager
    def started(
        cls,
        program: str,
        pg: EmbeddedPostgres,
        *,
        mode: str = "transaction",
        pool_size: int = 2,
        port: int = 0,
        users: Mapping[str, str] = MappingProxyType({}),
    ) -> Generator[Bouncer]:
        """Run a pooler for all databases of `pg` until the block ends; 0 is any free port.

        `users` are passwords of further roles, by name.
        """
        folder = Path(tempfile.mkdtemp(prefix="remanence-bouncer-"))
        identity = identity_for(folder)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            port = probe.getsockname()[1]
        _write_config(folder, pg, port=port, mode=mode, pool_size=pool_size, users=users)
        for path in (folder, *folder.iterdir()):
            identity.give(path)
        process = subprocess.Popen(
            [program, "-q", str(folder / "bouncer.ini")],
            cwd=folder,
            user=identity.uid,
            group=identity.gid,
            extra_groups=identity.groups,
        )
        try:
            _wait_until_it_answers(cls(port), pg, process)
            yield cls(port)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(folder)


def pgbouncer_program() -> str | None:
    """Where pgbouncer is, also when /usr/sbin is not on the path."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def _write_config(
    folder: Path,
    pg: EmbeddedPostgres,
    *,
    port: int,
    mode: str,
    pool_size: int,
    users: Mapping[str, str],
) -> None:
    passwords = dict(users)
    for role in (ADMIN, OWNER, LOGIN):
        parts = urlsplit(pg.uri(role))
        passwords[role] = str(parts.password)
        server_port = parts.port
    lines = [f'"{role}" "{password}"\n' for role, password in passwords.items()]
    (folder / "users.txt").write_text("".join(lines))
    (folder / "bouncer.ini").write_text(
        _CONFIG.format(
            server_port=server_port, port=port, folder=folder, mode=mode, pool_size=pool_size
        )
    )


def _wait_until_it_answers(
    bouncer: Bouncer, pg: EmbeddedPostgres, process: subprocess.Popen[bytes]
) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            # Not the template: the pooler keeps its connections, and a template must have none.
            psycopg.connect(bouncer.uri(pg.uri(ADMIN, "postgres")), connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
