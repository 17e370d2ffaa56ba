"""The answers of Anthropic's messages API -> Deltas and one Reply.

Path: anthropic_wire.AnthropicWire -> read_whole / read_events -> engine.
Pure: JSON objects in, values out. Blocks and fragments of unknown type raise; events of unknown
type are passed over, as the API's versioning asks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.core.exchange import Usage
from remanence.errors import ProviderBadReply
from remanence.llm.payload import as_object, inner, objects, text, whole
from remanence.llm.reply_builder import ReplyBuilder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from remanence.core.exchange import Delta, Finish, JsonObject, JsonValue, Reply, Request
    from remanence.llm.reply_builder import Draft

_FINISH: Mapping[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


def read_whole(body: JsonObject, request: Request) -> Reply:
    """Read an answer that was not streamed.

    Raises:
        ProviderBadReply: nothing was said, or a block of unknown type.
    """
    builder = ReplyBuilder(request)
    for block in objects(body.get("content")):
        _open_block(block, builder)
    return builder.finish(
        _finish(body.get("stop_reason")),
        usage=_usage(inner(body, "usage")),
        model=text(body, "model") or None,
    )


def read_events(events: Iterable[JsonObject], request: Request) -> Iterator[Delta | Reply]:
    """Read a streamed answer: a delta per fragment, the Reply last.

    Raises:
        ProviderBadReply: the stream ended without `message_stop`, or see read_whole.
    """
    builder = ReplyBuilder(request)
    calls: dict[int | None, Draft] = {}
    usage: JsonObject = {}
    reason: JsonValue = None
    model = ""
    is_complete = False
    for event in events:
        match event.get("type"):
            case "message_start":
                message = as_object(event.get("message"), "the message")
                model, usage = text(message, "model"), inner(message, "usage")
            case "content_block_start":
                block = as_object(event.get("content_block"), "a content block")
                call, deltas = _open_block(block, builder)
                if call is not None:
                    calls[whole(event, "index")] = call
                yield from deltas
            case "content_block_delta":
                yield from _extend(inner(event, "delta"), builder, calls.get(whole(event, "index")))
            case "message_delta":
                # Counts are totals so far; those of the start that are not repeated still hold.
                usage = usage | {k: v for k, v in inner(event, "usage").items() if v is not None}
                reason = inner(event, "delta").get("stop_reason") or reason
            case "message_stop":
                is_complete = True
            case _:
                pass
    if not is_complete:
        raise ProviderBadReply("the reply was cut off: the stream ended before the message did")
    yield builder.finish(_finish(reason), usage=_usage(usage), model=model or None)


def _open_block(block: JsonObject, builder: ReplyBuilder) -> tuple[Draft | None, list[Delta]]:
    """Begin a block with what it already holds: all of it, or nothing when it is streamed."""
    deltas: list[Delta] = []
    call: Draft | None = None
    match block.get("type"):
        case "text":
            builder.begin("text")
            if said := text(block, "text"):
                deltas.append(builder.add_text(said))
        case "thinking":
            builder.begin("reasoning")
            if thought := text(block, "thinking"):
                deltas.append(builder.add_reasoning(thought))
            builder.sign(text(block, "signature"))
        case "redacted_thinking":
            builder.add_redacted(text(block, "data"))
        case "tool_use":
            call, opening = builder.open_call(text(block, "id"), text(block, "name"))
            deltas.append(opening)
            if given := inner(block, "input"):
                arguments = json.dumps(given, ensure_ascii=False)
                deltas.append(builder.add_arguments(call, arguments))
        case unknown:
            raise ProviderBadReply(f"the reply cannot be read: a block of type {unknown!r}")
    return call, deltas


def _extend(delta: JsonObject, builder: ReplyBuilder, call: Draft | None) -> Iterator[Delta]:
    match delta.get("type"):
        case "text_delta":
            yield builder.add_text(text(delta, "text"))
        case "thinking_delta":
            yield builder.add_reasoning(text(delta, "thinking"))
        case "signature_delta":
            builder.sign(text(delta, "signature"))
        case "input_json_delta" if call is not None:
            if fragment := text(delta, "partial_json"):
                yield builder.add_arguments(call, fragment)
        case unknown:
            raise ProviderBadReply(f"the reply cannot be read: a fragment of type {unknown!r}")


def _finish(reason: JsonValue) -> Finish:
    finish = _FINISH.get(reason) if isinstance(reason, str) else None
    if finish is None:
        raise ProviderBadReply(f"the reply ended for a reason that is not known: {reason!r}")
    return finish


def _usage(usage: JsonObject) -> Usage | None:
    """Anthropic counts cached tokens beside `input_tokens`; here they are part of the prompt."""
    fresh = whole(usage, "input_tokens")
    if fresh is None:
        return None
    cached = whole(usage, "cache_read_input_tokens") or 0
    written = whole(usage, "cache_creation_input_tokens") or 0
    return Usage(
        prompt_tokens=fresh + cached + written,
        completion_tokens=whole(usage, "output_tokens") or 0,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=whole(inner(usage, "output_tokens_details"), "thinking_tokens") or 0,
    )
