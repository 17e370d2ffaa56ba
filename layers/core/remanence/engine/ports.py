"""What the engine needs from the world, as Protocols.

The edges fit these by shape and do not import them; `wiring.py` is where mypy proves the fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from remanence.core.claims import RunOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime, tzinfo

    from remanence.core.archival import OwnArchive, VectorOf
    from remanence.core.callbacks import CallbackAnswer, DueCallback
    from remanence.core.claims import (
        BlocksMoved,
        Busy,
        Cancelled,
        CancelledRun,
        Claimed,
        Committed,
        CompactionOutcome,
        Due,
        Idle,
        Known,
        RunProgress,
    )
    from remanence.core.compaction import Eviction
    from remanence.core.exchange import Delta, JsonObject, Reply, Request, Usage
    from remanence.core.expansion import Expansion
    from remanence.core.ids import OrgId
    from remanence.core.own_providers import OwnProvider
    from remanence.core.search_tools import MessageHit, PassageHit
    from remanence.core.spend import Forecast, Granted, Price, Refused, Spend, Unpriced
    from remanence.core.step import Outcome
    from remanence.core.summaries import StandIn
    from remanence.core.types import Block, State, TokenAnchor

__all__ = [
    "Caller",
    "Dispatcher",
    "Ledger",
    "Models",
    "Recall",
    "RunOrder",
    "Store",
    "Tenants",
    "Zones",
]


class Store(Protocol):
    """The database, as a step sees it. Each method is one round trip."""

    def start_run(
        self, org_id: OrgId, order: RunOrder, *, run_id: str, lease_token: str, lease_ms: int
    ) -> Claimed | Busy | Known:
        """Store a run with its input and, unless it is for the background, claim it.

        Safe to repeat with the same `run_id` and `lease_token`.

        Raises:
            NotFound: no such agent or conversation; nothing was stored.
            InvalidRequest: the idempotency key was used for another request.
        """
        ...

    def begin_step(
        self, org_id: OrgId, conversation_id: str, *, lease_token: str, lease_ms: int
    ) -> Claimed | Busy | Idle:
        """Claim a conversation for the next step of its oldest unfinished run."""
        ...

    def commit_step(
        self, state: State, outcome: Outcome, *, lease_ms: int, new_archive_id: str
    ) -> Committed | BlocksMoved | Cancelled:
        """Write a step, whole or not at all; extend the lease, or release it when the run ends.

        Raises:
            LeaseLost: another worker holds the conversation; nothing was written.
            NotFound: the conversation was deleted meanwhile.
        """
        ...

    def commit_step_alone(
        self,
        state: State,
        make: Callable[[tuple[Block, ...] | None], Outcome],
        *,
        lease_ms: int,
        new_archive_id: str,
    ) -> Committed | BlocksMoved | Cancelled:
        """As `commit_step`, on blocks that nobody else can change meanwhile. Two round trips.

        Args:
            state: as claimed.
            make: what the step comes to on the blocks as they are now. Others wait for it, so it
                must be quick; it is called again when the connection breaks. Without blocks: the
                step is committed by now, and what was made last is what is stored.
            lease_ms: as `commit_step`.
            new_archive_id: as `commit_step`.

        Raises:
            LeaseLost: as `commit_step`.
        """
        ...

    def cancel_runs(
        self,
        org_id: OrgId,
        *,
        agent_id: str | None = None,
        conversation_id: str | None = None,
        run_ids: Sequence[str] | None = None,
    ) -> list[CancelledRun]:
        """Ask unfinished runs to stop; what is None does not filter. Safe to repeat."""
        ...

    def is_cancelled(self, org_id: OrgId, run_id: str) -> bool:
        """Whether somebody asked this run to stop (or deleted it)."""
        ...

    def load_run_progress(self, org_id: OrgId, run_id: str, *, after_seq: int) -> RunProgress:
        """What a run has said after `after_seq`, and where it stands.

        Raises:
            NotFound: no such run.
        """
        ...

    def peek_state(self, org_id: OrgId, conversation_id: str) -> State:
        """Read what a step would read, without any claim.

        Raises:
            NotFound: no such conversation.
        """
        ...

    def claim_compaction(
        self, org_id: OrgId, conversation_id: str, *, token: str, hold_ms: int
    ) -> bool:
        """Take on the compaction of a conversation; False when somebody has, or it is gone."""
        ...

    def release_compaction(self, org_id: OrgId, conversation_id: str, *, token: str) -> None:
        """Give back a claim that was not used; another's is left alone."""
        ...

    def list_stand_ins(self, org_id: OrgId, conversation_id: str) -> list[StandIn]:
        """The summaries in view that no model has written yet, oldest first."""
        ...

    def commit_compaction(
        self,
        state: State,
        eviction: Eviction,
        *,
        token: str,
        window_tokens: int,
        anchor: TokenAnchor,
    ) -> CompactionOutcome:
        """Write a compaction and give its claim back.

        Nothing is written when a step is running ("busy"), and when the window moved or the claim
        is lost ("moved").
        """
        ...

    def put_off_compaction(self, org_id: OrgId, conversation_id: str) -> None:
        """Leave a conversation out of the sweep until more is said in it."""
        ...

    def claim_callback(self, org_id: OrgId, run_id: str, *, hold_s: int) -> DueCallback | None:
        """Take on the callback of a run that is over; None when none is due."""
        ...

    def record_callback(
        self, org_id: OrgId, run_id: str, answer: CallbackAnswer, *, pause_s: int | None
    ) -> None:
        """Keep how it went; it is due again after `pause_s` seconds (None: never)."""
        ...

    def list_due(self, *, limit: int, hanging_after_ms: int, share: float) -> list[Due]:
        """What the sweep has to look at, over all organizations."""
        ...


