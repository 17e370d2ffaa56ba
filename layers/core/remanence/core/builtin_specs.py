"""The built-in tools as a model sees them: names, arguments, and when to use which.

Names, argument names and types are the protocol's; the wording is ours. Part of core.builtin,
which is what others import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import ToolSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.exchange import JsonObject


def _text(description: str) -> JsonObject:
    return {"type": "string", "description": description}


def _integer(description: str) -> JsonObject:
    return {"type": "integer", "description": description}


def _choice(values: Sequence[str], description: str) -> JsonObject:
    return {"type": "string", "enum": [*values], "description": description}


def _texts(description: str, values: Sequence[str] = ()) -> JsonObject:
    items: JsonObject = {"type": "string"}
    if values:
        items["enum"] = [*values]
    return {"type": "array", "items": items, "description": description}


def _spec(
    name: str, description: str, arguments: dict[str, JsonObject], required: Sequence[str]
) -> ToolSpec:
    properties: JsonObject = dict(arguments)
    return ToolSpec(
        name=name,
        description=description,
        parameters={
            "type": "object",
            "properties": properties,
            "required": [*required],
        },
    )


_LABEL = _text("Label of the memory block, as shown in your core memory.")
_DATE_FORMS = 'ISO 8601: "2026-03-14", or with a time "2026-03-14T09:30" (your own time zone).'

SEND_MESSAGE = _spec(
    "send_message",
    "Say something to the user. Where you have this tool, it is how the user hears you: they read "
    "the message and nothing else.",
    {"message": _text("What the user reads, in their language. Any Unicode, emoji included.")},
    ["message"],
)

CONVERSATION_SEARCH = _spec(
    "conversation_search",
    "Search everything that was ever said between you and the user, also what has left your view. "
    "Use it before you say that you do not know or do not remember. Words and meaning both count, "
    "so a few telling words work better than a whole sentence. Without a query it lists the "
    "newest messages that pass the filters. With expand it shows what stands behind a summary.",
    {
        "query": _text("What to look for. Leave it out to list by date or role only."),
        "roles": _texts(
            "Only what these said: user (what you were told), assistant (what you answered). Both "
            "if left out. What tools returned is not searched.",
            ("assistant", "user", "tool"),
        ),
        "limit": _integer("How many results (default: the best that fit about 2,000 tokens)."),
        "start_date": _text(f"Nothing older than this moment. {_DATE_FORMS}"),
        "end_date": _text(
            f"Nothing newer than this moment; a date alone includes that whole day. {_DATE_FORMS}"
        ),
        "expand": _text(
            'Instead of a search: the span of a summary in your view, "1-40" for [messages 1-40], '
            "to read the finer summaries or the words behind it, oldest first."
        ),
    },
    [],
)

ARCHIVAL_MEMORY_INSERT = _spec(
    "archival_memory_insert",
    "Keep a fact for good in archival memory, which is unlimited and always searchable, but not "
    "in view. Use it for details that are worth keeping and not needed in every conversation: "
    "events, decisions, documents, long lists. Write each fact so that it can be understood alone, "
    "years later: name who and what it is about, and give dates in full.",
    {
        "content": _text("The fact, in full sentences that need no context."),
        "tags": _texts('Words to filter by later, such as ["travel", "family"].'),
    },
    ["content"],
)

ARCHIVAL_MEMORY_SEARCH = _spec(
    "archival_memory_search",
    "Search archival memory, the facts that you or your operator stored for good. Words and "
    "meaning both count. Try again with other words, or without filters, before you give up. What "
    "has trust low came from a tool or a page, not from the user: check it before you rely on it.",
    {
        "query": _text("What you want to know, in your own words."),
        "tags": _texts("Only facts with these tags."),
        "tag_match_mode": _choice(
            ("any", "all"),
            '"any": one of the tags is enough (default). "all": every tag must be there.',
        ),
        "top_k": _integer("How many results (default: the best that fit about 2,000 tokens)."),
        "start_datetime": _text(f"Nothing stored before this moment. {_DATE_FORMS}"),
        "end_datetime": _text(
            f"Nothing stored after this moment; a date alone includes that day. {_DATE_FORMS}"
        ),
        "as_of": _text(
            "Facts as they were at this moment, also those that no longer hold (default: only what "
            f"holds now). {_DATE_FORMS}"
        ),
    },
    ["query"],
)

CORE_MEMORY_APPEND = _spec(
    "core_memory_append",
    "Add a line at the end of a memory block. Core memory is always in view, so keep there what "
    "matters in every conversation: who the user is, what they like, what was agreed.",
    {"label": _LABEL, "content": _text("The line to add.")},
    ["label", "content"],
)

CORE_MEMORY_REPLACE = _spec(
    "core_memory_replace",
    "Replace text in a memory block, wherever it occurs there. Use it when a fact has changed or "
    "was wrong; with an empty new_content the old text is removed.",
    {
        "label": _LABEL,
        "old_content": _text("The text as it stands in the block, character for character."),
        "new_content": _text("What takes its place; empty to delete."),
    },
    ["label", "old_content", "new_content"],
)

MEMORY_REPLACE = _spec(
    "memory_replace",
    "Change one passage of a memory block. The old text must occur exactly once; take enough of "
    "the surrounding words to make it unique. Use it to correct or to remove (empty new_string) "
    "a fact as soon as you learn that it no longer holds.",
    {
        "label": _LABEL,
        "old_string": _text("The text as it stands in the block, with all spaces and line breaks."),
        "new_string": _text("What takes its place; empty to delete. No line numbers."),
    },
    ["label", "old_string", "new_string"],
)

MEMORY_INSERT = _spec(
    "memory_insert",
    "Add text to a memory block. Use it whenever you learn something that should be in view from "
    "now on: a name, a preference, a plan, a correction of your own behaviour.",
    {
        "label": _LABEL,
        "new_string": _text("The text to add, one line or several. No line numbers."),
        "insert_line": _integer(
            "Add it after this line: 0 is the beginning, -1 the end (default -1)."
        ),
    },
    ["label", "new_string"],
)

MEMORY_RETHINK = _spec(
    "memory_rethink",
    "Write a memory block anew, whole. Use it to sort, shorten or merge what has piled up; for a "
    "single fact the smaller tools are safer. What you leave out is gone from the block. A label "
    "that does not exist yet becomes a new block.",
    {
        "label": _text("Label of the memory block to write anew, or of the one to create."),
        "new_memory": _text("The complete new text of the block."),
    },
    ["label", "new_memory"],
)

MEMORY_APPLY_PATCH = _spec(
    "memory_apply_patch",
    "Change memory blocks with a patch: several places of one block, or several blocks at once. "
    "It is applied whole or not at all.\n"
    "One block: give its label and lines that begin with a space (stays), - (goes) or + (comes); "
    "begin each further place with a line @@. Copy the lines that stay or go exactly.\n"
    "Several blocks: leave the label empty and write sections:\n"
    "*** Update Block: label (then lines as above; a first line '*** Move to: new-label' renames)\n"
    "*** Add Block: label (then optionally 'Description: ...', then lines that begin with +)\n"
    "*** Delete Block: label",
    {
        "label": _text('The block to patch, or "" when the patch has *** sections.'),
        "patch": _text("The patch."),
    },
    ["label", "patch"],
)

MEMORY = _spec(
    "memory",
    "Manage memory blocks as if they were files under /memories. Commands:\n"
    "create: a new block (path, description, file_text).\n"
    "str_replace: change a passage that occurs exactly once (path, old_string, new_string).\n"
    "insert: add text after a line (path, insert_line, insert_text).\n"
    "delete: take a block out of your memory (path).\n"
    "rename: give a block another name (old_path, new_path), or another description (path, "
    "description).",
    {
        "command": _choice(
            ("create", "str_replace", "insert", "delete", "rename"), "What is to be done."
        ),
        "path": _text('The block, such as "/memories/human".'),
        "file_text": _text("create: the text of the new block."),
        "description": _text("create, rename: what the block is for, in a sentence."),
        "old_string": _text("str_replace: the text as it stands in the block."),
        "new_string": _text("str_replace: what takes its place; empty to delete."),
        "insert_line": _integer("insert: after which line; 0 is the beginning, -1 the end."),
        "insert_text": _text("insert: the text to add."),
        "old_path": _text("rename: the block as it is called now."),
        "new_path": _text("rename: its new name."),
    },
    ["command"],
)

MEMORY_FINISH_EDITS = _spec(
    "memory_finish_edits",
    "Say that you are done with editing memory. Call it once everything worth keeping is stored.",
    {},
    [],
)
