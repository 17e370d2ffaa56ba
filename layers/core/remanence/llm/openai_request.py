"""Request -> the JSON body of OpenAI's chat completions.

Path: core.context -> Request -> to_body -> openai_wire.OpenAIWire.
Pure mapping, one `match` per part; a part that has no place in its turn raises. Reasoning is
not part of this wire and stays behind, except for the vendors that want it back.
Source: the chat completions reference of platform.openai.com, as `openai` 3.57 types it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from remanence.core.exchange import Image, Reasoning, Text, ToolCall, ToolReturn
from remanence.llm.catalogue import openai_traits
from remanence.llm.payload import arguments_object
from remanence.llm.signatures import GEMINI_STAND_IN, gemini_signature
from remanence.llm.tool_ids import wire_id

if TYPE_CHECKING:
    from remanence.core.exchange import (
        JsonObject,
        JsonValue,
        ModelSettings,
        Part,
        Request,
        ToolSpec,
        Turn,
    )
    from remanence.llm.vendors import Vendor

_NAME_CHARS = 64


def to_body(request: Request, vendor: Vendor, *, stream: bool) -> JsonObject:
    """The body of POST /chat/completions.

    Args:
        request: what to ask; the model is its handle without the first part.
        vendor: whose quirks to respect.
        stream: whether fragments are wanted; usage is asked for with the last one.

    Raises:
        InvalidRequest: the tool choice names a tool that is not offered.
    """
    model = request.handle.partition("/")[2]
    body: JsonObject = {"model": model, "messages": _messages(request, vendor, model)}
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
        body["tool_choice"] = _tool_choice(request)
    body |= _settings(request, vendor, model)
    if vendor.prompt_cache_key and request.cache_key:
        body["prompt_cache_key"] = request.cache_key
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return body


def _messages(request: Request, vendor: Vendor, model: str) -> list[JsonValue]:
    messages: list[JsonValue] = []
    if request.system:
        messages.append({"role": "system", "content": request.system})
    for turn in request.turns:
        messages += _turn(turn, vendor, model)
    return messages


def _turn(turn: Turn, vendor: Vendor, model: str) -> list[JsonObject]:
    match turn.role:
        case "user":
            return [_user(turn)]
        case "assistant":
            return _assistant(turn, vendor, model)
        case "tool":
            return [_tool_return(part) for part in turn.parts]


def _user(turn: Turn) -> JsonObject:
    message: JsonObject = {"role": "user", "content": [_user_part(part) for part in turn.parts]}
    if len(turn.parts) == 1 and isinstance(turn.parts[0], Text):
        # The plain form is the one that every compatible server understands.
        message["content"] = turn.parts[0].text
    if turn.name:
        message["name"] = re.sub(r"[^A-Za-z0-9_-]", "_", turn.name)[:_NAME_CHARS]
    return message


def _user_part(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image():
            return {"type": "image_url", "image_url": _image_url(part)}
        case _:
            raise _misplaced(part, "user")


def _image_url(image: Image) -> JsonObject:
    url = image.url or f"data:{image.media_type};base64,{image.data}"
    return {"url": url, "detail": image.detail} if image.detail else {"url": url}


def _assistant(turn: Turn, vendor: Vendor, model: str) -> list[JsonObject]:
    """One message, or none when all the turn held was reasoning."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[JsonValue] = []
    signature: str | None = None
    for part in turn.parts:
        match part:
            case Text():
                texts.append(part.text)
            case Reasoning():
                thoughts.append(part.text)
                signature = gemini_signature(part) or signature
            case ToolCall():
                calls.append(_call(part) | _signed(signature, vendor, model, first=not calls))
                signature = None
            case _:
                raise _misplaced(part, "assistant")
    content = "".join(texts)
    if not content and not calls:
        return []
    message: JsonObject = {"role": "assistant", "content": content or None}
    if calls:
        message["tool_calls"] = calls
    if vendor.wants_reasoning and calls:
        # DeepSeek refuses a tool call that comes back without the field, even if it was empty.
        message["reasoning_content"] = "".join(thoughts)
    return [message]


def _call(call: ToolCall) -> JsonObject:
    arguments = json.dumps(arguments_object(call.arguments), ensure_ascii=False)
    return {
        "id": wire_id(call.tool_call_id),
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _signed(signature: str | None, vendor: Vendor, model: str, *, first: bool) -> JsonObject:
    """What a tool call carries for Gemini; the 3 series refuses a turn's first call without."""
    if not vendor.thought_signatures:
        return {}
    if not signature and first and model.startswith("gemini-3"):
        signature = GEMINI_STAND_IN
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}


def _tool_return(part: Part) -> JsonObject:
    if not isinstance(part, ToolReturn):
        raise _misplaced(part, "tool")
    return {"role": "tool", "tool_call_id": wire_id(part.tool_call_id), "content": part.text}


def _tool(spec: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "function": {
            "name": spec.name,
            "description": spec.description,
            "parameters": spec.parameters,
        },
    }


def _tool_choice(request: Request) -> JsonValue:
    name = request.forced_tool
    return request.tool_choice if name is None else {"type": "function", "function": {"name": name}}


def _settings(request: Request, vendor: Vendor, model: str) -> JsonObject:
    settings = request.settings
    traits = openai_traits(model) if vendor.openai_models else openai_traits("")
    fields: JsonObject = {}
    if settings.max_output_tokens is not None:
        name = "max_completion_tokens" if traits.reasons else vendor.max_tokens_field
        fields[name] = settings.max_output_tokens
    if settings.temperature is not None and traits.temperature:
        fields["temperature"] = settings.temperature
    effort = _effort(settings, traits.effort_with_tools if request.tools else "free")
    if effort is not None:
        fields["reasoning_effort"] = effort
    if settings.response_format and settings.response_format.get("type") != "text":
        fields["response_format"] = settings.response_format
    if request.tools and not settings.parallel_tool_calls:
        fields["parallel_tool_calls"] = False
    return fields


def _effort(settings: ModelSettings, rule: str) -> str | None:
    """The effort to ask for; beside tools some models take none at all (catalogue)."""
    match rule:
        case "absent":
            return None
        case "none":
            return "none"
        case _:
            return settings.reasoning_effort


def _misplaced(part: Part, role: str) -> TypeError:
    return TypeError(f"{type(part).__name__} has no place in a turn of role {role!r}")