class Ledger(Protocol):
    """What is spent, and the caps on it. Each method is one round trip."""

    def reserve(  # noqa: PLR0913  who asks, and for what
        self,
        org_id: OrgId,
        forecast: Forecast,
        *,
        agent_id: str,
        run_id: str,
        step_id: str,
        least_answer_tokens: int,
        hold_ms: int,
    ) -> Granted | Refused | Unpriced:
        """Set aside what a call may cost, or refuse it: decided and written as one.

        What is set aside counts as used until its step is committed, or for `hold_ms`.
        """
        ...

    def record(
        self, org_id: OrgId, spend: Spend, usage: Usage, *, agent_id: str, step_id: str
    ) -> None:
        """Enter a call into the ledger that belongs to no step, and give back what it reserved."""
        ...

    def release(self, org_id: OrgId, *, step_id: str) -> None:
        """Give back what a call reserved that belongs to no step and came to nothing."""
        ...


class Recall(Protocol):
    """Search over what is not in the context."""

    def load_own_archive(self, org_id: OrgId, agent_id: str) -> OwnArchive:
        """What the archive of an agent's insertions is, or will be.

        Raises:
            NotFound: no such agent.
        """
        ...

    def search_passages(  # noqa: PLR0913  the filters of one search
        self,
        org_id: OrgId,
        *,
        agent_id: str,
        query: str,
        query_embedding: Sequence[float] | None,
        embedding_model: str | None,
        tags: Sequence[str],
        tag_match_mode: Literal["any", "all"],
        limit: int,
        start: datetime | None,
        end: datetime | None,
        as_of: datetime | None = None,
    ) -> list[PassageHit]:
        """Passages of the agent's archives that hold at `as_of` (None: now), best first."""
        ...

    def search_messages(  # noqa: PLR0913  the filters of one search
        self,
        org_id: OrgId,
        *,
        agent_id: str,
        query: str,
        roles: Sequence[str],
        limit: int,
        start: datetime | None,
        end: datetime | None,
        in_view: tuple[str, int] | None = None,
        vector: VectorOf | None = None,
    ) -> list[MessageHit]:
        """Messages of all the agent's conversations, best first; `vector` is the query's.

        `in_view` is a conversation and the place from which on its messages are in the window:
        those are left out, since the model sees them anyway.
        """
        ...

    def expand(
        self,
        org_id: OrgId,
        conversation_id: str,
        *,
        summary_id: str | None,
        from_seq: int | None,
        to_seq: int | None,
    ) -> Expansion | None:
        """What stands behind a summary, or a span of messages that are out of view.

        Returns:
            None when the conversation has no summary `summary_id`.
        """
        ...


class Models(Protocol):
    """Model providers. `deadline` is in seconds of `time.monotonic`."""

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        """One model call: fragments if `stream`, and the whole reply last.

        Raises:
            ProviderError: one of its kinds.
            NotFound: no provider of this handle is configured.
        """
        ...

    def price(self, handle: str) -> Price | None:
        """What a model costs; None when nobody knows. Asks nobody."""
        ...

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        """One vector per text.

        Raises:
            ProviderError: one of its kinds.
        """
        ...


class Tenants(Protocol):
    """The models of each organization: some bring keys of their own."""

    def models_of(self, org_id: OrgId, own: Sequence[OwnProvider] | None = None) -> Models:
        """What an organization can call; without `own`, a round trip reads its providers."""
        ...


class Dispatcher(Protocol):
    """How the next step of a conversation is started by somebody else."""

    def ring(self, org_id: OrgId, conversation_id: str, run_id: str) -> None:
        """Ask for a step soon. Lost, doubled and reordered bells are harmless."""
        ...


class Caller(Protocol):
    """How a caller is told that its run is over."""

    def call(self, due: DueCallback, body: JsonObject, *, timeout_s: float) -> CallbackAnswer:
        """Send `body` to where the callback says; a failure is an answer too, never raised."""
        ...


class Zones(Protocol):
    """Time zones by IANA name (they are files, so the core does not read them)."""

    def __call__(self, name: str) -> tzinfo:
        """The zone; UTC for a name that is not known."""
        ...
