"""Performing what tool calls asked for: searches, vectors of texts to keep, custom tools.

Path: engine.step -> find_all -> core.step.apply_reply. A lookup that fails becomes a finding the
model can read; it never fails the step. Custom tools are only asked for once the reply that
calls them is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from remanence.core.custom_tools import ToolRun
from remanence.core.expansion import Expand
from remanence.core.findings import Embedded, Expanded, Failed, Finding, Found, Lookup
from remanence.core.search_tools import (
    ArchivalInsert,
    ArchivalSearch,
    ConversationSearch,
    hits_in_budget,
)
from remanence.engine.archival import log_no_vector
from remanence.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remanence.core.types import State
    from remanence.engine.custom import CustomTools
    from remanence.engine.ports import Models, Recall

NO_CUSTOM_TOOLS = "This server runs no custom tools."


class Finders(Protocol):
    """What lookups are made with; EngineDeps is one."""

    @property
    def recall(self) -> Recall:
        """The search."""
        ...

    @property
    def models(self) -> Models:
        """Makes vectors, if the agent has an embedding model."""
        ...

    @property
    def custom_tools(self) -> CustomTools | None:
        """Runs custom tools; None: this server runs none."""
        ...

    @property
    def monotonic(self) -> Callable[[], float]:
        """The clock deadlines are counted in."""
        ...


def find_all(
    lookups: Sequence[Lookup], state: State, finders: Finders, *, deadline: float
) -> dict[str, Finding]:
    """One finding per lookup, by tool_call_id.

    Args:
        lookups: what the calls of a reply asked for.
        state: whose memory is searched.
        finders: what they are made with.
        deadline: seconds of `finders.monotonic`.
    """
    findings: dict[str, Finding] = {}
    for lookup in lookups:
        try:
            findings[lookup.tool_call_id] = _find(lookup, state, finders, deadline)
        except AppError as error:
            what = lookup.tool.name if isinstance(lookup, ToolRun) else "The search"
            findings[lookup.tool_call_id] = Failed(text=f"{what} failed: {error.message}")
    return findings


def _find(lookup: Lookup, state: State, finders: Finders, deadline: float) -> Finding:
    recall, models = finders.recall, finders.models
    match lookup:
        case ToolRun():
            if finders.custom_tools is None:
                return Failed(text=NO_CUSTOM_TOOLS)
            left_s = deadline - finders.monotonic()
            return finders.custom_tools.run(state.org_id, lookup, timeout_s=left_s)
        case ArchivalInsert():
            return _embedded(lookup.text, _archive_model(state, recall), models, deadline)
        case ArchivalSearch():
            query = _embedded(lookup.query, _archive_model(state, recall), models, deadline)
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
                as_of=lookup.as_of,
            )
            return Found(passages=tuple(hits_in_budget(hits, lookup.budget_tokens)))
        case ConversationSearch():
            asked = _embedded(lookup.query, state.agent.embedding, models, deadline)
            heard = recall.search_messages(
                state.org_id,
                agent_id=state.agent.id,
                query=lookup.query,
                roles=lookup.roles,
                limit=lookup.limit,
                start=lookup.start,
                end=lookup.end,
                vector=asked.as_vector(),
                in_view=(state.conversation.id, state.conversation.window_from_seq),
            )
            return Found(messages=tuple(hits_in_budget(heard, lookup.budget_tokens)))
        case Expand():
            return Expanded(
                expansion=recall.expand(
                    state.org_id,
                    state.conversation.id,
                    summary_id=lookup.summary_id,
                    from_seq=lookup.from_seq,
                    to_seq=lookup.to_seq,
                )
            )


def _archive_model(state: State, recall: Recall) -> str | None:
    """The model of the agent's own archive, which changes to another at a time of its own."""
    if state.agent.embedding is None:
        return None
    return recall.load_own_archive(state.org_id, state.agent.id).embedding


def _embedded(text: str, handle: str | None, models: Models, deadline: float) -> Embedded:
    """The vector of a text, or none: words find a passage too, so a failure costs only rank."""
    if handle is None or not text.strip():
        return Embedded()
    try:
        vectors = models.embed(handle, [text], deadline=deadline)
    except AppError as error:
        log_no_vector(handle, error)
        return Embedded()
    return Embedded(vector=tuple(vectors[0]), model=handle)
