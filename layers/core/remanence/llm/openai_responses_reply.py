"""The answers of OpenAI's Responses API -> Deltas and one Reply.

Path: openai_wire.OpenAIWire -> read_whole / read_events -> engine.
Pure: JSON objects in, values out. Items of unknown type raise; events of unknown type are passed
over: most of them repeat what others said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from remanence.core.exchange import Usage
from remanence.errors import ProviderBadReply
from remanence.llm.payload import as_object, inner, objects, text, whole
from remanence.llm.reply_builder import ReplyBuilder
from remanence.llm.signatures import mark_openai

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from remanence.core.exchange import Delta, Finish, JsonObject, Reply, Request
    from remanence.errors import ProviderError
    from remanence.llm.reply_builder import Draft

    # Makes the error of a failure that is told in an answer which began well.
    Fail = Callable[[JsonObject], ProviderError]


def read_whole(body: JsonObject, request: Request, fail: Fail) -> Reply:
    """Read an answer that was not streamed.

    Raises:
        ProviderError: what `fail` makes of an answer of status `failed`.
        ProviderBadReply: nothing was said, or an item of unknown type.
    """
    builder = ReplyBuilder(request)
    items = _Items(builder)
    for item in objects(body.get("output")):
        for _ in items.read(item):
            pass
    return _end(body, builder, fail)


def read_events(
    events: Iterable[JsonObject], request: Request, fail: Fail
) -> Iterator[Delta | Reply]:
    """Read a streamed answer: a delta per fragment, the Reply last.

    Raises:
        ProviderError: what `fail` makes of an error inside the stream.
        ProviderBadReply: the stream ended before the response did, or see read_whole.
    """
    builder = ReplyBuilder(request)
    items = _Items(builder)
    for event in events:
        match event.get("type"):
            case "response.output_item.added":
                yield from items.open(whole(event, "output_index"), inner(event, "item"))
            case "response.output_item.done":
                yield from items.close(whole(event, "output_index"), inner(event, "item"))
            case "response.completed" | "response.incomplete" | "response.failed":
                yield _end(as_object(event.get("response"), "the response"), builder, fail)
                return
            case "error":
                raise fail(event)
            case _:
                yield from items.extend(event)
    raise ProviderBadReply("the reply was cut off: the stream ended before the response did")


class _Items:
    """The items of one response, whole or growing."""

    def __init__(self, builder: ReplyBuilder) -> None:
        self._builder = builder
        self._calls: dict[int | None, Draft] = {}
        # Items of which something was streamed: what ends them says it all again.
        self._begun: set[int | None] = set()

    def read(self, item: JsonObject) -> Iterator[Delta]:
        """An item with all that it holds."""
        yield from self.open(None, item)
        yield from self.close(None, item)
        self._begun.clear()

    def open(self, index: int | None, item: JsonObject) -> Iterator[Delta]:
        """Begin an item; what it already holds comes again."""
        match item.get("type"):
            case "message":
                self._builder.begin("text")
            case "reasoning":
                self._builder.begin("reasoning")
            case "function_call":
                call, opening = self._builder.open_call(text(item, "call_id"), text(item, "name"))
                self._calls[index] = call
                yield opening
            case unknown:
                raise ProviderBadReply(f"the reply cannot be read: an item of type {unknown!r}")

    def extend(self, event: JsonObject) -> Iterator[Delta]:
        """A fragment of an item; other events are nothing."""
        index, fragment = whole(event, "output_index"), text(event, "delta")
        match event.get("type"):
            case "response.output_text.delta" | "response.refusal.delta" if fragment:
                yield self._builder.add_text(fragment)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" if (
                fragment
            ):
                yield self._builder.add_reasoning(fragment)
            case "response.reasoning_summary_part.added" if whole(event, "summary_index"):
                yield self._builder.add_reasoning("\n\n")
            case "response.function_call_arguments.delta" if fragment and index in self._calls:
                yield self._builder.add_arguments(self._calls[index], fragment)
            case _:
                return
        self._begun.add(index)

    def close(self, index: int | None, item: JsonObject) -> Iterator[Delta]:
        """End an item: what was not streamed of it, and the proof of a thought."""
        if index not in self._begun:
            yield from self._rest(index, item)
        encrypted = text(item, "encrypted_content")
        if item.get("type") == "reasoning" and encrypted:
            self._builder.seal(mark_openai(text(item, "id"), encrypted))

    def _rest(self, index: int | None, item: JsonObject) -> Iterator[Delta]:
        match item.get("type"):
            case "message":
                for part in objects(item.get("content")):
                    if said := text(part, "text") or text(part, "refusal"):
                        yield self._builder.add_text(said)
            case "reasoning":
                parts = objects(item.get("summary")) or objects(item.get("content"))
                if thought := "\n\n".join(text(part, "text") for part in parts):
                    yield self._builder.add_reasoning(thought)
            case _:
                call = self._calls.get(index)
                if call is not None and (arguments := text(item, "arguments")):
                    yield self._builder.add_arguments(call, arguments)


def _end(response: JsonObject, builder: ReplyBuilder, fail: Fail) -> Reply:
    finish: Finish
    match response.get("status"), inner(response, "incomplete_details").get("reason"):
        case "completed", _:
            finish = "stop"
        case "incomplete", "max_output_tokens":
            finish = "length"
        case "incomplete", "content_filter":
            finish = "content_filter"
        case "failed" | "cancelled", _:
            raise fail(inner(response, "error"))
        case status, reason:
            raise ProviderBadReply(
                f"the reply ended for a reason that is not known: {status!r}, {reason!r}"
            )
    usage = _usage(inner(response, "usage"))
    return builder.finish(finish, usage=usage, model=text(response, "model") or None)


def _usage(usage: JsonObject) -> Usage | None:
    if whole(usage, "input_tokens") is None:
        return None
    given = inner(usage, "input_tokens_details")
    made = inner(usage, "output_tokens_details")
    return Usage(
        prompt_tokens=whole(usage, "input_tokens") or 0,
        completion_tokens=whole(usage, "output_tokens") or 0,
        cached_input_tokens=whole(given, "cached_tokens") or 0,
        cache_write_tokens=whole(given, "cache_write_tokens") or 0,
        reasoning_tokens=whole(made, "reasoning_tokens") or 0,
    )
