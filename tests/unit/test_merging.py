"""Two edits of one text or thing made one, or told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remanence.core.merging import Clash, merge_fields, merge_texts

TEXTS = st.lists(st.sampled_from(["", "a", "b", "c", "d"]), max_size=6).map("\n".join)


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged"),
    [
        ("a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC"),
        ("a\nb", "A\nb", "a\nB", "A\nB"),
        ("a", "a\nmine", "a\ntheirs", "a\ntheirs\nmine"),
        ("a\n", "a\nmine\n", "a\ntheirs\n", "a\ntheirs\nmine\n"),
        ("", "mine", "theirs", "theirs\nmine"),
        ("a\nb\nc", "a\nc", "a\nb\nc\nd", "a\nc\nd"),
        ("a\nb", "a\nx\nb", "a", "a\nx"),
        ("a\nb", "both\nb", "both\nb", "both\nb"),
        ("a\nb\nc", "x\nb\nc\ne", "x\nb\nc", "x\nb\nc\ne"),
    ],
)
def test_edits_of_different_lines_both_hold(base: str, mine: str, theirs: str, merged: str) -> None:
    assert merge_texts(base, mine, theirs) == merged


@pytest.mark.parametrize(
    ("base", "mine", "theirs"),
    [("a", "b", "c"), ("a\nb", "x", "a\ny"), ("a\nb\nc", "a\nc", "a\nB\nc"), ("a", "", "b")],
)
def test_two_edits_of_one_line_clash(base: str, mine: str, theirs: str) -> None:
    with pytest.raises(Clash):
        merge_texts(base, mine, theirs)
    with pytest.raises(Clash):
        merge_texts(base, theirs, mine)


@given(TEXTS, TEXTS)
def test_a_side_that_changed_nothing_has_no_effect(base: str, text: str) -> None:
    assert merge_texts(base, base, text) == text
    assert merge_texts(base, text, base) == text


@given(TEXTS, TEXTS)
def test_two_equal_edits_count_once(base: str, text: str) -> None:
    assert merge_texts(base, text, text) == text


@given(TEXTS, TEXTS, TEXTS)
def test_lines_that_one_side_added_are_there(base: str, mine: str, theirs: str) -> None:
    marked = f"{mine}\nadded by me" if mine else "added by me"
    try:
        merged = merge_texts(base, marked, theirs)
    except Clash:
        return

    assert merged.split("\n").count("added by me") == 1
    new = set(theirs.split("\n")) - set(base.split("\n")) - {""}
    assert new <= set(merged.split("\n"))


def test_a_large_text_is_merged_in_no_time() -> None:
    lines = [f"line {number % 7}" for number in range(20_000)]
    mine, theirs = ["first", *lines[1:]], [*lines[:-1], "last"]

    merged = merge_texts("\n".join(lines), "\n".join(mine), "\n".join(theirs))

    assert merged == "\n".join(["first", *lines[1:-1], "last"])


def test_a_rewritten_large_text_counts_as_one_edit() -> None:
    lines = [f"line {number}" for number in range(2_000)]
    rewritten = [f"other {number}" for number in range(2_000)]

    with pytest.raises(Clash):
        merge_texts("\n".join(lines), "\n".join(rewritten), "\n".join([*lines[:9], *lines[10:]]))


def test_fields_are_merged_one_by_one_and_texts_by_lines() -> None:
    base = {"text": "a\nb", "tags": ["x"], "n": 1}
    mine = {"text": "A\nb", "tags": ["x"], "n": 2}
    theirs = {"text": "a\nB", "tags": ["y"], "n": 1}

    assert merge_fields(base, mine, theirs, texts=["text"]) == {
        "text": "A\nB",
        "tags": ["y"],
        "n": 2,
    }
    with pytest.raises(Clash, match="text"):
        merge_fields(base, mine, theirs)
    with pytest.raises(Clash, match="n"):
        merge_fields(base, mine, theirs | {"n": 3}, texts=["text"])


def test_what_one_side_removed_and_the_other_changed_clashes() -> None:
    base = {"text": "a"}

    assert merge_fields(base, None, base) is None
    assert merge_fields(None, base, None) == base
    assert merge_fields(base, base, None) is None
    with pytest.raises(Clash):
        merge_fields(base, None, {"text": "b"})
    with pytest.raises(Clash):
        merge_fields(base, {"text": "b"}, None)
