"""The memory tools on values: what they change, what they say, and what they never do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remanence.core.builtin import DEFAULT_BLOCK_LIMIT_CHARS
from remanence.core.ids import BlockId
from remanence.core.memory_tools import MEMORY_TOOLS, MemoryResult, run_memory_tool
from remanence.core.types import Block

if TYPE_CHECKING:
    from collections.abc import Sequence

READ_ONLY = "Error This block is read-only and cannot be edited."


def block(label: str, value: str, *, limit: int = 200, read_only: bool = False) -> Block:
    return Block(
        id=BlockId(f"block-{label}"),
        label=label,
        value=value,
        limit=limit,
        read_only=read_only,
        version=4,
    )


HUMAN = block("human", "Name: Ann\nLikes tea\nHas a cat, likes the cat")
POLICY = block("policy", "Be kind.\nBe brief.", read_only=True)
EMPTY = block("notes", "")
BLOCKS = (HUMAN, POLICY, EMPTY)


def run(name: str, blocks: tuple[Block, ...] = BLOCKS, /, **arguments: Any) -> MemoryResult:
    return run_memory_tool(name, arguments, blocks, new_block_id=lambda: "block-new")


def value_of(blocks: Sequence[Block], label: str) -> str:
    return next(each.value for each in blocks if each.label == label)


def assert_edited(result: MemoryResult, label: str, value: str) -> None:
    """The block has this value, the model reads it, and nothing else has changed."""
    assert (result.status, result.text) == ("success", value)
    assert value_of(result.blocks, label) == value
    old = {each.id: each for each in BLOCKS}
    for each in result.blocks:
        assert each.version == 4
        assert each.label == label or each == old[each.id]


def assert_refused(result: MemoryResult, *words: str) -> None:
    assert result.status == "error"
    assert result.blocks == BLOCKS
    for word in words:
        assert word in result.text


def test_core_memory_append_adds_a_line_at_the_end() -> None:
    result = run("core_memory_append", label="human", content="Lives in Porto")

    assert_edited(result, "human", f"{HUMAN.value}\nLives in Porto")


def test_core_memory_append_to_an_empty_block_adds_no_empty_line() -> None:
    assert_edited(run("core_memory_append", label="notes", content="milk"), "notes", "milk")


def test_core_memory_replace_changes_every_occurrence() -> None:
    result = run("core_memory_replace", label="human", old_content="cat", new_content="dog")

    assert_edited(result, "human", "Name: Ann\nLikes tea\nHas a dog, likes the dog")


def test_core_memory_replace_of_what_is_not_there_says_so() -> None:
    result = run("core_memory_replace", label="human", old_content="bird", new_content="")

    assert_refused(result)
    assert result.text == "Old content 'bird' not found in memory block 'human'"


def test_memory_replace_changes_the_one_occurrence() -> None:
    result = run("memory_replace", label="human", old_string="Likes tea", new_string="Likes mint")

    assert_edited(result, "human", HUMAN.value.replace("Likes tea", "Likes mint"))


def test_memory_replace_of_what_is_not_there_says_so() -> None:
    result = run("memory_replace", label="human", old_string="Bob", new_string="Ann")

    assert_refused(result)
    assert result.text == (
        "No replacement was performed, old_string `Bob` did not appear verbatim in memory block "
        "with label `human`."
    )


def test_memory_replace_of_what_is_there_twice_names_the_lines() -> None:
    result = run("memory_replace", label="human", old_string="ikes t", new_string="x")

    assert_refused(result)
    assert result.text == (
        "No replacement was performed. Multiple occurrences of old_string `ikes t` in lines "
        "[2, 3]. Please ensure it is unique."
    )


def test_memory_replace_of_a_text_that_overlaps_itself_is_not_unique() -> None:
    blocks = (block("human", "aaa"),)

    result = run("memory_replace", blocks, label="human", old_string="aa", new_string="b")

    assert "in lines [1, 1]" in result.text


def test_memory_replace_of_nothing_fills_only_an_empty_block() -> None:
    assert_edited(run("memory_replace", label="notes", old_string="", new_string="x"), "notes", "x")
    assert_refused(run("memory_replace", label="human", old_string="", new_string="x"), "empty")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("memory_replace", {"old_string": "1→ Name: Ann", "new_string": "x"}),
        ("memory_replace", {"old_string": "Ann", "new_string": "Bo\n  2→Likes"}),
        ("memory_insert", {"new_string": "12→ Likes jam"}),
        ("memory_rethink", {"new_memory": "1→ Name: Ann"}),
    ],
)
def test_memory_tools_refuse_line_numbers(name: str, arguments: dict[str, str]) -> None:
    assert_refused(run(name, label="human", **arguments), "line numbers")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (None, "Name: Ann\nLikes tea\nHas a cat, likes the cat\nNEW"),
        (-1, "Name: Ann\nLikes tea\nHas a cat, likes the cat\nNEW"),
        (0, "NEW\nName: Ann\nLikes tea\nHas a cat, likes the cat"),
        (1, "Name: Ann\nNEW\nLikes tea\nHas a cat, likes the cat"),
        (3, "Name: Ann\nLikes tea\nHas a cat, likes the cat\nNEW"),
    ],
)
def test_memory_insert_adds_after_a_line(line: int | None, expected: str) -> None:
    more = {} if line is None else {"insert_line": line}

    assert_edited(run("memory_insert", label="human", new_string="NEW", **more), "human", expected)


@pytest.mark.parametrize("line", [-2, 4, 100])
def test_memory_insert_after_a_line_that_is_not_there_names_the_range(line: int) -> None:
    result = run("memory_insert", label="human", new_string="NEW", insert_line=line)

    assert_refused(result, f"no line {line}", "3 lines")


def test_memory_insert_into_an_empty_block_is_its_whole_text() -> None:
    for line in (-1, 0):
        result = run("memory_insert", label="notes", new_string="one\ntwo", insert_line=line)
        assert_edited(result, "notes", "one\ntwo")


def test_memory_insert_at_the_end_uses_the_line_break_that_is_there() -> None:
    result = run("memory_insert", (block("a", "one\n"),), label="a", new_string="two")

    assert value_of(result.blocks, "a") == "one\ntwo"


def test_memory_rethink_writes_a_block_anew() -> None:
    assert_edited(run("memory_rethink", label="human", new_memory="Ann"), "human", "Ann")


def test_memory_rethink_of_a_new_label_creates_the_block() -> None:
    result = run("memory_rethink", label="plans", new_memory="Go to Porto")

    assert (result.status, result.text) == ("success", "Go to Porto")
    assert result.blocks[:3] == BLOCKS
    made = result.blocks[3]
    assert (made.id, made.label, made.value) == ("block-new", "plans", "Go to Porto")
    assert made.limit == DEFAULT_BLOCK_LIMIT_CHARS


def test_memory_finish_edits_changes_nothing() -> None:
    result = run("memory_finish_edits")

    assert result == MemoryResult(blocks=BLOCKS, text="None", status="success")


READ_ONLY_EDITS: list[tuple[str, dict[str, Any]]] = [
    ("core_memory_append", {"label": "policy", "content": "x"}),
    ("core_memory_replace", {"label": "policy", "old_content": "kind", "new_content": "x"}),
    ("memory_replace", {"label": "policy", "old_string": "not there", "new_string": "x"}),
    ("memory_insert", {"label": "policy", "new_string": "x", "insert_line": 99}),
    ("memory_rethink", {"label": "policy", "new_memory": "x"}),
    ("memory_apply_patch", {"label": "policy", "patch": "-Be kind.\n+Be rude."}),
    ("memory_apply_patch", {"label": "", "patch": "*** Delete Block: policy"}),
    ("memory_apply_patch", {"label": "", "patch": "*** Update Block: policy\n*** Move to: x"}),
    ("memory", {"command": "str_replace", "path": "/memories/policy", "old_string": "kind"}),
    ("memory", {"command": "insert", "path": "/memories/policy", "insert_text": "x"}),
    ("memory", {"command": "delete", "path": "/memories/policy"}),
    ("memory", {"command": "rename", "old_path": "/memories/policy", "new_path": "/memories/x"}),
    ("memory", {"command": "rename", "path": "/memories/policy", "description": "x"}),
]


@pytest.mark.parametrize(("name", "arguments"), READ_ONLY_EDITS)
def test_read_only_block_refuses_every_edit(name: str, arguments: dict[str, Any]) -> None:
    result = run(name, **arguments)

    assert_refused(result)
    assert result.text == READ_ONLY


UNKNOWN_LABEL_EDITS: list[tuple[str, dict[str, Any]]] = [
    ("core_memory_append", {"label": "humans", "content": "x"}),
    ("core_memory_replace", {"label": "humans", "old_content": "x", "new_content": "x"}),
    ("memory_replace", {"label": "humans", "old_string": "x", "new_string": "x"}),
    ("memory_insert", {"label": "humans", "new_string": "x"}),
    ("memory_apply_patch", {"label": "humans", "patch": "+x"}),
    ("memory", {"command": "delete", "path": "/memories/humans"}),
]


@pytest.mark.parametrize(("name", "arguments"), UNKNOWN_LABEL_EDITS)
def test_unknown_label_is_answered_with_those_there_are(
    name: str, arguments: dict[str, Any]
) -> None:
    assert_refused(run(name, **arguments), "`humans`", "human, policy, notes")


def test_unknown_label_without_any_blocks_says_that_there_are_none() -> None:
    result = run("memory_insert", (), label="human", new_string="x")

    assert "there are no memory blocks" in result.text


LONG = "x" * 300
TOO_LONG_EDITS: list[tuple[str, dict[str, Any]]] = [
    ("core_memory_append", {"label": "human", "content": LONG}),
    ("core_memory_replace", {"label": "human", "old_content": "tea", "new_content": LONG}),
    ("memory_replace", {"label": "human", "old_string": "tea", "new_string": LONG}),
    ("memory_insert", {"label": "human", "new_string": LONG}),
    ("memory_rethink", {"label": "human", "new_memory": LONG}),
    ("memory_apply_patch", {"label": "human", "patch": f"+{LONG}"}),
    ("memory", {"command": "insert", "path": "human", "insert_text": LONG}),
]


@pytest.mark.parametrize(("name", "arguments"), TOO_LONG_EDITS)
def test_edit_over_the_limit_says_what_to_do(name: str, arguments: dict[str, Any]) -> None:
    result = run(name, **arguments)

    assert_refused(result, f"holds {len(HUMAN.value)} characters", "may hold 200")
    assert "Shorten" in result.text


def test_edit_over_the_limit_is_made_once_the_lines_it_names_are_moved() -> None:
    lines = [f"Fact number {number} of twelve." for number in range(12)]
    full = (block("human", "\n".join(lines), limit=len("\n".join(lines)) + 10),)
    added = "A fact that is somewhat longer than one of the others."

    refused = run("memory_insert", full, label="human", new_string=added)
    shorter = run("memory_rethink", full, label="human", new_memory="\n".join(lines[2:])).blocks

    assert refused.status == "error"
    assert "Its first 2 lines would free 50 characters" in refused.text
    assert "archival_memory_insert" in refused.text
    assert run("memory_insert", shorter, label="human", new_string=added).status == "success"


def test_edit_up_to_the_limit_is_made() -> None:
    assert_edited(run("memory_rethink", label="human", new_memory="x" * 200), "human", "x" * 200)


def test_created_block_over_the_default_limit_is_refused() -> None:
    text = "x" * (DEFAULT_BLOCK_LIMIT_CHARS + 1)

    assert_refused(run("memory_rethink", label="huge", new_memory=text), "may hold 100000")


def test_memory_create_makes_a_block() -> None:
    result = run(
        "memory", command="create", path="/memories/todo", description="To do", file_text="milk"
    )

    assert result.status == "success"
    assert result.text == (
        "Successfully created memory block 'todo'. Your system prompt has been recompiled with "
        "the new memory block and is now active in your context."
    )
    made = result.blocks[-1]
    assert (made.label, made.value, made.description) == ("todo", "milk", "To do")


def test_memory_create_of_a_nested_path_makes_one_label() -> None:
    result = run("memory", command="create", path="/memories/trips/rome/")

    assert (result.blocks[-1].label, result.blocks[-1].value) == ("trips_rome", "")


@pytest.mark.parametrize("path", ["/memories/human", "human", "/human"])
def test_memory_create_of_a_taken_label_is_refused(path: str) -> None:
    assert_refused(run("memory", command="create", path=path, file_text="x"), "already is")


@pytest.mark.parametrize("path", ["", "/memories/", "two words", "<b>", "x" * 101])
def test_memory_create_of_a_label_that_cannot_be_one_is_refused(path: str) -> None:
    assert_refused(run("memory", command="create", path=path), "cannot be the label")


def test_memory_str_replace_and_insert_edit_the_block_at_the_path() -> None:
    replaced = run(
        "memory", command="str_replace", path="/memories/human", old_string="Ann", new_string="Bo"
    )
    inserted = run(
        "memory", command="insert", path="/memories/human", insert_line=0, insert_text="Top"
    )

    assert_edited(replaced, "human", HUMAN.value.replace("Ann", "Bo"))
    assert_edited(inserted, "human", f"Top\n{HUMAN.value}")


def test_memory_delete_removes_the_block() -> None:
    result = run("memory", command="delete", path="/memories/human")

    assert result.status == "success"
    assert result.blocks == (POLICY, EMPTY)


def test_memory_rename_keeps_the_block_under_its_new_label() -> None:
    result = run("memory", command="rename", old_path="/memories/human", new_path="/memories/user")

    assert result.status == "success"
    assert [each.label for each in result.blocks] == ["user", "policy", "notes"]
    assert result.blocks[0].id == HUMAN.id
    assert result.blocks[0].value == HUMAN.value


def test_memory_rename_with_a_description_changes_that() -> None:
    result = run("memory", command="rename", path="/memories/human", description="The user")

    assert result.blocks[0].label == "human"
    assert result.blocks[0].description == "The user"


def test_memory_rename_to_a_taken_label_is_refused() -> None:
    result = run("memory", command="rename", old_path="human", new_path="notes")

    assert_refused(result, "already is")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"command": "create"}, "`path` is missing"),
        ({"command": "str_replace", "path": "human"}, "`old_string` is missing"),
        ({"command": "insert", "path": "human"}, "`insert_text` is missing"),
        ({"command": "rename", "path": "human"}, "needs `new_path`"),
        ({"command": "explode"}, "create, str_replace, insert, delete, rename"),
        ({}, "`command` is missing"),
    ],
)
def test_memory_command_that_lacks_something_says_what(
    arguments: dict[str, Any], words: str
) -> None:
    assert_refused(run("memory", **arguments), words)


TEXTS = st.sampled_from(
    [
        "",
        "a",
        "a\nb",
        "tea",
        "Likes tea",
        "x" * 60,
        "1→ a",
        "@@\n-tea\n+mint",
        "*** Add Block: c\n+hi",
        "*** Delete Block: human",
        "*** Update Block: human\n*** Move to: b",
    ]
)
LABELS = st.sampled_from(["human", "policy", "notes", "b", "c", "/memories/human", "no such"])
TEXT_ARGUMENTS = (
    "content",
    "old_content",
    "new_content",
    "old_string",
    "new_string",
    "new_memory",
    "patch",
    "file_text",
    "insert_text",
    "description",
)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("label", "path", "old_path", "new_path"), LABELS),
        **dict.fromkeys(TEXT_ARGUMENTS, TEXTS),
        "command": st.sampled_from(["create", "str_replace", "insert", "delete", "rename"]),
        "insert_line": st.integers(-2, 5),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(MEMORY_TOOLS)), ARGUMENTS), max_size=6))
def test_labels_stay_unique_limits_hold_and_read_only_blocks_stay(
    calls: list[tuple[str, dict[str, Any]]],
) -> None:
    blocks: tuple[Block, ...] = (block("human", "Likes tea", limit=80), POLICY, EMPTY)
    ids = iter(f"block-{number}" for number in range(100))
    for name, arguments in calls:
        result = run_memory_tool(name, arguments, blocks, new_block_id=lambda: next(ids))
        assert result.status == "success" or result.blocks == blocks
        blocks = result.blocks

    labels = [each.label for each in blocks]
    assert len(set(labels)) == len(labels)
    assert len({each.id for each in blocks}) == len(blocks)
    assert all(len(each.value) <= each.limit for each in blocks)
    assert POLICY in blocks
