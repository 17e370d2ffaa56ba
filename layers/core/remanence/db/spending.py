"""The ledger in the database: what is reserved, what was used, and the caps.

Path: engine.spend -> reserve; api/routes/usage.py -> the rest. A step enters its own cost when it
is committed (remanence.enter_step_v1). Each method is one round trip.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from remanence.core.spend import Caps, Granted, Limit, Refused, Unpriced, UsageRow
from remanence.db.rows import usage_from_row
from remanence.db.storable import storable_json
from remanence.errors import NotFound

if TYPE_CHECKING:
    from datetime import date

    from remanence.core.exchange import JsonObject, Usage
    from remanence.core.ids import OrgId
    from remanence.core.spend import Forecast, Spend
    from remanence.db.queries import Queries, Row

# More rows than this are no overview; a caller asks for fewer days.
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Which calls, and what is told apart of them. Days are UTC; `end_day` is not included."""

    agent_id: str | None = None
    model: str | None = None
    start_day: date | None = None
    end_day: date | None = None
    by_day: bool = False
    by_agent: bool = False
    by_model: bool = False


class Spending:
    """Implements `engine.ports.Ledger`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def reserve(  # noqa: PLR0913  who asks, and for what
        self,
        org_id: OrgId,
        forecast: Forecast,
        *,
        agent_id: str,
        run_id: str,
        step_id: str,
        least_answer_tokens: int,
        hold_ms: int,
    ) -> Granted | Refused | Unpriced:
        """See `engine.ports.Ledger`."""
        call = {
            "org_id": org_id,
            "agent_id": agent_id,
            "run_id": run_id,
            "step_id": step_id,
            "prompt_tokens": forecast.prompt_tokens,
            "prompt_usd_micros": forecast.prompt_usd_micros,
            "answer_tokens": forecast.answer_tokens,
            "answer_usd_micros": forecast.price.output if forecast.price else 0,
            "least_answer_tokens": least_answer_tokens,
            "hold_ms": hold_ms,
        }
        answer: Row = self._queries.call("reserve_spend", call=storable_json(call))
        match answer.pop("outcome"):
            case "ok":
                return Granted(answer_tokens=answer["answer_tokens"])
            case "unpriced":
                return Unpriced(scope=answer["scope"])
            case _:
                return Refused(**answer)

    def record(
        self, org_id: OrgId, spend: Spend, usage: Usage, *, agent_id: str, step_id: str
    ) -> None:
        """See `engine.ports.Ledger`."""
        call: Row = {"org_id": org_id, "agent_id": agent_id, "step_id": step_id}
        call |= asdict(usage) | {"model": spend.model, "usd_micros": spend.usd_micros}
        self._queries.call("record_spend", call=storable_json(call))

    def release(self, org_id: OrgId, *, step_id: str) -> None:
        """See `engine.ports.Ledger`."""
        self._queries.rows("release_spend", org_id, step_id=step_id)

    def load_caps(self, org_id: OrgId, agent_id: str | None) -> tuple[Caps, str | None]:
        """The caps of an agent and its model, or those of the organization.

        Raises:
            NotFound: no such agent.
        """
        row = self._queries.one("load_caps", org_id, agent_id=agent_id)
        if row is None:
            raise NotFound("agent", agent_id or "")
        return caps_from_row(row["caps"]), row["model"]

    def set_caps(self, org_id: OrgId, agent_id: str | None, caps: Caps) -> None:
        """Replace the caps of an agent, or of the organization.

        Raises:
            NotFound: no such agent.
        """
        stored = caps_to_row(caps)
        text = json.dumps(stored) if stored else None
        if agent_id is None:
            self._queries.rows("update_org_caps", org_id, caps=text)
        elif not self._queries.rows("update_agent_caps", org_id, agent_id=agent_id, caps=text):
            raise NotFound("agent", agent_id)

    def list_usage(self, org_id: OrgId, wanted: UsageFilter) -> list[UsageRow]:
        """What was used, one row for each of what is told apart."""
        rows = self._queries.rows("list_usage", org_id, **asdict(wanted), row_limit=MOST_ROWS)
        return [_usage_row(row) for row in rows]


def caps_from_row(row: JsonObject | None) -> Caps:
    """Caps as stored."""
    given: dict[str, Any] = row or {}
    return Caps(**{period: Limit(**limit) for period, limit in given.items()})


def caps_to_row(caps: Caps) -> JsonObject:
    """Caps as stored: without what is not capped."""
    row: JsonObject = {}
    for period, limit in asdict(caps).items():
        given = {unit: amount for unit, amount in limit.items() if amount is not None}
        if given:
            row[period] = given
    return row


def _usage_row(row: Row) -> UsageRow:
    return UsageRow(
        day=row["day"],
        agent_id=row["agent_id"],
        model=row["model"],
        calls=row["calls"],
        usage=usage_from_row(row),
        usd_micros=row["usd_micros"],
        unpriced_tokens=row["unpriced_tokens"],
    )
