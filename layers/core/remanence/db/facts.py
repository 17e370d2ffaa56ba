"""The facts of agents in the database: what is to be read, what is known, what came of it.

Path: engine.facts -> PostgresFacts -> db/sql. Each method is one round trip, and may be repeated.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from remanence.core.facts import Fact, KnownFact, Trust, fact_metadata, gist_hash
from remanence.core.ids import OrgId
from remanence.core.read_facts import FactsDue, FactSpan, KnownFacts
from remanence.db.rows import instant, message_from_row
from remanence.db.storable import storable_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.archival import NewText
    from remanence.core.fact_merge import FactChanges
    from remanence.db.queries import Queries, Row


class PostgresFacts:
    """Implements `engine.sweep_ports.FactStore`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def list_facts_due(self, *, limit: int) -> list[FactsDue]:
        """See `engine.sweep_ports.FactStore`."""
        found = self._queries.call("list_facts_due", limit=limit)
        return [
            FactsDue(org_id=OrgId(row["org_id"]), conversation_id=row["conversation_id"])
            for row in found
        ]

    def claim_facts(
        self, due: FactsDue, *, hold_ms: int, share: float, most_attempts: int
    ) -> FactSpan | None:
        """See `engine.sweep_ports.FactStore`."""
        answer = self._call(
            "claim_facts",
            org_id=due.org_id,
            conversation_id=due.conversation_id,
            hold_ms=hold_ms,
            share=share,
            most_attempts=most_attempts,
        )
        if answer["outcome"] != "ok":
            return None
        return FactSpan(
            org_id=due.org_id,
            conversation_id=due.conversation_id,
            base_seq=answer["base_seq"],
            through_seq=answer["through_seq"],
            messages=tuple(message_from_row(message) for message in answer["messages"]),
        )

    def load_known_facts(self, org_id: OrgId, agent_id: str, facts: Sequence[Fact]) -> KnownFacts:
        """See `engine.sweep_ports.FactStore`."""
        row = self._queries.one(
            "load_known_facts",
            org_id,
            agent_id=agent_id,
            gists=[gist_hash(fact.gist) for fact in facts],
            keys=[fact.key for fact in facts if fact.key is not None],
        )
        if row is None:
            return KnownFacts(archive_id=None, version=0, facts=())
        return KnownFacts(
            archive_id=row["archive_id"],
            version=row["facts_version"],
            facts=tuple(_known(each) for each in row["facts"]),
        )

    def commit_facts(
        self,
        span: FactSpan,
        known: KnownFacts,
        changes: FactChanges,
        *,
        texts: Sequence[NewText],
        new_archive_id: str,
    ) -> bool:
        """See `engine.sweep_ports.FactStore`."""
        vectors = {text.id: text.vector for text in texts}
        created = [_row(each) for each in changes.created]
        for row in created:
            vector = vectors[row["id"]]
            row["embedding"] = list(vector.values) if vector else None
            row["embedding_model"] = vector.model if vector else None
        answer = self._call(
            "commit_facts",
            org_id=span.org_id,
            conversation_id=span.conversation_id,
            base_seq=span.base_seq,
            through_seq=span.through_seq,
            archive_id=known.archive_id,
            facts_version=known.version,
            new_archive_id=new_archive_id,
            created=created,
            changed=[_row(each) for each in changes.changed],
        )
        return bool(answer["outcome"] != "stale")

    def _call(self, name: str, **call: object) -> Row:
        answer: Row = self._queries.call(name, call=storable_json(call))
        return answer


def _known(row: Row) -> KnownFact:
    fact = Fact(
        text=row["text"],
        kind=row["kind"],
        key=row["key"],
        entities=tuple(row["entities"]),
        source_ids=tuple(row["source_ids"]),
        trust=Trust(row["trust"]),
        valid_from=datetime.fromisoformat(row["valid_from"]),
        valid_to=instant(row["valid_to"]),
        said_at=datetime.fromisoformat(row["said_at"]),
    )
    return KnownFact(passage_id=row["passage_id"], fact=fact)


def _row(known: KnownFact) -> dict[str, Any]:
    fact = known.fact
    return {
        "id": known.passage_id,
        "text": fact.text,
        "created_at": fact.said_at.isoformat(),
        "tags": [],
        "metadata": fact_metadata(fact),
        "kind": fact.kind,
        "key": fact.key,
        "gist": gist_hash(fact.gist),
        "entities": list(fact.entities),
        "trust": fact.trust.value,
        "said_at": fact.said_at.isoformat(),
        "source_ids": list(fact.source_ids),
    }
