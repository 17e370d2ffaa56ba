"""Patches of memory blocks: where hunks fit, what sections do, and all or nothing."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remanence.core.blocks import Refusal
from remanence.core.ids import BlockId
from remanence.core.patch import apply_patch
from remanence.core.types import Block

VALUE = "Name: Ann\nLikes tea\nWorks at a bank\nLikes tea\nHas a cat"


def block(label: str, value: str) -> Block:
    return Block(id=BlockId(f"block-{label}"), label=label, value=value, limit=500)


BLOCKS = (block("human", VALUE), block("notes", ""))


def patched(patch: str, label: str = "human") -> str:
    blocks, text = apply_patch(BLOCKS, label, dedent(patch), new_block_id=lambda: "block-new")
    value = next(each.value for each in blocks if each.label == label)
    assert text == value
    return value


def sections(patch: str) -> tuple[tuple[Block, ...], str]:
    return apply_patch(BLOCKS, "", dedent(patch), new_block_id=lambda: "block-new")


def refusal(patch: str, label: str = "human") -> str:
    with pytest.raises(Refusal) as refused:
        apply_patch(BLOCKS, label, dedent(patch), new_block_id=lambda: "block-new")
    return str(refused.value)


def test_hunk_finds_its_place_by_context() -> None:
    value = patched("""\
        @@
         Name: Ann
        -Likes tea
        +Likes mint
         Works at a bank
        """)

    assert value == VALUE.replace("Likes tea", "Likes mint", 1)


def test_hunks_apply_in_order() -> None:
    value = patched("""\
        @@ -1,2 +1,2 @@
         Name: Ann
        -Likes tea
        +Likes mint
        @@ -4,2 +4,1 @@
        -Likes tea
         Has a cat
        """)

    assert value == "Name: Ann\nLikes mint\nWorks at a bank\nHas a cat"


def test_unified_diff_with_file_header_applies() -> None:
    value = patched("""\
        --- human
        +++ human
        @@ -3,1 +3,1 @@
        -Works at a bank
        +Works at a school
        """)

    assert value == VALUE.replace("bank", "school")


def test_lines_without_context_go_to_the_end() -> None:
    assert patched("+Has a dog") == f"{VALUE}\nHas a dog"
    assert patched("+one\n+\n+two", "notes") == "one\n\ntwo"


def test_anchor_tells_equal_lines_apart() -> None:
    value = patched("""\
        @@ Works at a bank
        -Likes tea
        +Likes mint
        """)

    assert value == "Name: Ann\nLikes tea\nWorks at a bank\nLikes mint\nHas a cat"


def test_anchor_may_be_the_line_that_changes() -> None:
    assert patched("@@ Has a cat\n-Has a cat\n+Has a dog").endswith("Has a dog")


def test_anchor_with_only_new_lines_adds_them_after_it() -> None:
    assert patched("@@ Name: Ann @@\n+Age: 40").startswith("Name: Ann\nAge: 40\nLikes tea")


def test_spaces_at_line_ends_do_not_matter_and_kept_lines_stay_to_the_letter() -> None:
    blocks = (block("human", "Name: Ann  \n  Likes tea"),)

    after, _ = apply_patch(
        blocks, "human", " Name: Ann\n-Likes tea\n+Likes mint", new_block_id=lambda: "x"
    )

    assert after[0].value == "Name: Ann  \nLikes mint"


def test_end_of_block_marker_binds_a_hunk_to_the_last_lines() -> None:
    blocks = (block("human", "a\nb\na"),)

    after, _ = apply_patch(blocks, "human", "@@\n-a\n+z\n*** End of File", new_block_id=lambda: "x")

    assert after[0].value == "a\nb\nz"


def test_sections_add_update_move_and_delete() -> None:
    blocks, text = sections("""\
        *** Begin Patch
        *** Update Block: human
        *** Move to: user
        @@
        -Has a cat
        +Has a dog
        *** Add Block: plans
        Description: What is planned
        +May: Porto
        +
        +June: Rome

        *** Delete Block: notes
        *** End Patch
        """)

    assert [each.label for each in blocks] == ["user", "plans"]
    assert blocks[0].id == "block-human"
    assert blocks[0].value == VALUE.replace("cat", "dog")
    assert blocks[1].value == "May: Porto\n\nJune: Rome"
    assert blocks[1].description == "What is planned"
    assert text == (
        "Updated memory block `human`, which is now called `user`:\n"
        f"{blocks[0].value}\n"
        "Added memory block `plans`:\nMay: Porto\n\nJune: Rome\n"
        "Deleted memory block `notes`."
    )


def test_section_that_only_moves_keeps_the_text() -> None:
    blocks, _ = sections("*** Update Block: human\n*** Move to: user")

    assert (blocks[0].label, blocks[0].value) == ("user", VALUE)


def test_sections_see_what_those_before_them_did() -> None:
    blocks, _ = sections("*** Delete Block: notes\n*** Add Block: notes\n+new\n")

    assert (blocks[1].id, blocks[1].value) == ("block-new", "new")


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ("@@\n-Likes tea\n+Likes mint", "occur 2 times"),
        ("@@\n-Likes wine\n+Likes mint", "does not fit memory block `human`"),
        ("-Has a cat\n+x\n@@\n-Name: Ann\n+y", "line 3 of the patch does not fit"),
        ("@@ No such line\n+x", "has no line `No such line`"),
        ("Likes wine", "line 1 of the patch, `Likes wine`, has to begin with"),
        ("@@\n Name: Ann", "no lines that begin with - or +"),
        ("", "no lines that begin with - or +"),
        ("*** Update Block: human\n*** Move to: notes", "already is a memory block"),
        ("*** Update Block: nobody\n+x", "no memory block with the label `nobody`"),
        ("*** Add Block: notes\n+x", "already is a memory block"),
        ("*** Add Block: two words\n+x", "cannot be the label"),
        ("*** Add Block: plans\nMay: Porto", "`May: Porto`, has to begin with +"),
        ("*** Delete Block: notes\n-x", "takes none"),
        ("hello\n*** Delete Block: notes", "before its first section"),
    ],
)
def test_patch_that_cannot_be_applied_says_why(patch: str, words: str) -> None:
    assert words in refusal(patch)


def test_patch_without_label_and_sections_says_how_to_name_the_block() -> None:
    assert "*** Update Block: label" in refusal("+x", label="")


def test_patch_is_applied_whole_or_not_at_all() -> None:
    first_fits = "*** Delete Block: notes\n*** Update Block: human\n-nothing like this\n+x"

    assert "does not fit" in refusal(first_fits)


LINES = st.lists(st.sampled_from(["a", "b", "c", "", "d d"]), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(LINES, st.data())
def test_patch_with_full_context_gives_exactly_the_new_text(
    lines: list[str], data: st.DataObject
) -> None:
    old, new, patch = [], [], []
    for line in lines:
        sign = data.draw(st.sampled_from([" ", "-", "+"]))
        patch.append(f"{sign}{line}")
        old += [line] if sign != "+" else []
        new += [line] if sign != "-" else []
    value = "\n".join(old)
    if all(line.startswith(" ") for line in patch) or not value.strip():
        return

    after, _ = apply_patch(
        (block("human", value),), "human", "\n".join(["@@", *patch]), new_block_id=lambda: "x"
    )

    assert after[0].value == "\n".join(new)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["@@", "-a", "+b", " c", "", "***", "*** Add Block: x", "d"])))
def test_patch_of_any_lines_is_applied_or_refused(lines: list[str]) -> None:
    blocks = (block("human", "a\nc"),)
    try:
        after, text = apply_patch(
            blocks, "human", "\n".join(lines), new_block_id=lambda: "block-new"
        )
    except Refusal as refused:
        text = str(refused)
        after = blocks

    assert text or any(not each.value for each in after)
