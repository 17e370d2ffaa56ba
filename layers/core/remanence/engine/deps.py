"""What the engine works with, in one value; made in `wiring.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.engine.points import pass_by
from remanence.engine.remembering import Remembering, RememberingModels
from remanence.engine.watch import log_step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from remanence.core.ids import IdSource, OrgId
    from remanence.core.own_providers import OwnProvider
    from remanence.engine.custom import CustomTools
    from remanence.engine.points import Point
    from remanence.engine.ports import (
        Caller,
        Dispatcher,
        Ledger,
        Models,
        Recall,
        Store,
        Tenants,
        Zones,
    )
    from remanence.engine.remembering import VectorMemory
    from remanence.engine.sweep_ports import FactStore, Gaps, MessageVectors, OverflowStore
    from remanence.engine.watch import StepSeen


# How often a step that waits for its model looks whether its run was cancelled, in seconds: a
# model call that is shorter costs no round trip for it.
CANCEL_LOOK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDeps:
    """The world, as the engine sees it.

    Args:
        now: aware UTC.
        monotonic: seconds; deadlines are counted in it.
        monotonic_ns: nanoseconds, for durations.
        sleep: seconds; used only while waiting for a busy conversation.
        step_limit_s: what one step may take.
        lease_margin_s: how much longer a lease is: a commit that waits for a lock, a lost answer
            and its repetition.
        busy_wait_s: how long a caller waits for a busy conversation.
        custom_tools: runs custom tools; None: this server runs none.
        caller: tells callers that their runs are over; None: this process tells nobody.
        facts: keeps what the sweep reads of history for good; None: it reads nothing.
        overflow: keeps blocks small for the sweep; None: it leaves them as they are.
        vectors: remembers vectors of texts; None: each is made anew.
        gaps: finds passages without vectors for the sweep; None: it leaves them so.
        cancel_look_s: how often a step looks whether its run was cancelled while its model answers.
        tenants: the models of each organization; None: all have the same.
        watch: told of each committed step.
        reach: called at each named point of the main path; fault tests die there.
    """

    store: Store
    ledger: Ledger
    recall: Recall
    message_vectors: MessageVectors
    models: Models
    dispatcher: Dispatcher
    zones: Zones
    new_id: IdSource
    new_token: Callable[[], str]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    monotonic_ns: Callable[[], int]
    sleep: Callable[[float], None]
    step_limit_s: float = 120.0
    lease_margin_s: float = 10.0
    busy_wait_s: float = 10.0
    cancel_look_s: float = CANCEL_LOOK_S
    custom_tools: CustomTools | None = None
    caller: Caller | None = None
    tenants: Tenants | None = None
    watch: Callable[[StepSeen], None] = log_step
    facts: FactStore | None = None
    overflow: OverflowStore | None = None
    gaps: Gaps | None = None
    vectors: VectorMemory | None = None
    reach: Callable[[Point], None] = pass_by

    def for_org(
        self,
        org_id: OrgId,
        own: Sequence[OwnProvider] | None = None,
        *,
        remembers: bool = True,
    ) -> EngineDeps:
        """The same world with the models of an organization.

        `own`: its providers as read; None: they are read now, in a round trip. `remembers`: the
        vectors of texts, for the next time.
        """
        models = self.models if self.tenants is None else self.tenants.models_of(org_id, own)
        if self.vectors is not None and remembers:
            vectors = Remembering(embedder=models, memory=self.vectors, org_id=org_id)
            models = RememberingModels(models=models, vectors=vectors)
        return replace(self, models=models)

    @property
    def lease_ms(self) -> int:
        """A lease outlives the step it covers by what a commit may need."""
        return int((self.step_limit_s + self.lease_margin_s) * 1000)
