"""The SQL files, and the one way to run them.

Every statement of the project is a file in `db/sql/`, named as the method that runs it.
A call is one round trip: the statement travels behind the one that puts its transaction into
the caller's organization (row-level security), as one pipeline with one Sync.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, LiteralString, Protocol, TypeVar, cast

from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Callable

    from psycopg import Connection

T = TypeVar("T")
Row = dict[str, Any]


class ConnectionSource(Protocol):
    """Where a connection comes from: one per Lambda environment, a pool in a server."""

    def run(self, work: Callable[[Connection], T]) -> T:
        """Give `work` a connection in autocommit mode.

        `work` is called once more, on a fresh connection, when the first turned out to be dead:
        so it must be safe to repeat.

        Raises:
            StoreUnavailable: the database cannot be reached.
            StoreError: it refused the statement.
        """
        ...


@cache
def sql(name: str) -> LiteralString:
    """The statement of `db/sql/<name>.sql`."""
    text = (files("remanence.db") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    # A file of this package is as literal as a string in it (mypy does not tell the two apart).
    return cast("LiteralString", text)  # type: ignore[redundant-cast]


class Queries:
    """Runs the SQL files over a source of connections."""

    def __init__(
        self, source: ConnectionSource, *, correlation_id: Callable[[], str] = str
    ) -> None:
        self._source = source
        self._correlation_id = correlation_id

    def rows(self, name: str, org_id: str, **params: object) -> list[Row]:
        """All rows of statement `name`, run in an organization: one round trip."""

        def work(conn: Connection) -> list[Row]:
            with conn.pipeline():
                conn.execute(sql("enter_org"), {"org_id": org_id})
                cursor = conn.cursor(row_factory=dict_row).execute(self._marked(name), params)
            return cursor.fetchall() if cursor.description else []

        return self._source.run(work)

    def one(self, name: str, org_id: str, **params: object) -> Row | None:
        """The first row of statement `name`, or None."""
        found = self.rows(name, org_id, **params)
        return found[0] if found else None

    def check_ready(self, org_id: str) -> None:
        """One round trip that needs the run-time role and the schema, and reads nothing.

        Raises:
            StoreError: the database is away, or is not as it has to be.
        """
        self.rows("check_ready", org_id)

    def call_in_turn(self, name: str, params: Row, then: str, make: Callable[[Any], Row]) -> Any:
        """The single value of `then`, called with what `make` makes of the value of `name`.

        Both run in one transaction, so what the first has locked stays locked: two round trips.
        `make` must be quick, and is called again when the connection breaks; it has to tell from
        what it is given whether the first time came through.
        """

        def work(conn: Connection) -> Any:
            with conn.pipeline() as pipeline:
                conn.execute("begin")
                first = conn.execute(self._marked(name), params)
                pipeline.sync()
                row = first.fetchone()
                second = conn.execute(self._marked(then), make(row[0] if row else None))
                conn.execute("commit")
            row = second.fetchone()
            return row[0] if row else None

        return self._source.run(work)

    def call(self, name: str, **params: object) -> Any:
        """The single value of a statement that enters its organization itself: one round trip."""

        def work(conn: Connection) -> Any:
            row = conn.execute(self._marked(name), params).fetchone()
            return row[0] if row else None

        return self._source.run(work)

    def _marked(self, name: str) -> LiteralString:
        """The statement behind a comment with the request's id, if it has one.

        A comment, because it needs no session: it passes through any pooler, and shows in the
        server's activity view and log. `correlation.py` leaves nothing in an id that could end it.
        """
        mark = self._correlation_id()
        if not mark:
            return sql(name)
        # What is not of this package in it has no character that SQL knows.
        return cast("LiteralString", f"/* {mark} */ {sql(name)}")  # type: ignore[redundant-cast]
