"""Memory tools on blocks that others changed while the model wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.states import a_block

from remanence.core.memory_tools import MemoryResult, run_memory_tool

SEEN = a_block("notes", "one\ntwo")


def run_on(now: str, name: str, **arguments: Any) -> MemoryResult:
    return run_memory_tool(
        name,
        {"label": "notes", **arguments},
        (replace(SEEN, value=now, version=2),),
        new_block_id=lambda: "block-new",
        seen=(SEEN,),
    )


def test_a_whole_new_text_keeps_the_lines_that_others_added() -> None:
    result = run_on("one\ntwo\ntheirs", "memory_rethink", new_memory="ONE\ntwo")

    assert result.status == "success"
    assert result.blocks[0].value == result.text == "ONE\ntwo\ntheirs"


def test_a_line_number_means_the_line_that_was_seen() -> None:
    result = run_on("theirs\none\ntwo", "memory_insert", insert_line=1, new_string="mine")

    assert result.blocks[0].value == "theirs\none\nmine\ntwo"


def test_two_edits_of_one_line_are_told_with_both_sides() -> None:
    result = run_on("theirs\ntwo", "memory_rethink", new_memory="mine\ntwo")

    assert result.status == "error"
    assert result.blocks[0].value == "theirs\ntwo"
    assert "It now holds:\ntheirs\ntwo" in result.text
    assert "hold:\nmine\ntwo" in result.text


def test_an_edit_that_names_its_text_is_made_where_that_text_is_now() -> None:
    result = run_on("zero\none two", "memory_replace", old_string="two", new_string="2")

    assert result.blocks[0].value == "zero\none 2"
