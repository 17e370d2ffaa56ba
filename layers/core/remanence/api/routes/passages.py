"""Searching passages over all archives, one archive, or those of one agent."""

from fastapi import APIRouter

from remanence.api.deps import ThisCall
from remanence.api.ids import check_id
from remanence.api.wire.passages import PassageSearch, ScoredPassage, scored_to_wire
from remanence.core.search_tools import hits_in_budget

router = APIRouter(tags=["passages"])


@router.post("/v1/passages/search")
def search_passages(body: PassageSearch, call: ThisCall) -> list[ScoredPassage]:
    """Search passages by words and by meaning, best first."""
    if body.agent_id is not None:
        check_id("agent", body.agent_id, field="agent_id")
    if body.archive_id is not None:
        check_id("archive", body.archive_id, field="archive_id")
    found = call.archival.search(call.org_id, body.to_query())
    fitting = hits_in_budget(found, body.budget_tokens)
    return [scored_to_wire(hit, call.org_id) for hit in fitting]
