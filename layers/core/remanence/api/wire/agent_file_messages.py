"""Messages in agent files: written for export, and read from files that others wrote.

Path: wire/agent_file.py and wire/agent_file_import.py -> here. Reading never fails: what has no
place in a history is left out with a reason, and what an old server packed into JSON is unpacked.
"""

import json
from collections.abc import Callable
from datetime import datetime

from remanence.api.wire.instants import in_utc
from remanence.api.wire.loose import Json, list_of, object_of, objects_of, text_of
from remanence.core.exchange import (
    Approval,
    Image,
    Reasoning,
    StoredPart,
    Text,
    ToolCall,
    ToolReturn,
)
from remanence.core.tokens import estimate_parts
from remanence.core.types import Message, MessageRole

Report = Callable[[str], None]

_ROLES: dict[str, MessageRole] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
    "approval": "approval",
    "summary": "summary",
}
# What old servers packed into a user message, by its type.
_PACKED_ROLES: dict[object, MessageRole] = {
    "user_message": "user",
    "heartbeat": "system",
    "login": "system",
    "system_alert": "summary",
}


def message_to_file(message: Message, file_id: str) -> Json:
    """A message as agent files have it, under an id that is the file's own."""
    parts = message.parts
    returns = [part for part in parts if isinstance(part, ToolReturn)]
    approvals = [part for part in parts if isinstance(part, Approval)]
    return {
        "type": "message",
        "id": file_id,
        "role": message.role,
        "content": [_content(part) for part in parts if isinstance(part, Text | Image | Reasoning)],
        "name": message.name,
        "otid": message.otid,
        "sender_id": message.sender_id,
        "created_at": message.created_at.isoformat(),
        "tool_calls": [_call(part) for part in parts if isinstance(part, ToolCall)],
        "tool_call_id": returns[0].tool_call_id if len(returns) == 1 else None,
        "tool_returns": [_returned(part) for part in returns],
        "approvals": [
            {
                "type": "approval",
                "tool_call_id": part.tool_call_id,
                "approve": part.approve,
                "reason": part.reason,
            }
            for part in approvals
        ],
    }


def _content(part: Text | Image | Reasoning) -> Json:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image(url=str(url)):
            return {"type": "image", "source": {"type": "url", "url": url}}
        case Image():
            source = {"type": "base64", "media_type": part.media_type, "data": part.data}
            return {"type": "image", "source": source | {"detail": part.detail}}
        case Reasoning(redacted=str(data)):
            return {"type": "redacted_reasoning", "data": data}
        case Reasoning():
            return {"type": "reasoning", "reasoning": part.text, "signature": part.signature}


def _call(part: ToolCall) -> Json:
    function = {"name": part.name, "arguments": part.arguments}
    return {"id": part.tool_call_id, "type": "function", "function": function}


def _returned(part: ToolReturn) -> Json:
    packed = {"status": "OK" if part.status == "success" else "Failed", "message": part.text}
    return {
        "tool_call_id": part.tool_call_id,
        "name": part.name,
        "status": part.status,
        "stdout": list(part.stdout) or None,
        "stderr": list(part.stderr) or None,
        "func_response": json.dumps(packed),
    }


def message_from_file(item: Json, message_id: str, now: datetime, report: Report) -> Message | None:
    """A message of a file under a new id, or None when it says nothing."""
    role = _ROLES.get(str(item.get("role")))
    if role is None:
        report(f"a message of the unknown role {str(item.get('role'))[:40]!r} was left out")
        return None
    parts = _parts(item, role)
    if role == "user" and len(parts) == 1 and isinstance(parts[0], Text):
        role, parts = _unpacked(parts[0].text)
    elif role == "summary":
        parts = _unpacked("\n".join(part.text for part in parts if isinstance(part, Text)))[1]
    if not parts:
        report(f"an empty {role} message was left out")
        return None
    return Message(
        id=message_id,
        role=role,
        parts=parts,
        created_at=_instant(item.get("created_at")) or now,
        tokens=estimate_parts(parts),
        name=text_of(item.get("name")) if role == "user" else None,
        otid=text_of(item.get("otid")),
        sender_id=text_of(item.get("sender_id")),
    )


