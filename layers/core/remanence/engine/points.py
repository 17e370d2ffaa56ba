"""The places on the main path where a worker may die, named.

`EngineDeps.reach` is called at each of them and does nothing, except in the tests that kill or
fail a worker there (tests/faults). A hop that is added gets a name here, and a name without a
fault test fails the suite.
"""

from __future__ import annotations

from enum import StrEnum


class Point(StrEnum):
    """Where a worker stands."""

    BEFORE_CLAIM = "before_claim"
    AFTER_CLAIM = "after_claim"
    BEFORE_MODEL = "before_model"
    IN_REPLY = "in_reply"
    AFTER_REPLY = "after_reply"
    BEFORE_TOOL = "before_tool"
    AFTER_TOOL = "after_tool"
    BEFORE_COMMIT = "before_commit"
    BLOCKS_LOCKED = "blocks_locked"
    AFTER_COMMIT = "after_commit"
    BEFORE_BELL = "before_bell"
    AFTER_BELL = "after_bell"
    BEFORE_CALLBACK = "before_callback"
    AFTER_CALLBACK = "after_callback"
    BEFORE_COMPACTION = "before_compaction"
    AFTER_COMPACTION = "after_compaction"
    BEFORE_FACTS = "before_facts"
    AFTER_FACTS = "after_facts"


def pass_by(point: Point) -> None:
    """What happens at every point outside the fault tests: nothing."""
