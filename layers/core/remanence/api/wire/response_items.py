"""What an agent says in a run, as the items of an OpenAI response, and the events of a stream.

Path: engine events -> Sight -> Output.hear -> wire/response_events.py. Its own tools an agent runs
unseen; calls for the caller are function_call items.
"""

from collections.abc import Iterator
from typing import Any

from remanence.api.wire.messages import View
from remanence.api.wire.sight import Sight
from remanence.core.events import Event, RunEnded, RunHandedOver, StepStored

_SHOWN = frozenset({"assistant_message", "reasoning_message", "approval_request_message"})
Json = dict[str, Any]


class Output:
    """The items of one response, oldest first, growing.

    Invariants:
        Every event but the last of an item is between its `added` and its `done`.
        The deltas of an item together are its text, or its arguments.
    """

    def __init__(self, *, tokens: bool) -> None:
        self._sight = Sight(View(message_types=_SHOWN), tokens=tokens)
        self._places: dict[str, int] = {}  # output index by item id
        self._open: list[int] = []
        self.items: list[Json] = []

    def hear(self, event: Event) -> Iterator[Json]:
        """The events that this one becomes, in order, not numbered yet."""
        if isinstance(event, RunEnded | RunHandedOver):
            yield from self.close()
            return
        for wire in self._sight.see(event):
            match wire["message_type"]:
                case "assistant_message":
                    yield from self._grow(f"msg_{wire['otid']}", "message", wire["content"])
                case "reasoning_message":
                    yield from self._grow(f"rs_{wire['otid']}", "reasoning", wire["reasoning"])
                case _:
                    yield from self._calls(wire["tool_calls"])
        if isinstance(event, StepStored):
            yield from self.close()

    def close(self) -> Iterator[Json]:
        """The ends of what is open."""
        for place in self._open:
            item = self.items[place]
            item["status"] = "completed"
            yield from _ends(item, place)
        self._open = []

    def _calls(self, calls: Json | list[Json]) -> Iterator[Json]:
        """A fragment of a call is one object; calls that are stored are a list."""
        for call in [calls] if isinstance(calls, dict) else calls:
            yield from self._grow(
                f"fc_{call['tool_call_id']}", "function_call", call.get("arguments") or "", call
            )

    def _grow(self, item_id: str, kind: str, text: str, call: Json | None = None) -> Iterator[Json]:
        place = self._places.get(item_id)
        if place is None:
            place = self._places[item_id] = len(self.items)
            self.items.append(_item(item_id, kind, call or {}))
            self._open.append(place)
            yield from _begins(self.items[place], place)
        if text:
            yield _grown(self.items[place], place, text)


def _item(item_id: str, kind: str, call: Json) -> Json:
    head: Json = {"id": item_id, "type": kind, "status": "in_progress"}
    if kind == "message":
        return head | {"role": "assistant", "content": [_text_part()]}
    if kind == "reasoning":
        return head | {"summary": [], "content": [{"type": "reasoning_text", "text": ""}]}
    return head | {"call_id": call["tool_call_id"], "name": call.get("name", ""), "arguments": ""}


def _text_part() -> Json:
    return {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


def _begins(item: Json, place: int) -> Iterator[Json]:
    content = item.get("content")
    shown: Json = item if content is None else item | {"content": []}
    yield {"type": "response.output_item.added", "output_index": place, "item": shown}
    if content is not None:
        yield {"type": "response.content_part.added", **_at(item, place), "part": {**content[0]}}


def _grown(item: Json, place: int, text: str) -> Json:
    """The item with more of its text, and the event that says so."""
    if item["type"] == "function_call":
        item["arguments"] += text
        return {
            "type": "response.function_call_arguments.delta",
            "item_id": item["id"],
            "output_index": place,
            "delta": text,
        }
    part = item["content"][0]
    part["text"] += text
    event = {"type": f"response.{part['type']}.delta", **_at(item, place), "delta": text}
    return event | _logprobs(item)


def _ends(item: Json, place: int) -> Iterator[Json]:
    if item["type"] == "function_call":
        yield {
            "type": "response.function_call_arguments.done",
            "item_id": item["id"],
            "output_index": place,
            "name": item["name"],
            "arguments": item["arguments"],
        }
    else:
        part = item["content"][0]
        done = {"type": f"response.{part['type']}.done", **_at(item, place), "text": part["text"]}
        yield done | _logprobs(item)
        yield {"type": "response.content_part.done", **_at(item, place), "part": {**part}}
    yield {"type": "response.output_item.done", "output_index": place, "item": {**item}}


def _at(item: Json, place: int) -> Json:
    return {"item_id": item["id"], "output_index": place, "content_index": 0}


def _logprobs(item: Json) -> Json:
    return {"logprobs": []} if item["type"] == "message" else {}
