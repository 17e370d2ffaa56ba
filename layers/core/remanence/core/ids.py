"""Identifiers: `<kind>-<uuid4>`, spelled as the SDK spells them.

Pure: a new id is always made by an `IdSource` that the caller passes in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NewType

Kind = Literal[
    "agent",
    "archive",
    "block",
    "conv",
    "identity",
    "message",
    "org",
    "passage",
    "provider",
    "run",
    "step",
    "summary",
    "tool",
    "user",
]
IdSource = Callable[[Kind], str]

AgentId = NewType("AgentId", str)
ArchiveId = NewType("ArchiveId", str)
BlockId = NewType("BlockId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
OrgId = NewType("OrgId", str)
PassageId = NewType("PassageId", str)
RunId = NewType("RunId", str)
StepId = NewType("StepId", str)
SummaryId = NewType("SummaryId", str)
ToolId = NewType("ToolId", str)

# The organization and user a deployment without tenants works as; the ids of the retired
# server's defaults, so that rows imported from it keep their owner.
DEFAULT_ORG_ID = OrgId("org-00000000-0000-4000-8000-000000000000")
DEFAULT_USER_ID = "user-00000000-0000-4000-8000-000000000000"

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def is_id(kind: Kind, text: str) -> bool:
    """Whether `text` has the shape of an id of this kind (it may still not exist)."""
    return re.fullmatch(f"{kind}-{_UUID}", text) is not None


def part_otid(message_id: str, index: int) -> str:
    """The `otid` of one wire message cut out of a stored message.

    A stored message becomes several wire messages with the same id; the otid tells them apart
    and is the same in a stream and in the history: the message's uuid with its last two hex
    digits replaced by the part's number.
    """
    return f"{message_id.split('-', 1)[-1][:-2]}{index & 0xFF:02x}"
