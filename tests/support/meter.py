"""What work costs: CPU of this process and of a Postgres backend, WAL, statements, bytes, time."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remanence.db.migrate import migrate
from remanence.local.cluster import LOGIN
from remanence.local.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Generator

    import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def durable_postgres() -> Generator[EmbeddedPostgres]:
    """A migrated Postgres that writes its log as a real one does: synced, with full pages."""
    home = Path(tempfile.mkdtemp(prefix="remanence-perf-"))
    pg = EmbeddedPostgres(home, "dev", pg_bin=os.environ.get("PG_BIN", ""))
    try:
        pg.start()
        migrate(pg.owner_uri, login_roles=[LOGIN])
        yield pg
    finally:
        pg.stop()
        shutil.rmtree(home, ignore_errors=True)


def backend_cpu_s(pid: int) -> float:
    """User and system time of a process on this machine, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass
class Cost:
    """What `count` pieces of work took together."""

    count: int
    wall_s: float
    client_s: float
    backend_s: float
    wal_bytes: int

    @property
    def wal_kb(self) -> float:
        """Kilobytes of write-ahead log, each."""
        return self.wal_bytes / self.count / 1024

    def __str__(self) -> str:
        client_ms, backend_ms = (1000 * s / self.count for s in (self.client_s, self.backend_s))
        return (
            f"{self.count / self.wall_s:7.0f}/s   each: client {client_ms:5.2f} ms CPU"
            f"   Postgres {backend_ms:5.2f} ms CPU   WAL {self.wal_kb:5.2f} KB"
        )


class Meter:
    """Measures what one connection's backend, this process and the log do between two moments."""

    def __init__(self, admin: psycopg.Connection, backends: list[int]) -> None:
        self._admin = admin
        self._backends = backends
        self._start = self._now()

    def _now(self) -> tuple[float, float, float, int]:
        row = self._admin.execute(
            "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
        ).fetchone()
        assert row is not None
        return (
            time.perf_counter(),
            time.process_time(),
            sum(backend_cpu_s(pid) for pid in self._backends),
            row[0],
        )

    def cost(self, count: int) -> Cost:
        """Of everything since the start."""
        wall, client, backend, wal = (
            now - then for now, then in zip(self._now(), self._start, strict=True)
        )
        return Cost(count, wall, client, backend, int(wal))
