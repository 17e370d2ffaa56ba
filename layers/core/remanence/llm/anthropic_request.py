"""Request -> the JSON body of Anthropic's messages API.

Path: core.context -> Request -> to_body -> anthropic_wire.AnthropicWire.
Pure mapping, one `match` per part; a part that has no place in its turn raises. The roles of
the result alternate, begin and end with the user. `Turn.name` has no field on this wire.
Source: the messages reference of platform.claude.com, as `anthropic` 2.13 types it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import Image, Reasoning, Text, ToolCall, ToolReturn
from remanence.llm.alternating import alternating, user_ends
from remanence.llm.anthropic_settings import choose_settings
from remanence.llm.payload import arguments_object, inline_image
from remanence.llm.signatures import anthropic_proof
from remanence.llm.tool_ids import wire_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import JsonObject, JsonValue, Part, Request, ToolSpec
    from remanence.llm.vendors import Vendor


def to_body(request: Request, vendor: Vendor, *, stream: bool) -> JsonObject:
    """The body of POST /v1/messages.

    The prompt is cached up to four marks: tools, system, and the ends of the last two user
    turns, the earlier of which is where the request before this one ended.

    Args:
        request: what to ask; the model is its handle without the first part.
        vendor: whose quirks to respect.
        stream: whether fragments are wanted.

    Raises:
        InvalidRequest: the tool choice names a tool that is not offered, or the response format
            is one that the messages API does not have.
    """
    body: JsonObject = {"model": request.handle.partition("/")[2]}
    if request.system:
        body["system"] = [_cached(_text(request.system))]
    if request.tools:
        tools = [_tool(spec) for spec in request.tools]
        body["tools"] = [*tools[:-1], _cached(tools[-1])]
    body["messages"] = _messages(request)
    body |= choose_settings(request, vendor)
    if stream:
        body["stream"] = True
    return body


def _messages(request: Request) -> list[JsonValue]:
    merged = alternating(request.turns, _blocks, _text)
    marks = user_ends(merged)
    messages: list[JsonValue] = []
    for index, (role, blocks) in enumerate(merged):
        marked = [*blocks[:-1], _cached(blocks[-1])] if index in marks else blocks
        messages.append({"role": role, "content": [*marked]})
    return messages


def _blocks(part: Part, role: str) -> Iterator[JsonObject]:
    """The blocks of one part: one, or none where the wire refuses an empty one."""
    match role, part:
        case ("user" | "assistant", Text()):
            # Text without a visible character is an error of this API, wherever it stands.
            if part.text.strip():
                yield _text(part.text)
        case "user", Image():
            yield {"type": "image", "source": _image_source(part)}
        case "assistant", Reasoning():
            yield from _thinking(part)
        case "assistant", ToolCall():
            yield _tool_use(part)
        case "tool", ToolReturn():
            yield _tool_result(part)
        case _:
            raise TypeError(f"{type(part).__name__} has no place in a turn of role {role!r}")


def _text(words: str) -> JsonObject:
    return {"type": "text", "text": words}


def _thinking(reasoning: Reasoning) -> Iterator[JsonObject]:
    """Reasoning that Anthropic signed. What another provider thought cannot be sent here."""
    if anthropic_proof(reasoning) is None:
        return
    if reasoning.redacted is not None:
        yield {"type": "redacted_thinking", "data": reasoning.redacted}
    elif reasoning.signature is not None:
        yield {
            "type": "thinking",
            "thinking": reasoning.text,
            "signature": reasoning.signature,
        }


def _tool_use(call: ToolCall) -> JsonObject:
    return {
        "type": "tool_use",
        "id": wire_id(call.tool_call_id),
        "name": call.name,
        "input": arguments_object(call.arguments),
    }


def _tool_result(result: ToolReturn) -> JsonObject:
    block: JsonObject = {"type": "tool_result", "tool_use_id": wire_id(result.tool_call_id)}
    if result.text:
        block["content"] = result.text
    if result.status == "error":
        block["is_error"] = True
    return block


def _image_source(image: Image) -> JsonObject:
    inline = inline_image(image)
    if inline is None:
        return {"type": "url", "url": image.url or ""}
    media_type, data = inline
    return {"type": "base64", "media_type": media_type, "data": data}


def _tool(spec: ToolSpec) -> JsonObject:
    return {
        "name": spec.name,
        "description": spec.description,
        "input_schema": {"type": "object", **spec.parameters},
    }


def _cached(block: JsonObject) -> JsonObject:
    return {**block, "cache_control": {"type": "ephemeral"}}
