"""Request -> the JSON body of OpenAI's Responses API.

Path: core.context -> Request -> to_body -> openai_wire.OpenAIWire, for models that reason.
Pure mapping, one `match` per part; a part that has no place in its turn raises. Nothing is stored
at the provider: thoughts come back encrypted, and are sent again with what they led to.
Source: the responses reference of platform.openai.com, as `openai` 3.57 types it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.core.exchange import Image, Reasoning, Text, ToolCall, ToolReturn
from remanence.llm.catalogue import openai_traits
from remanence.llm.payload import arguments_object
from remanence.llm.signatures import openai_item
from remanence.llm.tool_ids import wire_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from remanence.core.exchange import JsonObject, JsonValue, Part, Request, ToolSpec, Turn
    from remanence.llm.vendors import Vendor

# The API refuses a smaller limit.
_MIN_OUTPUT_TOKENS = 16


def to_body(
    request: Request, vendor: Vendor, *, stream: bool, summaries: bool = True
) -> JsonObject:
    """The body of POST /responses.

    Args:
        request: what to ask; the model is its handle without the first part.
        vendor: whose quirks to respect.
        stream: whether fragments are wanted.
        summaries: whether to ask for readable summaries of thoughts.

    Raises:
        InvalidRequest: the tool choice names a tool that is not offered.
    """
    model = request.handle.partition("/")[2]
    traits = openai_traits(model)
    items = [i for t in request.turns for i in _turn(t, phases=traits.phases)]
    body: JsonObject = {"model": model, "input": [*items], "store": False}
    if request.system:
        body["instructions"] = request.system
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
        body["tool_choice"] = _tool_choice(request)
        body["parallel_tool_calls"] = request.settings.parallel_tool_calls
    if traits.reasons:
        body["include"] = ["reasoning.encrypted_content"]
        body |= _reasoning(request, summaries=summaries)
    body |= _settings(request, temperature=traits.temperature)
    if vendor.prompt_cache_key and request.cache_key:
        body["prompt_cache_key"] = request.cache_key
    if stream:
        body["stream"] = True
    return body


def conceded(body: JsonObject, words: Collection[str]) -> JsonObject | None:
    """The body without what the API refused, or None when that cannot be left out.

    Thoughts that another account's key encrypted cannot be read, and an organization that was
    not verified gets no summaries: neither may end an agent.

    Args:
        body: what was refused.
        words: codes and parameter of the refusal.
    """
    if "invalid_encrypted_content" in words:
        items = body["input"]
        kept = [i for i in items if not _is_thought(i)] if isinstance(items, list) else items
        return None if kept == items else {**body, "input": kept}
    reasoning = body.get("reasoning")
    if "reasoning.summary" in words and isinstance(reasoning, dict) and "summary" in reasoning:
        return {**body, "reasoning": {k: v for k, v in reasoning.items() if k != "summary"}}
    return None


def _is_thought(item: JsonValue) -> bool:
    return isinstance(item, dict) and item.get("type") == "reasoning"


def _turn(turn: Turn, *, phases: bool) -> list[JsonObject]:
    match turn.role:
        case "user":
            return [{"role": "user", "content": [_user_part(part) for part in turn.parts]}]
        case "assistant":
            return _assistant(turn, phases=phases)
        case "tool":
            return [_tool_return(part) for part in turn.parts]


def _user_part(part: Part) -> JsonObject:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text}
        case Image():
            url = part.url or f"data:{part.media_type};base64,{part.data}"
            return {"type": "input_image", "image_url": url, "detail": part.detail or "auto"}
        case _:
            raise _misplaced(part, "user")


def _assistant(turn: Turn, *, phases: bool) -> list[JsonObject]:
    """The items of a turn; a thought that nothing followed is refused, and left out."""
    items: list[JsonObject] = []
    thoughts: list[JsonObject] = []
    # Newer models write worse when they cannot tell what they said on the way from an answer.
    calls = any(isinstance(part, ToolCall) for part in turn.parts)
    phase: JsonObject = {"phase": "commentary" if calls else "final_answer"} if phases else {}
    for part in turn.parts:
        match part:
            case Text():
                if part.text:
                    items += [*thoughts, {"role": "assistant", "content": part.text, **phase}]
                    thoughts = []
            case Reasoning():
                thoughts += _thought(part)
            case ToolCall():
                items += [*thoughts, _call(part)]
                thoughts = []
            case _:
                raise _misplaced(part, "assistant")
    return items


def _thought(reasoning: Reasoning) -> list[JsonObject]:
    """A thought of OpenAI's own; what another provider thought cannot be sent here."""
    known = openai_item(reasoning)
    if known is None:
        return []
    item_id, encrypted = known
    summary: list[JsonValue] = []
    if reasoning.text:
        summary = [{"type": "summary_text", "text": reasoning.text}]
    return [
        {"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": encrypted}
    ]


def _call(call: ToolCall) -> JsonObject:
    return {
        "type": "function_call",
        "call_id": wire_id(call.tool_call_id),
        "name": call.name,
        "arguments": json.dumps(arguments_object(call.arguments), ensure_ascii=False),
    }


def _tool_return(part: Part) -> JsonObject:
    if not isinstance(part, ToolReturn):
        raise _misplaced(part, "tool")
    call_id = wire_id(part.tool_call_id)
    return {"type": "function_call_output", "call_id": call_id, "output": part.text}


def _tool(spec: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
        # Strict is the default here, and takes no schema with optional parameters.
        "strict": False,
    }


def _tool_choice(request: Request) -> JsonValue:
    name = request.forced_tool
    return request.tool_choice if name is None else {"type": "function", "name": name}


def _reasoning(request: Request, *, summaries: bool) -> JsonObject:
    reasoning: JsonObject = {}
    if request.settings.reasoning_effort is not None:
        reasoning["effort"] = request.settings.reasoning_effort
    if summaries:
        reasoning["summary"] = "auto"
    return {"reasoning": reasoning} if reasoning else {}


def _settings(request: Request, *, temperature: bool) -> JsonObject:
    settings = request.settings
    fields: JsonObject = {}
    if settings.max_output_tokens is not None:
        fields["max_output_tokens"] = max(settings.max_output_tokens, _MIN_OUTPUT_TOKENS)
    if settings.temperature is not None and temperature:
        fields["temperature"] = settings.temperature
    match settings.response_format:
        case None | {"type": "text"}:
            pass
        case {"type": "json_schema", "json_schema": dict(schema)}:
            # The same fields as in chat completions, one level higher.
            fields["text"] = {"format": {"type": "json_schema", **schema}}
        case other:
            fields["text"] = {"format": other}
    return fields


def _misplaced(part: Part, role: str) -> TypeError:
    return TypeError(f"{type(part).__name__} has no place in a turn of role {role!r}")
