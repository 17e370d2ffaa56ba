"""Ids of tool calls."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from remanence.llm.tool_ids import fresh_id, wire_id


@given(given_ids=st.lists(st.sampled_from(["", "a", "b", "call_0"]), max_size=8))
def test_fresh_ids_are_never_empty_and_never_repeated(given_ids: list[str]) -> None:
    taken = {"a"}

    made = [fresh_id(given_id, "f", taken) for given_id in given_ids]

    assert all(made)
    assert len({*made, "a"}) == len(made) + 1


def test_usable_id_is_kept() -> None:
    assert fresh_id("call_1", "f", set()) == "call_1"


@given(first=st.text(max_size=60), second=st.text(max_size=60))
def test_wire_ids_are_accepted_and_stay_apart(first: str, second: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", wire_id(first))
    assert (wire_id(first) == wire_id(second)) == (first == second)
