"""Performing what tool calls asked to be looked up: searches, and vectors of texts to keep.

Path: engine.step -> find_all -> core.step.apply_reply. A lookup that fails becomes a finding the
model can read; it never fails the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.calls import Embedded, Failed, Finding, Found, Lookup
from remanence.core.search_tools import ArchivalInsert, ArchivalSearch, ConversationSearch
from remanence.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.types import State
    from remanence.engine.ports import Models, Recall


def find_all(
    lookups: Sequence[Lookup], state: State, recall: Recall, models: Models, *, deadline: float
) -> dict[str, Finding]:
    """One finding per lookup, by tool_call_id.

    Args:
        lookups: what the calls of a reply asked for.
        state: whose memory is searched.
        recall: the search.
        models: makes vectors, if the agent has an embedding model.
        deadline: seconds of `time.monotonic`.
    """
    findings: dict[str, Finding] = {}
    for lookup in lookups:
        try:
            findings[lookup.tool_call_id] = _find(lookup, state, recall, models, deadline)
        except AppError as error:
            findings[lookup.tool_call_id] = Failed(text=f"The search failed: {error.message}")
    return findings


def _find(lookup: Lookup, state: State, recall: Recall, models: Models, deadline: float) -> Finding:
    match lookup:
        case ArchivalInsert():
            return _embedded(lookup.text, state, models, deadline)
        case ArchivalSearch():
            query = _embedded(lookup.query, state, models, deadline)
            hits = recall.search_passages(
                state.org_id,
                agent_id=state.agent.id,
                query=lookup.query,
                query_embedding=query.vector,
                embedding_model=query.model,
                tags=lookup.tags,
                tag_match_mode=lookup.tag_match_mode,
                limit=lookup.top_k,
                start=lookup.start,
                end=lookup.end,
            )
            return Found(passages=tuple(hits))
        case ConversationSearch():
            heard = recall.search_messages(
                state.org_id,
                agent_id=state.agent.id,
                query=lookup.query,
                roles=lookup.roles,
                limit=lookup.limit,
                start=lookup.start,
                end=lookup.end,
                in_view=(state.conversation.id, state.conversation.window_from_seq),
            )
            return Found(messages=tuple(heard))


def _embedded(text: str, state: State, models: Models, deadline: float) -> Embedded:
    """The vector of a text, or none: words find a passage too, so a failure costs only rank."""
    handle = state.agent.embedding
    if handle is None or not text.strip():
        return Embedded()
    try:
        vectors = models.embed(handle, [text], deadline=deadline)
    except AppError:
        return Embedded()
    return Embedded(vector=tuple(vectors[0]), model=handle)
