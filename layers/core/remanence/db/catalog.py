"""The catalog: everything of an organization that is configured and not said.

Path: api/routes -> Catalog.agents, .blocks ... -> db/sql. Each method is one round trip, but
where its docstring counts more, and may be repeated: ids are made by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.db.agent_import import Imports
from remanence.db.archives import Archives
from remanence.db.block_versions import BlockVersions
from remanence.db.catalog_agents import Agents
from remanence.db.catalog_blocks import Blocks
from remanence.db.catalog_tools import Tools
from remanence.db.conversations import Conversations
from remanence.db.forks import Forks
from remanence.db.identities import Identities
from remanence.db.memory_at import MemoryAt
from remanence.db.providers import Providers
from remanence.db.step_undo import StepChanges
from remanence.db.versions import PassageVersions

if TYPE_CHECKING:
    from remanence.core.ids import OrgId
    from remanence.db.paging import Page
    from remanence.db.queries import Queries


@dataclass(frozen=True, slots=True)
class Catalog:
    """Agents, blocks, tools, conversations, archives and identities; and the tags on them."""

    queries: Queries

    @property
    def agents(self) -> Agents:
        """Agents, and what is attached to them."""
        return Agents(self.queries)

    @property
    def blocks(self) -> Blocks:
        """Blocks, attached or not."""
        return Blocks(self.queries)

    @property
    def tools(self) -> Tools:
        """Tools, built in or not."""
        return Tools(self.queries)

    @property
    def conversations(self) -> Conversations:
        """Conversations, beside the default one of each agent."""
        return Conversations(self.queries)

    @property
    def archives(self) -> Archives:
        """Archives, of one agent or shared."""
        return Archives(self.queries)

    @property
    def identities(self) -> Identities:
        """Whom agents and blocks belong to."""
        return Identities(self.queries)

    @property
    def providers(self) -> Providers:
        """Providers that organizations bring keys of."""
        return Providers(self.queries)

    @property
    def block_versions(self) -> BlockVersions:
        """Blocks with what they were before."""
        return BlockVersions(self.queries)

    @property
    def forks(self) -> Forks:
        """Agents that begin as another one was."""
        return Forks(self.queries)

    @property
    def memory_at(self) -> MemoryAt:
        """The memory of agents in the past."""
        return MemoryAt(self.queries)

    @property
    def passage_versions(self) -> PassageVersions:
        """Passages with what they were before."""
        return PassageVersions(self.queries)

    @property
    def imports(self) -> Imports:
        """Agents that were made elsewhere."""
        return Imports(self.queries)

    @property
    def step_changes(self) -> StepChanges:
        """What steps changed in memory."""
        return StepChanges(self.queries)

    def list_tags(self, org_id: OrgId, page: Page, query_text: str | None) -> list[str]:
        """The tags in use on agents and blocks; the cursors of `page` are tags."""
        bounds = page.params()
        rows = self.queries.rows(
            "list_tags",
            org_id,
            lower_tag=bounds["lower_id"],
            upper_tag=bounds["upper_id"],
            ascending=bounds["ascending"],
            scan_up=bounds["scan_up"],
            page_limit=page.limit,
            query_text=query_text,
        )
        return [row["tag"] for row in rows]