def _parts(item: Json, role: MessageRole) -> tuple[StoredPart, ...]:
    match role:
        case "tool":
            return _returns(item)
        case "assistant" | "approval":
            said = [part for part in _contents(item) if not isinstance(part, Image)]
            return (*said, *_calls(item), *_approvals(item))
        case "user":
            return tuple(part for part in _contents(item) if not isinstance(part, Reasoning))
        case "system" | "summary":
            return tuple(part for part in _contents(item) if isinstance(part, Text))


def _contents(item: Json) -> list[Text | Image | Reasoning]:
    content: object = item.get("content") or item.get("text")
    pieces = (
        [{"type": "text", "text": content}] if isinstance(content, str) else objects_of(content)
    )
    found = [_piece(piece) for piece in pieces]
    return [part for part in found if part is not None]


def _piece(piece: Json) -> Text | Image | Reasoning | None:
    match piece:
        case {"type": "text", "text": str(text)} if text.strip():
            return Text(text=text)
        case {"type": "image", "source": {"url": str(url)}}:
            return Image(url=url)
        case {"type": "image", "source": {"data": str(data), "media_type": str(media_type)}}:
            return Image(media_type=media_type, data=data)
        case {"type": "reasoning", "reasoning": str(text)}:
            return Reasoning(text=text, signature=text_of(piece.get("signature")))
        case {"type": "redacted_reasoning", "data": str(data)}:
            return Reasoning(text="", redacted=data)
        case _:
            return None


def _calls(item: Json) -> list[ToolCall]:
    return [
        ToolCall(tool_call_id=call_id, name=name, arguments=_arguments(function))
        for call in objects_of(item.get("tool_calls"))
        for function in objects_of([call.get("function")])
        if (call_id := text_of(call.get("id"))) and (name := text_of(function.get("name")))
    ]


def _arguments(function: Json) -> str:
    arguments = function.get("arguments")
    return arguments if isinstance(arguments, str) else json.dumps(arguments or {})


def _approvals(item: Json) -> list[Approval | ToolReturn]:
    given = objects_of(item.get("approvals"))
    return [
        Approval(
            tool_call_id=call_id,
            approve=bool(answer.get("approve")),
            reason=text_of(answer.get("reason")),
        )
        for answer in given
        if (call_id := text_of(answer.get("tool_call_id")))
    ]


def _returns(item: Json) -> tuple[ToolReturn, ...]:
    """The returns of a tool message; of an old one, its text."""
    returns = objects_of(item.get("tool_returns"))
    if not returns or not any(text_of(each.get("tool_call_id")) for each in returns):
        text = "\n".join(part.text for part in _contents(item) if isinstance(part, Text))
        returns = [{"tool_call_id": item.get("tool_call_id"), "func_response": text}]
    return tuple(
        ToolReturn(
            tool_call_id=call_id,
            name=text_of(each.get("name")) or text_of(item.get("name")) or "",
            text=_response(each.get("func_response")),
            status="error" if each.get("status") == "error" else "success",
            stdout=_lines(each.get("stdout")),
            stderr=_lines(each.get("stderr")),
        )
        for each in returns
        if (call_id := text_of(each.get("tool_call_id")))
    )


def _response(packed: object) -> str:
    """What the tool said, out of the envelope {status, message, time}."""
    if not isinstance(packed, str):
        return "" if packed is None else json.dumps(packed)
    message = _object(packed).get("message")
    if message is None:
        return packed
    return message if isinstance(message, str) else json.dumps(message)


def _unpacked(text: str) -> tuple[MessageRole, tuple[StoredPart, ...]]:
    """What an old server packed: {type, message | reason}."""
    packed = _object(text)
    kind = packed.get("type")
    said = text_of(packed.get("message")) or text_of(packed.get("reason")) or ""
    if kind not in _PACKED_ROLES:
        return "user", (Text(text=text),) if text.strip() else ()
    return _PACKED_ROLES[kind], (Text(text=said),) if said.strip() else ()


def _object(text: str) -> Json:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        value = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return {}
    return object_of(value)


def _lines(value: object) -> tuple[str, ...]:
    return tuple(item for item in list_of(value) if isinstance(item, str))


def _instant(value: object) -> datetime | None:
    try:
        return in_utc(datetime.fromisoformat(str(value)))
    except ValueError:
        return None
