"""Request -> the parameters of Bedrock's Converse.

Path: core.context -> Request -> to_body -> bedrock_wire.BedrockWire.
Pure mapping, one `match` per part; a part that has no place in its turn raises. Bytes stand here as
base64, sdk_bedrock makes them bytes. Images that are only named by their address are told as text:
the wire takes none, and an agent that was moved here goes on.
Source: the Converse reference of AWS, as botocore 1.43 describes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import Image, Reasoning, Text, ToolCall, ToolReturn, ToolSpec
from remanence.llm.alternating import alternating, user_ends
from remanence.llm.bedrock_models import bedrock_traits
from remanence.llm.bedrock_settings import choose_settings
from remanence.llm.payload import arguments_object, inline_image
from remanence.llm.signatures import anthropic_proof, bedrock_proof
from remanence.llm.tool_ids import wire_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import JsonObject, JsonValue, Part, Request
    from remanence.llm.bedrock_models import BedrockTraits
    from remanence.llm.vendors import Vendor

_CACHE_POINT: JsonObject = {"cachePoint": {"type": "default"}}
_SILENT_RETURN = "(nothing)"


def to_body(request: Request, vendor: Vendor) -> JsonObject:
    """The parameters of Converse and of ConverseStream.

    Args:
        request: what to ask; the model is its handle without the first part.
        vendor: whose quirks to respect.

    Raises:
        InvalidRequest: the tool choice names a tool that is not offered, or the response format
            is one that Converse does not have.
    """
    model = request.handle.partition("/")[2]
    traits = bedrock_traits(model)
    body: JsonObject = {"modelId": model, "messages": _messages(request, traits)}
    if request.system:
        mark = [_CACHE_POINT] if traits.caches else []
        body["system"] = [{"text": request.system}, *mark]
    tools = _tools(request)
    if tools:
        body["toolConfig"] = {"tools": [*tools]}
    for name, fields in choose_settings(request, vendor, traits).items():
        known = body.get(name)
        body[name] = {**known, **fields} if isinstance(known, dict) else fields
    if not tools:
        body.pop("toolConfig", None)
    return body


def _messages(request: Request, traits: BedrockTraits) -> list[JsonValue]:
    merged = alternating(request.turns, _blocks, _text)
    marks = user_ends(merged) if traits.caches else []
    return [
        {"role": role, "content": [*blocks, *([_CACHE_POINT] if place in marks else [])]}
        for place, (role, blocks) in enumerate(merged)
    ]


def _blocks(part: Part, role: str) -> Iterator[JsonObject]:
    """The blocks of one part: one, or none where the wire refuses an empty one."""
    match role, part:
        case ("user" | "assistant", Text()):
            if part.text.strip():
                yield _text(part.text)
        case "user", Image():
            yield _image(part)
        case "assistant", Reasoning():
            yield from _thinking(part)
        case "assistant", ToolCall():
            yield _tool_use(part)
        case "tool", ToolReturn():
            yield _tool_result(part)
        case _:
            raise TypeError(f"{type(part).__name__} has no place in a turn of role {role!r}")


def _text(words: str) -> JsonObject:
    return {"text": words}


def _image(image: Image) -> JsonObject:
    inline = inline_image(image)
    if inline is None:
        return _text(f"(an image, which cannot be shown here: {image.url})")
    media_type, data = inline
    kind = (media_type or "image/png").rpartition("/")[2].replace("jpg", "jpeg")
    return {"image": {"format": kind, "source": {"bytes": data}}}


def _thinking(reasoning: Reasoning) -> Iterator[JsonObject]:
    """What Bedrock hid, or Anthropic signed anywhere; another's thoughts cannot be sent here."""
    hidden = bedrock_proof(reasoning)
    if hidden is not None:
        yield {"reasoningContent": {"redactedContent": hidden}}
    elif reasoning.redacted is None and anthropic_proof(reasoning) is not None:
        words: JsonObject = {"text": reasoning.text, "signature": reasoning.signature}
        yield {"reasoningContent": {"reasoningText": words}}


def _tool_use(call: ToolCall) -> JsonObject:
    use: JsonObject = {
        "toolUseId": wire_id(call.tool_call_id),
        "name": call.name,
        "input": arguments_object(call.arguments),
    }
    return {"toolUse": use}


def _tool_result(result: ToolReturn) -> JsonObject:
    told: JsonObject = {
        "toolUseId": wire_id(result.tool_call_id),
        "content": [_text(result.text or _SILENT_RETURN)],
        "status": result.status,
    }
    return {"toolResult": told}


def _tools(request: Request) -> list[JsonObject]:
    """The tools on offer; without any, those that the conversation speaks of.

    The wire refuses calls in the messages of a request that offers no tools.
    """
    specs = request.tools or _spoken_of(request)
    return [_tool(spec) for spec in specs]


def _spoken_of(request: Request) -> tuple[ToolSpec, ...]:
    calls = (p for turn in request.turns for p in turn.parts if isinstance(p, ToolCall))
    names = dict.fromkeys(call.name for call in calls)
    return tuple(ToolSpec(name=n, description="No longer there.", parameters={}) for n in names)


def _tool(spec: ToolSpec) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": {}, **spec.parameters}
    # An empty description is refused.
    described: JsonObject = {"name": spec.name, "description": spec.description or spec.name}
    return {"toolSpec": {**described, "inputSchema": {"json": schema}}}
