"""Turns -> messages whose roles alternate, for the wires that insist on it.

Path: anthropic_request and bedrock_request -> alternating, with a function for their blocks.
Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from remanence.core.exchange import JsonObject, Part, Turn

# Stands where the wire wants a user turn and the conversation has none; it may not be empty.
_FILLER = "(continue)"


def alternating(
    turns: Sequence[Turn],
    blocks_of: Callable[[Part, str], Iterable[JsonObject]],
    text_block: Callable[[str], JsonObject],
) -> list[tuple[str, list[JsonObject]]]:
    """Neighbours of one role become one message; there are user turns at both ends.

    Args:
        turns: the conversation, oldest first.
        blocks_of: the blocks of a part in a turn of a role: none where the wire has no place.
        text_block: a block of plain text.
    """
    merged: list[tuple[str, list[JsonObject]]] = []
    for turn in turns:
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = [block for part in turn.parts for block in blocks_of(part, turn.role)]
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(blocks)
        elif blocks:
            merged.append((role, blocks))
    if not merged or merged[0][0] == "assistant":
        merged.insert(0, ("user", [text_block(_FILLER)]))
    if merged[-1][0] == "assistant":
        merged.append(("user", [text_block(_FILLER)]))
    return merged


def user_ends(messages: Sequence[tuple[str, object]]) -> list[int]:
    """Where the last two user messages stand: the ends of this request and of the one before."""
    return [place for place, (role, _) in enumerate(messages) if role == "user"][-2:]
