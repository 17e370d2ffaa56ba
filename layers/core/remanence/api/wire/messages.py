"""Stored messages as the messages of the protocol.

Path: rows or engine events -> core Message -> to_wire -> answer, stream or page.
One wire message per part of a stored message: they share its id and differ in `otid`, which is
made from the part's number, so that a stream and the history agree. Every key of a type is
present, null included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from remanence.api.wire.speech import Speech
from remanence.core.approvals import waiting_in
from remanence.core.exchange import (
    Approval,
    Image,
    Reasoning,
    StoredPart,
    Text,
    ToolCall,
    ToolReturn,
)
from remanence.core.ids import part_otid
from remanence.core.types import Message

WireMessage = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a client wants to see messages: which tool speaks, and which types it asked for.

    `compactions`: it wants to be told when messages leave the window.
    """

    speech: Speech = field(default_factory=Speech)
    message_types: frozenset[str] | None = None
    compactions: bool = False

    def shows(self, message_type: str) -> bool:
        """Whether messages of this type are sent at all."""
        return self.message_types is None or message_type in self.message_types


def to_wire(message: Message, view: View) -> list[WireMessage]:
    """The wire messages of one stored message, in the order of its parts.

    Raises:
        ValueError: a part that has no place in a message of this role.
    """
    return [wire for wire in wires_of(message, view.speech) if view.shows(wire["message_type"])]


def wires_of(message: Message, speech: Speech) -> list[WireMessage]:
    """The wire messages of one stored message, of whatever type."""
    match message.role:
        case "user":
            return [_user_message(message)]
        case "system":
            return [_system_message(message)]
        case "summary":
            return [_summary_message(message)]
        case "approval":
            return _approval(message, speech)
        case "assistant":
            return [
                assistant_part(part, head_of(message, index), speech)
                for index, part in enumerate(message.parts)
            ]
        case "tool":
            return [
                _tool_return_message(_only_return(part), head_of(message, index))
                for index, part in enumerate(message.parts)
                if not is_spoken_return(part, speech)
            ]


def to_wire_all(messages: Sequence[Message], view: View) -> list[WireMessage]:
    """The wire messages of several stored ones, in order."""
    return [wire for message in messages for wire in to_wire(message, view)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the wire messages of one stored message have in common, and the number of one part."""

    id: str
    date: datetime
    index: int = 0
    otid: str | None = None
    name: str | None = None
    sender_id: str | None = None
    step_id: str | None = None
    run_id: str | None = None

    def wire(self, message_type: str) -> WireMessage:
        """The common keys. `date` has whole seconds and an offset, as the retired server's."""
        return {
            "id": self.id,
            "date": wire_date(self.date),
            "name": self.name,
            "message_type": message_type,
            "otid": self.otid or part_otid(self.id, self.index),
            "sender_id": self.sender_id,
            "step_id": self.step_id,
            "is_err": None,
            "seq_id": None,
            "run_id": self.run_id,
        }


def wire_date(moment: datetime) -> str:
    """The date of a message: UTC, whole seconds, `+00:00`."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def head_of(message: Message, index: int = 0) -> Head:
    """The head of one part of a stored message; an otid the caller gave is the message's own."""
    return Head(
        id=message.id,
        date=message.created_at,
        index=index,
        otid=message.otid if index == 0 else None,
        name=message.name,
        sender_id=message.sender_id,
        step_id=message.step_id,
        run_id=message.run_id,
    )


def assistant_part(part: StoredPart, head: Head, speech: Speech) -> WireMessage:
    """One part of what a model said."""
    match part:
        case Text():
            return head.wire("assistant_message") | {"content": part.text}
        case Reasoning():
            return _reasoning_message(part, head)
        case ToolCall():
            said = speech.said(part.name, part.arguments)
            if said is not None:
                return head.wire("assistant_message") | {"content": said}
            call = _call(part)
            return head.wire("tool_call_message") | {"tool_call": call, "tool_calls": [call]}
        case Image() | ToolReturn() | Approval():
            raise ValueError(f"message {head.id!r}: {type(part).__name__} said by an assistant")


def is_spoken_return(part: StoredPart, speech: Speech) -> bool:
    """Whether this only says that speech was delivered, which clients do not want to see."""
    return isinstance(part, ToolReturn) and part.status == "success" and speech.is_spoken(part.name)


def _user_message(message: Message) -> WireMessage:
    content: str | list[dict[str, Any]]
    if len(message.parts) == 1 and isinstance(message.parts[0], Text):
        content = message.parts[0].text
    else:
        content = [_content_part(part, message) for part in message.parts]
    return head_of(message).wire("user_message") | {"content": content}


def _content_part(part: StoredPart, message: Message) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text, "signature": None}
        case Image(url=str(url)):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Image():
            source = {
                "type": "base64",
                "media_type": part.media_type,
                "data": part.data,
                "detail": part.detail,
            }
            return {"type": "image", "source": source}
        case Reasoning() | ToolCall() | ToolReturn() | Approval():
            raise ValueError(f"message {message.id!r}: {type(part).__name__} said by a user")


