"""Which models answer for an agent when its own cannot. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.types import State

# Each is another wait; who needs more wants a gateway.
MOST_FALLBACKS = 5


def stand_ins(state: State) -> Iterator[State]:
    """The state with each model that may answer for the step, the agent's own first.

    They are named in `fallback_models` of the agent's model_settings.
    """
    yield state
    settings = state.agent.extras.get("model_settings")
    named = settings.get("fallback_models") if isinstance(settings, dict) else None
    for handle in named if isinstance(named, list) else ():
        options = replace(state.run.options, override_model=str(handle))
        yield replace(state, run=replace(state.run, options=options))
