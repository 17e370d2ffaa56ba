"""The scheduled relief of core memory: lines of nearly full blocks become archival memory.

Path: engine.sweep -> move_overflow -> core.overflow -> store. It asks no language model, and it
is opt-in by the agent's `compaction_settings.archive_blocks`. The agent reads of it at its next
step, as of any change that somebody else made.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.core.archival import NewText
from remanence.core.extract import said_in
from remanence.core.overflow import FULL_SHARE, MOVED_TAG, relieve
from remanence.engine.archival import with_vectors

if TYPE_CHECKING:
    from remanence.core.overflow import FullBlock
    from remanence.engine.deps import EngineDeps
    from remanence.engine.sweep_ports import OverflowStore

log = logging.getLogger(__name__)

# What one sweep looks at; the next one takes the rest.
BLOCKS_PER_SWEEP = 20
# Of what was said to an agent and by it, what tells which of its lines matter, in messages.
RECENT_MESSAGES = 100


def move_overflow(deps: EngineDeps, *, deadline: float) -> int:
    """Make room in the blocks that agents let the schedule keep small.

    Args:
        deps: the world.
        deadline: seconds of `deps.monotonic`; no block is begun after it.

    Returns:
        How many blocks were made smaller.
    """
    if deps.overflow is None:
        return 0
    moved = 0
    for due in deps.overflow.list_full_blocks(limit=BLOCKS_PER_SWEEP, share=FULL_SHARE):
        if deps.monotonic() >= deadline:
            break
        try:
            full = deps.overflow.load_full_block(due, messages=RECENT_MESSAGES)
            moved += full is not None and _relieved(deps, deps.overflow, full)
        except Exception:  # one that fails does not stop the sweep; another tries again
            log.exception("no room was made in block %s", due.block_id)
    return moved


def _relieved(deps: EngineDeps, store: OverflowStore, full: FullBlock) -> bool:
    relief = relieve(full.block, full.ages, said_in(full.recent))
    if relief is None:
        return False
    texts = [
        NewText(id=deps.new_id("passage"), text=text, tags=(MOVED_TAG, full.block.label))
        for text in relief.moved
    ]
    return store.move_lines(
        full,
        replace(full.block, value=relief.value),
        texts=with_vectors(deps.for_org(full.org_id).models, deps.monotonic, full.embedding, texts),
        new_archive_id=deps.new_id("archive"),
    )
