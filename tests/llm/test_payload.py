"""Numbers that providers send and that count nothing."""

import pytest

from remanence.core.exchange import JsonValue
from remanence.llm.payload import MOST_COUNTED, whole


@pytest.mark.parametrize("value", [0, 1, MOST_COUNTED])
def test_a_count_is_read(value: int) -> None:
    assert whole({"n": value}, "n") == value


@pytest.mark.parametrize("value", [-1, MOST_COUNTED + 1, 10**30, True, 1.5, "7", None])
def test_what_counts_nothing_is_not_told(value: JsonValue) -> None:
    """A usage or a window of it could not be stored, and would fail the step or the agent."""
    assert whole({"n": value}, "n") is None
