"""Which relations of an agent a caller wants to see.

SDKs of version 1 and later get those they name in `include`, and empty lists for the others; a
caller without an SDK gets all of them, so that curl shows an agent's memory.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query

from remanence.api.deps import ThisCall
from remanence.db.catalog_agents import Relation

Include = Literal[
    "agent.blocks",
    "agent.identities",
    "agent.managed_group",
    "agent.pending_approval",
    "agent.secrets",
    "agent.sources",
    "agent.tags",
    "agent.tools",
]
# The names the parameter had before version 1.
_OLD_NAMES = {"memory": "blocks", "blocks": "blocks", "tools": "tools", "tags": "tags"}


@dataclass(frozen=True, slots=True)
class Relations:
    """The relations to fill."""

    names: frozenset[str]

    @property
    def stored(self) -> list[Relation]:
        """Those that are read from tables of their own."""
        stored: tuple[Relation, ...] = ("blocks", "tools", "identities", "secrets")
        return [name for name in stored if name in self.names]

    @property
    def with_tags(self) -> bool:
        """Whether tags are shown."""
        return "tags" in self.names


_ALL = Relations(frozenset({"blocks", "tools", "identities", "secrets", "tags"}))


async def _read_relations(
    call: ThisCall,
    include: Annotated[
        list[Include] | None, Query(description="Relations to fill; the others come empty.")
    ] = None,
    include_relationships: Annotated[
        list[str] | None, Query(description="The same in its old form.")
    ] = None,
) -> Relations:
    if include is not None:
        return Relations(frozenset(name.removeprefix("agent.") for name in include))
    if call.is_sdk:
        return Relations(frozenset())
    if include_relationships is not None:
        return Relations(frozenset(_OLD_NAMES.get(name, name) for name in include_relationships))
    return _ALL


WantedRelations = Annotated[Relations, Depends(_read_relations)]
