"""The answers of Bedrock's Converse -> Deltas and one Reply.

Path: bedrock_wire.BedrockWire -> read_whole / read_events -> engine.
Pure: JSON objects in (bytes as base64, see sdk_bedrock), values out. Blocks and fragments of
unknown kind raise; events of unknown kind are passed over.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.core.exchange import Usage
from remanence.errors import ProviderBadReply
from remanence.llm.payload import inner, objects, text, whole
from remanence.llm.reply_builder import ReplyBuilder
from remanence.llm.signatures import mark_bedrock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from remanence.core.exchange import Delta, Finish, JsonObject, JsonValue, Reply, Request
    from remanence.llm.reply_builder import Draft

_FINISH: Mapping[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def read_whole(body: JsonObject, request: Request, model: str) -> Reply:
    """Read an answer that was not streamed.

    Raises:
        ProviderBadReply: nothing was said, or a block of unknown kind.
    """
    builder = ReplyBuilder(request)
    message = inner(inner(body, "output"), "message")
    for block in objects(message.get("content")):
        _whole_block(block, builder)
    usage = _usage(inner(body, "usage"))
    return builder.finish(_finish(body.get("stopReason")), usage=usage, model=model)


def read_events(
    events: Iterable[JsonObject], request: Request, model: str
) -> Iterator[Delta | Reply]:
    """Read a streamed answer: a delta per fragment, the Reply last.

    Raises:
        ProviderBadReply: the stream ended without `messageStop`, or see read_whole.
    """
    builder = ReplyBuilder(request)
    blocks = _Blocks(builder)
    usage: Usage | None = None
    reason: JsonValue = None
    for event in events:
        match event:
            case {"contentBlockStart": dict(start)}:
                yield from blocks.open(start)
            case {"contentBlockDelta": dict(fragment)}:
                yield from blocks.extend(fragment)
            case {"messageStop": dict(stop)}:
                reason = stop.get("stopReason")
            case {"metadata": dict(metadata)}:
                usage = _usage(inner(metadata, "usage"))
            case _:
                pass
    if reason is None:
        raise ProviderBadReply("the reply was cut off: the stream ended before the message did")
    yield builder.finish(_finish(reason), usage=usage, model=model)


class _Blocks:
    """The blocks of a streamed message. Only those of calls are announced before they begin."""

    def __init__(self, builder: ReplyBuilder) -> None:
        self._builder = builder
        self._calls: dict[int | None, Draft] = {}
        self._last: int | None = None

    def open(self, start: JsonObject) -> Iterator[Delta]:
        use = inner(inner(start, "start"), "toolUse")
        if use:
            call, opening = self._builder.open_call(text(use, "toolUseId"), text(use, "name"))
            self._calls[whole(start, "contentBlockIndex")] = call
            yield opening

    def extend(self, fragment: JsonObject) -> Iterator[Delta]:
        index = whole(fragment, "contentBlockIndex")
        begins, self._last = index != self._last, index
        match inner(fragment, "delta"):
            case {"text": str(said)}:
                if begins:
                    self._builder.begin("text")
                if said:
                    yield self._builder.add_text(said)
            case {"reasoningContent": dict(thought)}:
                if begins and "redactedContent" not in thought:
                    self._builder.begin("reasoning")
                yield from _think(thought, self._builder)
            case {"toolUse": dict(use)} if index in self._calls:
                if arguments := text(use, "input"):
                    yield self._builder.add_arguments(self._calls[index], arguments)
            case unknown:
                raise ProviderBadReply(
                    f"the reply cannot be read: a fragment of kind {', '.join(unknown)}"
                )


def _whole_block(block: JsonObject, builder: ReplyBuilder) -> None:
    match block:
        case {"text": str(said)}:
            builder.begin("text")
            builder.add_text(said)
        case {"reasoningContent": dict(thought)}:
            if "redactedContent" not in thought:
                builder.begin("reasoning")
            for _ in _think(inner(thought, "reasoningText") or thought, builder):
                pass
        case {"toolUse": dict(use)}:
            call, _ = builder.open_call(text(use, "toolUseId"), text(use, "name"))
            builder.add_arguments(call, json.dumps(inner(use, "input"), ensure_ascii=False))
        case unknown:
            raise ProviderBadReply(
                f"the reply cannot be read: a block of kind {', '.join(unknown)}"
            )


def _think(thought: JsonObject, builder: ReplyBuilder) -> Iterator[Delta]:
    if words := text(thought, "text"):
        yield builder.add_reasoning(words)
    if signature := text(thought, "signature"):
        builder.sign(signature)
    if hidden := text(thought, "redactedContent"):
        builder.add_redacted(mark_bedrock(hidden))


def _finish(reason: JsonValue) -> Finish:
    if reason in {"malformed_model_output", "malformed_tool_use"}:
        raise ProviderBadReply("the reply cannot be read: the model's output is malformed")
    finish = _FINISH.get(reason) if isinstance(reason, str) else None
    if finish is None:
        raise ProviderBadReply(f"the reply ended for a reason that is not known: {reason!r}")
    return finish


def _usage(usage: JsonObject) -> Usage | None:
    """Cached tokens are counted beside `inputTokens`; here they are part of the prompt."""
    fresh = whole(usage, "inputTokens")
    if fresh is None:
        return None
    cached = whole(usage, "cacheReadInputTokens") or 0
    written = whole(usage, "cacheWriteInputTokens") or 0
    return Usage(
        prompt_tokens=fresh + cached + written,
        completion_tokens=whole(usage, "outputTokens") or 0,
        cached_input_tokens=cached,
        cache_write_tokens=written,
    )