def _system_message(message: Message) -> WireMessage:
    return head_of(message).wire("system_message") | {"content": _text_of(message)}


def _summary_message(message: Message) -> WireMessage:
    return head_of(message).wire("summary_message") | {
        "summary": _text_of(message),
        "compaction_stats": None,
    }


def _text_of(message: Message) -> str:
    texts = [part.text for part in message.parts if isinstance(part, Text)]
    if len(texts) != len(message.parts):
        raise ValueError(f"message {message.id!r}: a {message.role} message holds only text")
    return "\n".join(texts)


def _reasoning_message(part: Reasoning, head: Head) -> WireMessage:
    if part.redacted is not None:
        return head.wire("hidden_reasoning_message") | {
            "state": "redacted",
            "hidden_reasoning": part.redacted,
        }
    return head.wire("reasoning_message") | {
        "source": "reasoner_model",
        "reasoning": part.text,
        "signature": part.signature,
    }


def _call(part: ToolCall) -> dict[str, Any]:
    return {
        "name": part.name,
        "arguments": part.arguments,
        "tool_call_id": part.tool_call_id,
    }


def _only_return(part: StoredPart) -> ToolReturn:
    if not isinstance(part, ToolReturn):
        raise ValueError(f"a tool message holds only tool returns, not {type(part).__name__}")  # noqa: TRY004  # of stored data, not an argument
    return part


def _tool_return_message(part: ToolReturn, head: Head) -> WireMessage:
    returned = _returned(part)
    return (
        head.wire("tool_return_message")
        | {"name": part.name}
        | returned
        | {"tool_returns": [{"type": "tool", **returned}]}
    )


def _returned(part: ToolReturn) -> dict[str, Any]:
    return {
        "tool_return": part.text,
        "status": part.status,
        "tool_call_id": part.tool_call_id,
        "stdout": list(part.stdout) or None,
        "stderr": list(part.stderr) or None,
    }


def _approval(message: Message, speech: Speech) -> list[WireMessage]:
    """A reply whose calls wait for an answer, or that answer.

    The calls that wait are one message, whose otid is its id: they are answered together. The
    others run with them, unasked.
    """
    waiting = waiting_in(message)
    if not waiting:
        return [_approval_response(message)]
    shown = [
        assistant_part(part, head_of(message, index), speech)
        for index, part in enumerate(message.parts)
        if part not in waiting
    ]
    return [*shown, request_to_wire(message)]


def request_to_wire(message: Message) -> WireMessage:
    """The calls of an approval request that wait."""
    calls = [_call(part) for part in waiting_in(message)]
    request = head_of(message).wire("approval_request_message")
    return request | {"otid": message.id, "tool_call": calls[0], "tool_calls": calls}


def _approval_response(message: Message) -> WireMessage:
    answers = [_answer(part, message) for part in message.parts]
    only = answers[0] if len(answers) == 1 else {}
    return head_of(message).wire("approval_response_message") | {
        "approvals": answers,
        "approve": only.get("approve"),
        "approval_request_id": None,
        "reason": only.get("reason"),
    }


def _answer(part: StoredPart, message: Message) -> dict[str, Any]:
    match part:
        case Approval():
            return {
                "type": "approval",
                "tool_call_id": part.tool_call_id,
                "approve": part.approve,
                "reason": part.reason,
            }
        case ToolReturn():
            return {"type": "tool", **_returned(part)}
        case Text() | Image() | Reasoning() | ToolCall():
            raise ValueError(f"message {message.id!r}: {type(part).__name__} in an answer to calls")
