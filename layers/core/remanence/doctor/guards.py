"""Whether row-level security really holds, and what the Data API's roles could see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.db.inspection import (
    DATA_API_ROLES,
    SHARED_TABLES,
    is_published,
    open_to,
    read_guards,
    visible_to_nobody,
)
from remanence.db.roles import RUNTIME_ROLE
from remanence.doctor.findings import fail, ok, skip

if TYPE_CHECKING:
    from remanence.db.connect import Connection
    from remanence.doctor.findings import Finding

_MOST_NAMES = 4


def judge_rls(conn: Connection) -> Finding:
    """Every table guarded by policies for the run-time role only, and nothing visible to nobody.

    Ends the role it runs as: it wants a transaction of its own.
    """
    guards = read_guards(conn)
    if not guards:
        return skip("rls", "there are no tables yet")
    off = [guard.table for guard in guards if not guard.has_rls]
    if off:
        return fail(
            "rls",
            f"row-level security is off on {_names(off)}",
            f"as the owner run: alter table remanence.{off[0]} enable row level security",
        )
    odd = [guard.table for guard in guards if set(guard.policy_roles) != {RUNTIME_ROLE}]
    if odd:
        return fail(
            "rls",
            f"the policies of {_names(odd)} are not those of the migrations",
            "compare `\\d remanence.<table>` with infra/schema.sql, and restore them as the owner",
        )
    shown = visible_to_nobody(conn, [g.table for g in guards if g.table not in SHARED_TABLES])
    if shown:
        return fail(
            "rls",
            f"rows of {_names(shown)} are visible in an organization that nobody has",
            "compare the policies with infra/schema.sql, and restore them as the owner",
        )
    return ok("rls", f"on for all {len(guards)} tables; a stranger sees none of their rows")


def judge_exposure(conn: Connection) -> Finding:
    """Whether the roles of a Data API reach our schema."""
    if is_published(conn):
        return fail(
            "data api",
            "the schema remanence is among those that the Data API serves",
            "take it off the exposed schemas (Supabase: Settings, Data API)",
        )
    reached = {role: open_to(conn, role) for role in DATA_API_ROLES}
    for role, names in reached.items():
        if names:
            return fail(
                "data api",
                f"{role} reaches {_names(names)}",
                f"as the owner run: revoke all on schema remanence from public, {role}",
            )
    there = [role for role, names in reached.items() if names is not None]
    if not there:
        return ok("data api", "no role of one here")
    return ok("data api", f"{' and '.join(there)} reach nothing of the schema")


def _names(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
