"""What blocks were before, in the database: read, merged with, taken back.

Path: api/routes/blocks.py, agent_blocks.py -> BlockVersions -> db/sql. An edit that others may have
overtaken is made while the block is locked: two round trips, and it never has to be tried again.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from remanence.core.merging import Clash, merge_fields
from remanence.core.versions import BLOCK_FIELDS, BlockVersion
from remanence.db.catalog_blocks import UPDATE, Blocks, BlockTarget
from remanence.db.outcomes import checked
from remanence.db.rows import block_from_row
from remanence.db.storable import storable_json
from remanence.db.versions import author_from_row, author_to_row
from remanence.errors import EditConflict, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from remanence.core.exchange import JsonObject
    from remanence.core.ids import OrgId
    from remanence.core.types import Block
    from remanence.core.versions import Author
    from remanence.db.queries import Queries, Row

# How long an edit that holds a block may think before it is cut off: it only merges.
HOLD_MS = 5_000
_LOCK = "lock_block"


class BlockVersions:
    """The blocks of the catalog, with what they were."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._blocks = Blocks(queries)

    def list_versions(
        self, org_id: OrgId, block_id: str, *, before: int | None, limit: int
    ) -> list[BlockVersion]:
        """Versions of a block below `before` (None: all), the newest first.

        Raises:
            NotFound: there is no such block.
        """
        rows = self._queries.rows(
            "list_block_versions", org_id, block_id=block_id, before=before, page_limit=limit
        )
        if not rows:
            self._blocks.load_block(org_id, block_id)
        return [_version(row) for row in rows]

    def merge(
        self,
        org_id: OrgId,
        target: BlockTarget,
        changes: JsonObject,
        author: Author,
        *,
        base_version: int,
    ) -> Block:
        """Change columns of a block as one has done who read `base_version` of it.

        What others changed since then stays; texts are merged by lines. Safe to repeat.

        Raises:
            NotFound: the block, or the agent it was looked for at.
            InvalidRequest: it has no such version.
            EditConflict: others changed the same.
            LimitExceeded: the merged value is longer than the limit.
            Conflict: an agent has another block with the new label.
        """

        def edited(versions: dict[str, JsonObject], now: JsonObject, version: int) -> JsonObject:
            base = _known(versions, base_version, "base_version")
            mine = base | {name: changes[name] for name in BLOCK_FIELDS if name in changes}
            try:
                merged = merge_fields(base, mine, now, texts=("value",)) or {}
            except Clash as clash:
                raise EditConflict(
                    f"{clash.field} was changed by others too since version {base_version}; "
                    "nothing was written: edit what is there now",
                    yours=mine,
                    current=now,
                    version=version,
                ) from None
            return changes | merged

        return self._locked(org_id, target, [base_version], edited, author)

    def undo(self, org_id: OrgId, block_id: str, version: int | None, author: Author) -> Block:
        """Take back what a version changed, as a version of its own; later changes stay.

        Args:
            org_id: of the caller.
            block_id: which one.
            version: whose change; None: the newest, so that undoing twice does it again.
            author: who does it.

        Raises:
            NotFound: there is no such block.
            InvalidRequest: no such version, or the first one, which made the block.
            EditConflict: a later version changed the same.
        """
        undone = version or self._blocks.load_block(org_id, block_id).version

        def edited(versions: dict[str, JsonObject], now: JsonObject, newest: int) -> JsonObject:
            if undone == 1:
                raise InvalidRequest(
                    "version: the first one made the block; delete the block instead",
                    field="version",
                )
            after = _known(versions, undone, "version")
            before = _known(versions, undone - 1, "version")
            try:
                return merge_fields(after, before, now, texts=("value",)) or {}
            except Clash as clash:
                raise EditConflict(
                    f"version {undone} cannot be undone: a later version changed its "
                    f"{clash.field} in the same place; undo that one first",
                    yours=before,
                    current=now,
                    version=newest,
                ) from None

        target = BlockTarget(block_id=block_id)
        signed = author.undoing(undone)
        return self._locked(org_id, target, [undone - 1, undone], edited, signed)

    def _locked(
        self,
        org_id: OrgId,
        target: BlockTarget,
        versions: list[int],
        edited: Callable[[dict[str, JsonObject], JsonObject, int], JsonObject],
        author: Author,
    ) -> Block:
        """Change a block by what `edited` makes of versions, of it now, and of its number."""

        def update(locked: Row) -> Row:
            found = checked(locked, _LOCK)
            block = found["block"]
            now: JsonObject = {name: block[name] for name in BLOCK_FIELDS}
            changes = edited(found["versions"], now, block["version"])
            call = {
                "org_id": org_id,
                "block_id": block["id"],
                "set": changes,
                "author": author_to_row(author),
            }
            return {"call": storable_json(call)}

        lock = {"org_id": org_id, "versions": versions, "hold_ms": HOLD_MS, **asdict(target)}
        answer = self._queries.call_in_turn(_LOCK, {"call": storable_json(lock)}, UPDATE, update)
        return block_from_row(checked(answer, UPDATE)["block"])


def _known(versions: dict[str, JsonObject], version: int, field: str) -> JsonObject:
    found = versions.get(str(version))
    if found is None:
        raise InvalidRequest(f"{field}: the block has no version {version}", field=field)
    return found


def _version(row: Row) -> BlockVersion:
    return BlockVersion(
        version=row["version"],
        at=row["at"],
        author=author_from_row(row),
        label=row["label"],
        value=row["value"],
        limit=row["limit_chars"],
        description=row["description"],
        read_only=row["read_only"],
    )
