"""Agents that begin as another one was.

Path: api/routes/forks.py -> Forks -> db/sql. One round trip and one transaction, however much is
copied.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from remanence.db.outcomes import call_catalog
from remanence.db.versions import author_to_row

if TYPE_CHECKING:
    from remanence.core.ids import OrgId
    from remanence.core.versions import Author
    from remanence.db.queries import Queries


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFork:
    """Which agent to fork, from which of its steps (None: as it is now), and the ids of the copies.

    `agent_name` None: the same. `share_blocks`: blocks that other agents have too are shared with
    them, not copied.
    """

    agent_id: str
    step_id: str | None
    new_id: str
    conversation_id: str
    archive_id: str
    agent_name: str | None
    share_blocks: bool


class Forks:
    """Makes forks of agents."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def fork_agent(self, org_id: OrgId, fork: AgentFork, author: Author) -> None:
        """Make the agent; the same new id again leaves the one that is there.

        Raises:
            NotFound: the agent, or it has taken no such step.
        """
        call_catalog(
            self._queries,
            "fork_agent",
            org_id=org_id,
            author=author_to_row(author),
            **asdict(fork),
        )
