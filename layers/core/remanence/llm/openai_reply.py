"""The answers of OpenAI's chat completions -> Deltas and one Reply.

Path: openai_wire.OpenAIWire -> read_whole / read_chunks -> engine.
Pure: JSON objects in, values out. Tolerates what compatible servers really send (no usage,
chunks without choices, missing ids and indexes), and raises on what it cannot place.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from remanence.core.exchange import Usage
from remanence.errors import ProviderBadReply
from remanence.llm.payload import as_object, inner, objects, text, whole
from remanence.llm.reply_builder import ReplyBuilder
from remanence.llm.signatures import mark_gemini

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from remanence.core.exchange import Delta, Finish, JsonObject, JsonValue, Reply, Request
    from remanence.llm.reply_builder import Draft

# The first four are OpenAI's; the others were seen from compatible servers.
_FINISH: Mapping[str, Finish] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "safety": "content_filter",
    "malformed_function_call": "stop",
}


def read_whole(body: JsonObject, request: Request) -> Reply:
    """Read an answer that was not streamed.

    Raises:
        ProviderBadReply: no choice, nothing said, or a part of unknown shape.
    """
    choices = objects(body.get("choices"))
    if not choices:
        raise ProviderBadReply("the reply cannot be read: it has no choices")
    builder = ReplyBuilder(request)
    message = as_object(choices[0].get("message"), "the message")
    calls = _Calls(builder, whole_calls=True)
    for _ in _read_message(message, builder, calls):
        pass
    finish = _finish(choices[0].get("finish_reason"))
    usage = _usage(body.get("usage"))
    return builder.finish(finish, usage=usage, model=text(body, "model") or None)


def read_chunks(chunks: Iterable[JsonObject], request: Request) -> Iterator[Delta | Reply]:
    """Read a streamed answer: a delta per fragment, the Reply last.

    Raises:
        ProviderBadReply: the stream ended without a finish reason, or see read_whole.
    """
    builder = ReplyBuilder(request)
    calls = _Calls(builder, whole_calls=False)
    reason: JsonValue = None
    usage: Usage | None = None
    model = ""
    for chunk in chunks:
        usage = _usage(chunk.get("usage")) or usage
        model = text(chunk, "model") or model
        for choice in objects(chunk.get("choices")):
            yield from _read_message(inner(choice, "delta"), builder, calls)
            reason = choice.get("finish_reason") or reason
    if reason is None:
        raise ProviderBadReply("the reply was cut off: the stream ended without a finish reason")
    yield builder.finish(_finish(reason), usage=usage, model=model or None)


def _read_message(message: JsonObject, builder: ReplyBuilder, calls: _Calls) -> Iterator[Delta]:
    """The parts of a message, or of a fragment of one; both have the same fields."""
    thought = text(message, "reasoning_content") or text(message, "reasoning")
    if thought:
        yield builder.add_reasoning(thought)
    # A refusal is what the model says to the user, in a field of its own.
    for said in (_content(message.get("content")), text(message, "refusal")):
        if said:
            yield builder.add_text(said)
    for fragment in objects(message.get("tool_calls")):
        yield from calls.read(fragment)


def _content(content: JsonValue) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = objects(content)
    if any(part.get("type") != "text" for part in parts):
        kinds = sorted({str(part.get("type")) for part in parts})
        raise ProviderBadReply(f"the reply cannot be read: content of type {', '.join(kinds)}")
    return "".join(text(part, "text") for part in parts)


class _Calls:
    """Which tool call a fragment belongs to.

    OpenAI numbers the calls and names each once. Compatible servers leave out the number, give
    every call the number 0, repeat id and name with each fragment, or send a call whole.
    """

    def __init__(self, builder: ReplyBuilder, *, whole_calls: bool) -> None:
        self._builder = builder
        self._whole_calls = whole_calls
        self._by_index: dict[int | None, Draft] = {}

    def read(self, fragment: JsonObject) -> Iterator[Delta]:
        index = whole(fragment, "index")
        function = inner(fragment, "function")
        given_id, name = text(fragment, "id"), text(function, "name")
        draft = self._by_index.get(index)
        if draft is None or self._begins(draft, index, given_id, name):
            signature = text(inner(inner(fragment, "extra_content"), "google"), "thought_signature")
            if signature:
                self._builder.add_redacted(mark_gemini(signature))
            draft, opening = self._builder.open_call(given_id, name)
            self._by_index[index] = draft
            yield opening
        arguments = _arguments(function.get("arguments"))
        if arguments:
            yield self._builder.add_arguments(draft, arguments)

    def _begins(self, draft: Draft, index: int | None, given_id: str, name: str) -> bool:
        if self._whole_calls:
            return True
        if given_id and draft.given_id:
            return given_id != draft.given_id
        return bool(name) and (name != draft.name or index is None)


def _arguments(arguments: JsonValue) -> str:
    """JSON text as it came; some servers send the object itself."""
    if isinstance(arguments, dict):
        return json.dumps(arguments, ensure_ascii=False)
    return arguments if isinstance(arguments, str) else ""


def _finish(reason: JsonValue) -> Finish:
    finish = _FINISH.get(reason.lower()) if isinstance(reason, str) else None
    if finish is None:
        raise ProviderBadReply(f"the reply ended for a reason that is not known: {reason!r}")
    return finish


def _usage(usage: JsonValue) -> Usage | None:
    if not isinstance(usage, dict) or whole(usage, "prompt_tokens") is None:
        return None
    prompt, completion = (
        inner(usage, "prompt_tokens_details"),
        inner(usage, "completion_tokens_details"),
    )
    # DeepSeek reports its cache outside the details.
    cached = whole(prompt, "cached_tokens") or whole(usage, "prompt_cache_hit_tokens")
    return Usage(
        prompt_tokens=whole(usage, "prompt_tokens") or 0,
        completion_tokens=whole(usage, "completion_tokens") or 0,
        cached_input_tokens=cached or 0,
        cache_write_tokens=whole(prompt, "cache_write_tokens") or 0,
        reasoning_tokens=whole(completion, "reasoning_tokens") or 0,
    )
