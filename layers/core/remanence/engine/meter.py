"""What a step costs while it is taken: time by part, and trips to the database.

Path: engine.run makes a meter for each step, `take_step` lets its world be counted by it, and
`settle` tells what came of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from remanence.engine.custom import ToolSources
    from remanence.engine.deps import EngineDeps
    from remanence.engine.ports import Ledger, Recall, Store
    from remanence.engine.remembering import VectorMemory

# Methods of the store that are more than one round trip.
_TRIPS = {"commit_step_alone": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One part of a step, on the meter's clock in nanoseconds: load, model, tools or commit."""

    name: str
    began_ns: int
    ended_ns: int


@dataclass(slots=True)
class Meter:
    """Counts for one step. `db_ns` is the time of all round trips together."""

    clock_ns: Callable[[], int]
    spans: list[Span] = field(default_factory=list[Span])
    round_trips: int = 0
    db_ns: int = 0
    began_ns: int = field(init=False)

    def __post_init__(self) -> None:
        self.began_ns = self.clock_ns()

    @contextmanager
    def span(self, name: str) -> Generator[None]:
        """Time a part of the step."""
        began_ns = self.clock_ns()
        try:
            yield
        finally:
            self.spans.append(Span(name=name, began_ns=began_ns, ended_ns=self.clock_ns()))

    def counted(self, edge: object) -> Any:
        """`edge`, each call of which is a trip to the database."""
        return _Counted(edge, self)


class _Counted:
    """Stands in front of a store."""

    def __init__(self, edge: object, meter: Meter) -> None:
        self._edge = edge
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._edge, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            meter = self._meter
            began_ns = meter.clock_ns()
            try:
                return found(*args, **kwargs)
            finally:
                meter.db_ns += meter.clock_ns() - began_ns
                meter.round_trips += _TRIPS.get(name, 1)

        return call


def metered(deps: EngineDeps, meter: Meter) -> EngineDeps:
    """The same world, counted. The casts: a stand-in has every method of what it stands for."""
    tools = deps.custom_tools
    if tools is not None:
        tools = replace(tools, sources=cast("ToolSources", meter.counted(tools.sources)))
    return replace(
        deps,
        store=cast("Store", meter.counted(deps.store)),
        ledger=cast("Ledger", meter.counted(deps.ledger)),
        recall=cast("Recall", meter.counted(deps.recall)),
        vectors=None if deps.vectors is None else cast("VectorMemory", meter.counted(deps.vectors)),
        custom_tools=tools,
    )
