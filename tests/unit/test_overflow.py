from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remanence.core.ids import BlockId
from remanence.core.overflow import FULL_SHARE, ROOM_SHARE, Relief, relieve
from remanence.core.types import Block

FACTS = [
    "Ana lives in Lisbon",
    "Her sister Marta plays the cello",
    "She is allergic to walnuts",
    "The kitchen wall is painted turquoise",
    "Her locker at the station is 4711",
]


def a_block(*lines: str, limit: int | None = None) -> Block:
    text = "\n".join(lines)
    return Block(
        id=BlockId("block-1"),
        label="human",
        value=text,
        limit=limit or len(text),
        description=None,
    )


def relieved(block: Block, said: str = "", **ages: int) -> Relief:
    found = relieve(block, {line.replace("_", " "): age for line, age in ages.items()}, said)
    assert found is not None
    return found


def test_the_oldest_lines_go_first_and_a_line_says_where_they_are() -> None:
    done = relieved(a_block(*FACTS * 9))

    pointer, *rest = done.value.split("\n")
    assert pointer == (
        f"[{len(done.moved)} older entries are in archival memory: "
        'archival_memory_search(query=..., tags=["core_memory", "human"])]'
    )
    assert [*done.moved, *rest] == FACTS * 9


def test_age_is_when_a_line_came_and_not_where_it_stands() -> None:
    block = a_block("# About her", *FACTS, *(f"Note number {place}" for place in range(30)))
    ages = dict.fromkeys(block.value.split("\n"), 9) | {FACTS[4]: 1, FACTS[2]: 2}

    done = relieve(block, ages, "")

    assert done is not None
    assert {FACTS[4], FACTS[2]} <= set(done.moved)
    assert FACTS[2] not in done.value
    # what is of one age goes in the order of the block
    assert "Note number 29" in done.value


def test_what_was_spoken_of_lately_stays_longest() -> None:
    block = a_block(*FACTS, *(f"Some remark, the {place}th of them" for place in range(40)))

    done = relieved(block, "I ate walnuts. I am allergic, remember? And Lisbon lives!")

    assert FACTS[2] in done.value
    assert FACTS[0] in done.value
    assert {FACTS[1], FACTS[3], FACTS[4]} <= set(done.moved)


def test_headings_blank_lines_and_long_texts_stay_and_indented_lines_go_with_theirs() -> None:
    tale = "It was a long story, and " + "it went on " * 60
    frame = ("# Home", "", "Family:", "<notes>")
    block = a_block(*frame, "- Marta", "  - plays the cello", *FACTS, tale, limit=len(tale) + 260)

    done = relieved(block)

    left = done.value.split("\n")
    assert {*frame, tale} <= set(left)
    assert "- Marta\n  - plays the cello" in done.moved


def test_the_line_left_behind_counts_all_that_ever_went() -> None:
    first = relieved(a_block(*FACTS * 9))
    block = a_block(first.value, *FACTS * 9, limit=len("\n".join(FACTS * 9)))

    second = relieved(block)

    assert second.value.count("in archival memory") == 1
    assert second.value.startswith(f"[{len(first.moved) + len(second.moved)} older entries are")


@pytest.mark.parametrize(
    "block",
    [
        a_block(*FACTS, limit=10_000),
        a_block("# All", "", "of it is frame:"),
        a_block("one text that fills everything " * 20),
        a_block("", limit=10),
    ],
)
def test_a_block_with_room_or_with_nothing_to_move_is_left_alone(block: Block) -> None:
    assert relieve(block, {}, "") is None


LINES = st.lists(st.text("ab #:\u4e2d\n <[]- \t", max_size=40), min_size=1, max_size=40)


@given(LINES, st.integers(1, 400), st.text("ab \u4e2d", max_size=50))
def test_no_line_is_lost_or_doubled(lines: list[str], limit: int, said: str) -> None:
    block = a_block("\n".join(lines)[:limit], limit=limit)

    done = relieve(block, {}, said)

    if done is None:
        return
    assert len(done.value) < len(block.value) <= block.limit
    pointer, *rest = done.value.split("\n")
    moved = [line for entry in done.moved for line in entry.split("\n")]
    assert pointer.startswith("[")
    assert sorted([*rest, *moved]) == sorted(block.value.split("\n"))


def test_the_shares_leave_room() -> None:
    assert 0 < ROOM_SHARE < FULL_SHARE < 1
