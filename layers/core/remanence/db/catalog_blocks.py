"""Blocks in the database, as the API reads and changes them; every value they had is kept.

Path: api/routes/blocks.py, agent_blocks.py -> Blocks -> db/sql. A step edits blocks by itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from remanence.core.versions import BLOCK_FIELDS
from remanence.db.catalog_rows import block_to_row
from remanence.db.outcomes import Stale, call_catalog
from remanence.db.paging import list_page
from remanence.db.rows import block_from_row
from remanence.db.versions import author_to_row
from remanence.errors import NotFound, PreconditionFailed

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.types import Block
    from remanence.core.versions import Author
    from remanence.db.paging import Page
    from remanence.db.queries import Queries

# Two ways to edit a block end in this statement.
UPDATE = "update_block"


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFilter:
    """Which blocks a list shows; None: no matter.

    `agent_id`: attached to this agent. `agents_eq`, `agents_gt`, `agents_lt`: attached to one of
    these numbers of agents, to more, to fewer. `tags`: any of them, or all.
    `identifier_keys`: of any identity with one of these keys.
    """

    agent_id: str | None = None
    label: str | None = None
    label_search: str | None = None
    value_search: str | None = None
    description_search: str | None = None
    template_name: str | None = None
    project_id: str | None = None
    identity_id: str | None = None
    identifier_keys: list[str] | None = None
    tags: list[str] | None = None
    match_all_tags: bool = False
    templates_only: bool = False
    with_hidden: bool = False
    agents_eq: list[int] | None = None
    agents_gt: int | None = None
    agents_lt: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTarget:
    """Which block: by its id, or by an agent and the label it has there."""

    block_id: str | None = None
    agent_id: str | None = None
    label: str | None = None


class Blocks:
    """The blocks of the catalog."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def insert_block(self, org_id: OrgId, block: Block) -> Block:
        """Store a new block with its first version; the same id again gives what is there."""
        row = self._queries.one("insert_block", org_id, block=json.dumps(block_to_row(block)))
        assert row is not None  # noqa: S101  the statement returns the row it wrote or found
        return block_from_row(row["block"])

    def load_block(self, org_id: OrgId, block_id: str) -> Block:
        """A block.

        Raises:
            NotFound: there is none with this id.
        """
        row = self._queries.one("load_block", org_id, block_id=block_id)
        if row is None:
            raise NotFound("block", block_id)
        return block_from_row(row["block"])

    def load_agent_block(self, org_id: OrgId, agent_id: str, label: str) -> Block:
        """The block an agent has under this label.

        Raises:
            NotFound: the agent, or it has none.
        """
        row = self._queries.one("load_agent_block", org_id, agent_id=agent_id, label=label)
        if row is None or not row["has_agent"]:
            raise NotFound("agent", agent_id)
        if row["block"] is None:
            raise NotFound("block", label, hint=f"agent {agent_id!r} has no block with this label")
        return block_from_row(row["block"])

    def list_blocks(self, org_id: OrgId, wanted: BlockFilter, page: Page) -> list[Block]:
        """One page of the blocks that pass the filter.

        Raises:
            InvalidRequest: a cursor names nothing.
        """
        rows = list_page(self._queries, "list_blocks", org_id, page, **asdict(wanted))
        return [block_from_row(row["block"]) for row in rows]

    def update_block(
        self,
        org_id: OrgId,
        target: BlockTarget,
        changes: JsonObject,
        author: Author,
        *,
        only_version: int | None = None,
    ) -> Block:
        """Change columns of a block; what an agent sees of it is versioned.

        Args:
            org_id: of the caller.
            target: which one.
            changes: columns and their new values.
            author: who does it.
            only_version: if it still is this version; None: whichever it is.

        Raises:
            NotFound: the block, or the agent it was looked for at.
            PreconditionFailed: it is another version.
            LimitExceeded: the value is longer than the limit, as both are afterwards.
            Conflict: an agent has another block with the new label.
        """
        try:
            answer = call_catalog(
                self._queries,
                UPDATE,
                org_id=org_id,
                set=changes,
                author=author_to_row(author),
                only_version=only_version,
                **asdict(target),
            )
        except Stale as stale:
            now = stale.answer["block"]
            current = {name: now[name] for name in BLOCK_FIELDS}
            raise PreconditionFailed(
                f"block {now['id']!r} is no longer version {only_version}; nothing was written",
                yours=current | {name: changes[name] for name in BLOCK_FIELDS if name in changes},
                current=current,
                version=now["version"],
            ) from None
        return block_from_row(answer["block"])

    def delete_block(self, org_id: OrgId, block_id: str) -> None:
        """Delete a block with its versions, and erase it from the prompts that are kept.

        Raises:
            NotFound: there is none with this id.
        """
        call_catalog(self._queries, "delete_block", org_id=org_id, block_id=block_id)
