"""Epochs: the prefix of the prompt stands still, and changes reach the model at its tail.

Path: core.context.compile_context -> epoch_for; core.step -> after_edits. Pure.

Providers discount a repeated prefix by half and more. So the system part is compiled once and
kept; what the agent itself edits it sees in the return of its tool call, and what others change
(the API, another agent on a shared block) is told in one short note behind the newest message,
which is stored there. A new epoch begins when the system prompt or the rules change, when the
window moves (the prefix breaks anyway), on `recompile`, and when the notes outweigh the saving.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from remanence.core.exchange import Text
from remanence.core.history import BY_MODEL
from remanence.core.render import block_lines, system_sections
from remanence.core.tokens import estimate_text
from remanence.core.types import Epoch, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.calls import BlockChanges
    from remanence.core.types import Block, State

# Notes may take this share of the system part before it is cheaper to compile it afresh: a note
# is paid at every later step too, a broken prefix once.
NOTES_SHARE = 0.5
# A few notes never do, however short the system part is.
FREE_NOTE_TOKENS = 400
COMPILED_AFRESH = (
    "The system prompt was compiled afresh here: what it shows of core memory holds over "
    "anything older in this conversation."
)


def epoch_for(state: State) -> tuple[Epoch, str]:
    """The epoch the next step belongs to, and what it tells the model about changes since.

    Returns:
        The conversation's epoch with the note accounted for, or a new one (then the note only
        says so). To be stored only when the request that carries the note was answered.
    """
    key = _key(state)
    old = state.conversation.epoch
    if old is None or old.key != key:
        return _fresh(state, key)
    note = _note(state.blocks, old)
    if not note:
        return old, ""
    spent = old.note_tokens + estimate_text(note)
    if spent > max(FREE_NOTE_TOKENS, NOTES_SHARE * sum(old.tokens.values())):
        return _fresh(state, key)
    return replace(old, seen=_versions(state.blocks), note_tokens=spent), note


def after_edits(epoch: Epoch, changes: BlockChanges, limit_chars: int) -> Epoch:
    """The epoch after a step that edited blocks by tool calls.

    An edit was seen in the return of its call, unless the block is longer than what the model is
    shown of one return (`limit_chars`), or was one that others had changed unseen: then it is
    told again.
    """
    seen = {
        block_id: version
        for block_id, version in epoch.seen.items()
        if block_id not in changes.detached
    }
    for edit in changes.edited:
        is_shown = len(edit.block.value) <= limit_chars
        if is_shown and seen.get(edit.block.id) == edit.base_version:
            seen[edit.block.id] = edit.base_version + 1
    seen |= {edit.block.id: 1 for edit in changes.created}
    return epoch if seen == epoch.seen else replace(epoch, seen=seen)


def note_message(state: State, note: str) -> Message:
    """A note as the message it will be stored as; its id is given when it is."""
    return Message(
        id="",
        role="system",
        parts=(Text(text=note),),
        created_at=state.run.created_at,
        tokens=estimate_text(note),
        step_id="",  # ours, as all system messages that a step wrote
    )


def _fresh(state: State, key: str) -> tuple[Epoch, str]:
    sections = system_sections(state)
    epoch = Epoch(
        system="\n\n".join(text for text in sections.values() if text),
        key=key,
        tokens={name: estimate_text(text) for name, text in sections.items()},
        seen=_versions(state.blocks),
    )
    # Older turns show older values of blocks: say from where on the system part is the newer one.
    has_spoken = any(message.role in BY_MODEL for message in state.window)
    return epoch, COMPILED_AFRESH if has_spoken else ""


def _key(state: State) -> str:
    """What the system part depends on, beside the values of blocks and the counts of memory."""
    sections = system_sections(state)
    frames = [
        [block.id, block.label, block.description, block.limit, block.read_only]
        for block in state.blocks
    ]
    parts = [
        state.agent.id,
        sections["system"],
        sections["rules"],
        state.conversation.window_from_seq,
        frames,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _versions(blocks: Sequence[Block]) -> dict[str, int]:
    return {block.id: block.version for block in blocks}


def _note(blocks: Sequence[Block], epoch: Epoch) -> str:
    """The blocks whose value changed since the model last saw it; empty when none did."""
    changed = [block for block in blocks if epoch.seen.get(block.id) != block.version]
    if not changed:
        return ""
    lines = ["Core memory was changed from outside. From now on this holds:", "<memory_update>"]
    for block in changed:
        lines += block_lines(block)
    lines.append("</memory_update>")
    return "\n".join(lines)
