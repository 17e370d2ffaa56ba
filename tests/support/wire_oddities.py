"""Servers that speak OpenAI's chat completions in their own way, as their vendors do.

Each is the strict server of wire_openai.py with what that vendor is known to do otherwise: names of
fields, calls in one piece and without numbers, comments between events, where cached tokens stand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support import wire_openai
from support.wires import OpenAIServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remanence.core.exchange import Reply

Change = "Callable[[dict[str, Any], Reply], None]"


class OddWire:
    """The module wire_openai, with answers that were changed.

    `change` edits one answer or one event of it. `whole_calls`: a call comes in one event.
    `comments`: stand before the first event.
    """

    def __init__(
        self, change: Any = None, *, whole_calls: bool = False, comments: tuple[str, ...] = ()
    ) -> None:
        self._change = change or (lambda answer, reply: None)
        self._whole_calls = whole_calls
        self._comments = comments

    def __getattr__(self, name: str) -> Any:
        return getattr(wire_openai, name)

    def whole(self, reply: Reply, body: dict[str, Any], path: str) -> dict[str, Any]:
        """The answer to a request that is not streamed."""
        answer = wire_openai.whole(reply, body, path)
        self._change(answer, reply)
        return answer

    def events(self, reply: Reply, body: dict[str, Any], includes_usage: bool) -> Iterator[str]:
        """The answer to a request that is streamed."""
        yield from self._comments
        for event in wire_openai.events(reply, body, includes_usage):
            data = event.partition("data: ")[2].strip()
            if data == "[DONE]":
                yield event
                continue
            answer = json.loads(data)
            if self._whole_calls and not _in_one_piece(answer, reply):
                continue
            self._change(answer, reply)
            yield f"data: {json.dumps(answer)}\n\n"


def _in_one_piece(answer: dict[str, Any], reply: Reply) -> bool:
    """Whether the event is to be sent; what opens a call gets all of it."""
    for message in said_in(answer):
        for fragment in message.get("tool_calls", []):
            if "id" not in fragment:
                return False
            whole = next(c for c in reply.tool_calls if c.tool_call_id == fragment["id"])
            fragment["function"]["arguments"] = whole.arguments
    return True


def said_in(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """What an answer or an event of it says."""
    return [c.get("message") or c.get("delta") or {} for c in answer.get("choices", [])]


def _rename_reasoning(answer: dict[str, Any], reply: Reply) -> None:
    for message in said_in(answer):
        if "reasoning_content" in message:
            message["reasoning"] = message.pop("reasoning_content")


def _ollama(answer: dict[str, Any], reply: Reply) -> None:
    """Every call has the number 0, as in its versions before 0.12."""
    _rename_reasoning(answer, reply)
    for message in said_in(answer):
        for fragment in message.get("tool_calls", []):
            fragment["index"] = 0


def _gemini(answer: dict[str, Any], reply: Reply) -> None:
    """No numbers, `stop` after calls, no readable thoughts, and a signature at the first call."""
    for message in said_in(answer):
        message.pop("reasoning_content", None)
        for fragment in message.get("tool_calls", []):
            fragment.pop("index", None)
            if reply.tool_calls[0].tool_call_id == fragment.get("id"):
                fragment["extra_content"] = {"google": {"thought_signature": "gem-sig"}}
    for choice in answer.get("choices", []):
        choice["finish_reason"] = choice["finish_reason"] and "stop"


def _deepseek(answer: dict[str, Any], reply: Reply) -> None:
    """Cached tokens stand outside the details."""
    usage = answer.get("usage")
    if usage:
        usage["prompt_cache_hit_tokens"] = usage.pop("prompt_tokens_details")["cached_tokens"]


def _groq(answer: dict[str, Any], reply: Reply) -> None:
    """Usage comes twice, the first time inside a field of its own."""
    _rename_reasoning(answer, reply)
    if answer.get("usage"):
        answer["x_groq"] = {"id": "req_1", "usage": answer["usage"]}


class OllamaServer(OpenAIServer):
    """Ollama."""

    wire: Any = OddWire(_ollama, whole_calls=True)


class GeminiServer(OpenAIServer):
    """Gemini, which insists that the first call of every turn is signed."""

    wire: Any = OddWire(_gemini, whole_calls=True)

    def refuse(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """The error for a body, or None."""
        messages = body.get("messages", [])
        firsts = [m["tool_calls"][0] for m in messages if m.get("tool_calls")]
        signed = [f.get("extra_content", {}).get("google", {}) for f in firsts]
        if all(s.get("thought_signature") for s in signed):
            return None
        return {"code": 400, "message": "a function call lacks a thought_signature"}


class DeepSeekServer(OpenAIServer):
    """DeepSeek."""

    wire: Any = OddWire(_deepseek)


class GroqServer(OpenAIServer):
    """Groq."""

    wire: Any = OddWire(_groq)


class OpenRouterServer(OpenAIServer):
    """OpenRouter, which says that it is still there."""

    wire: Any = OddWire(_rename_reasoning, comments=(": OPENROUTER PROCESSING\n\n",) * 2)
