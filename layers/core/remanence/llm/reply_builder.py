"""Building one reply from fragments, the same way for every wire.

Path: the reply side of each wire feeds it -> Deltas on the way, one Reply at the end.
Pure state: no IO, no clock. A whole (not streamed) answer is fed as one large fragment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from remanence.core.exchange import (
    Reasoning,
    ReasoningDelta,
    Reply,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from remanence.errors import ProviderBadReply, ProviderEmptyReply
from remanence.llm.tool_ids import fresh_id, ids_in

if TYPE_CHECKING:
    from remanence.core.exchange import Finish, Part, Request, Usage


@dataclass(slots=True, kw_only=True)
class Draft:
    """A part that is still growing. `given_id` and `name` are a tool call's, as they came."""

    kind: Literal["text", "reasoning", "call"]
    text: str = ""
    signature: str = ""
    redacted: str | None = None
    tool_call_id: str = ""
    given_id: str = ""
    name: str = ""


class ReplyBuilder:
    """Collects the parts of one reply in the order they are said."""

    def __init__(self, request: Request) -> None:
        self._taken = ids_in(request)
        # Saying nothing after tool returns is how a model ends its turn; Anthropic documents
        # it ("empty responses with end_turn"), Gemini does it too. Elsewhere it is a fault.
        self._may_be_silent = bool(request.turns) and request.turns[-1].role == "tool"
        self._drafts: list[Draft] = []

    def begin(self, kind: Literal["text", "reasoning"]) -> None:
        """Start a new part, even if the last one is of the same kind."""
        self._drafts.append(Draft(kind=kind))

    def add_text(self, fragment: str) -> TextDelta:
        """Append to the text being said."""
        self._current("text").text += fragment
        return TextDelta(text=fragment)

    def add_reasoning(self, fragment: str) -> ReasoningDelta:
        """Append to the reasoning being thought."""
        self._current("reasoning").text += fragment
        return ReasoningDelta(text=fragment)

    def sign(self, fragment: str) -> None:
        """Append to the signature of the reasoning being thought."""
        self._current("reasoning").signature += fragment

    def seal(self, proof: str) -> None:
        """Give the thought being thought its proof: beside its words, or in their place."""
        draft = self._current("reasoning")
        if draft.text:
            draft.signature = proof
        else:
            draft.redacted = proof

    def add_redacted(self, data: str) -> None:
        """A part of reasoning that cannot be read."""
        self._drafts.append(Draft(kind="reasoning", redacted=data))

    def open_call(self, given_id: str, name: str) -> tuple[Draft, ToolCallDelta]:
        """Start a tool call; its id is final from here on."""
        if not name:
            raise ProviderBadReply("the reply cannot be read: a tool call has no name")
        tool_call_id = fresh_id(given_id, name, self._taken)
        draft = Draft(kind="call", tool_call_id=tool_call_id, given_id=given_id, name=name)
        self._drafts.append(draft)
        return draft, ToolCallDelta(tool_call_id=tool_call_id, name=name)

    def add_arguments(self, draft: Draft, fragment: str) -> ToolCallDelta:
        """Append to the arguments of a tool call."""
        draft.text += fragment
        return ToolCallDelta(tool_call_id=draft.tool_call_id, arguments=fragment)

    def finish(self, finish: Finish, *, usage: Usage | None, model: str | None) -> Reply:
        """The whole reply.

        `finish` is made to agree with the parts: some servers say "stop" after tool calls.

        Raises:
            ProviderEmptyReply: nothing was said where something had to be.
        """
        parts = tuple(_part(draft) for draft in self._drafts if not _is_empty(draft))
        calls = any(isinstance(part, ToolCall) for part in parts)
        if finish == "stop" and calls:
            finish = "tool_calls"
        elif finish == "tool_calls" and not calls:
            finish = "stop"
        if not parts and finish == "stop" and not self._may_be_silent:
            raise ProviderEmptyReply("the reply is empty: neither text nor a tool call")
        return Reply(parts=parts, finish=finish, usage=usage, model=model)

    def _current(self, kind: Literal["text", "reasoning"]) -> Draft:
        if not self._drafts or self._drafts[-1].kind != kind:
            self.begin(kind)
        return self._drafts[-1]


def _is_empty(draft: Draft) -> bool:
    if draft.kind == "call":
        return False
    return not (draft.text or draft.signature or draft.redacted)


def _part(draft: Draft) -> Part:
    match draft.kind:
        case "text":
            return Text(text=draft.text)
        case "reasoning":
            return Reasoning(
                text=draft.text, signature=draft.signature or None, redacted=draft.redacted
            )
        case "call":
            # A tool without parameters is called with nothing at all by some models.
            arguments = draft.text if draft.text.strip() else "{}"
            return ToolCall(tool_call_id=draft.tool_call_id, name=draft.name, arguments=arguments)
