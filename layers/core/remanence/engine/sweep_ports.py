"""What the sweep asks of the database beyond `engine.ports.Store`, as protocols.

Path: engine.facts, engine.overflow, engine.message_vectors, engine.gaps -> here <- db.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remanence.core.archival import NewText
    from remanence.core.fact_merge import FactChanges
    from remanence.core.facts import Fact
    from remanence.core.gaps import Filling, Gap, GapBatch
    from remanence.core.ids import OrgId
    from remanence.core.message_vectors import Unembedded, UnembeddedBatch
    from remanence.core.overflow import BlockDue, FullBlock
    from remanence.core.read_facts import FactsDue, FactSpan, KnownFacts
    from remanence.core.types import Block


class FactStore(Protocol):
    """What is read of compacted history for good. Each method is one round trip."""

    def list_facts_due(self, *, limit: int) -> list[FactsDue]:
        """Conversations of agents that want it, over all organizations."""
        ...

    def claim_facts(
        self, due: FactsDue, *, hold_ms: int, share: float, most_attempts: int
    ) -> FactSpan | None:
        """Take on what is to be read next of a conversation, for so long; None: nothing now.

        Args:
            due: whose.
            hold_ms: when nothing is committed by then, another worker takes it on.
            share: of the context window, what a span may hold.
            most_attempts: after so many claims without a commit a span is passed over.
        """
        ...

    def load_known_facts(self, org_id: OrgId, agent_id: str, facts: Sequence[Fact]) -> KnownFacts:
        """The facts of an agent that these may repeat or contradict."""
        ...

    def commit_facts(
        self,
        span: FactSpan,
        known: KnownFacts,
        changes: FactChanges,
        *,
        texts: Sequence[NewText],
        new_archive_id: str,
    ) -> bool:
        """Write what a span came to; nothing when it is written already. Safe to repeat.

        Args:
            span: as claimed.
            known: what `changes` were computed from.
            changes: of the agent's facts.
            texts: of the created ones, with their vectors.
            new_archive_id: of the agent's archive, if it has none.

        Returns:
            False when the facts of the archive have changed meanwhile; nothing was written.
        """
        ...


class OverflowStore(Protocol):
    """Blocks that the schedule keeps small. Each method is one round trip."""

    def list_full_blocks(self, *, limit: int, share: float) -> list[BlockDue]:
        """Blocks of agents that want it, over all organizations; `share` (0..1) of the limit."""
        ...

    def load_full_block(self, due: BlockDue, *, messages: int) -> FullBlock | None:
        """A block, with the newest messages of its agent; None: it is there no longer."""
        ...

    def move_lines(
        self, full: FullBlock, relieved: Block, *, texts: Sequence[NewText], new_archive_id: str
    ) -> bool:
        """Write the smaller block and the passages, both or neither.

        Args:
            full: as it was loaded.
            relieved: the same block, with the value it is left with.
            texts: what went, for the agent's own archive.
            new_archive_id: of that archive, if there is none yet.

        Returns:
            False when the block has changed meanwhile, or is not the agent's alone any more;
            nothing was written.
        """
        ...


class MessageVectors(Protocol):
    """Vectors of what was said. Each method is one round trip."""

    def list_unembedded(self, *, limit: int) -> list[Unembedded]:
        """Conversations that lack vectors, over all organizations, which take turns."""
        ...

    def load_unembedded(
        self, due: Unembedded, *, claim: str, hold_ms: int, limit: int
    ) -> UnembeddedBatch | None:
        """Claim one for so long, or go on with it, and read its next texts.

        Returns:
            None when it is gone, or another sweep's.
        """
        ...

    def add_message_vectors(
        self,
        due: Unembedded,
        vectors: Mapping[str, Sequence[float]],
        *,
        to_seq: int,
        claim: str,
        hold_ms: int,
    ) -> None:
        """Keep vectors by message id, and that the conversation has them up to `to_seq`.

        `hold_ms`: how long the claim holds from now on; 0 lets go of it.
        """
        ...

    def list_moving_agents(self, *, limit: int) -> list[tuple[OrgId, str]]:
        """Agents that may change to their next embedding model, over all organizations."""
        ...

    def change_over(self, org_id: OrgId, agent_id: str) -> bool:
        """Let an agent search with its next model; False: it has not all vectors yet."""
        ...


class Gaps(Protocol):
    """Passages that lack vectors. Each method is one round trip."""

    def list_gaps(self, *, limit: int) -> list[Gap]:
        """Archives that nobody fills, over all organizations, which take turns."""
        ...

    def load_gap(self, gap: Gap, *, claim: str, hold_ms: int, limit: int) -> GapBatch | None:
        """Claim an archive for so long, or go on with it, and read what lacks vectors.

        Returns:
            None when it is gone or another sweep's, or when nothing lacks them any more: then the
            archive has changed over to its next model.
        """
        ...

    def fill_gap(self, gap: Gap, filling: Filling, *, claim: str, hold_ms: int) -> None:
        """Keep vectors of passages that have not changed since; safe to repeat.

        `hold_ms`: how long the claim holds from now on; 0 lets go of it.
        """
        ...
