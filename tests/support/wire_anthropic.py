"""Anthropic's wire as its server sees it: what it refuses, and what its answers look like."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from remanence.core.exchange import Reasoning, Reply, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ERRORS: dict[str, tuple[int, str]] = {
    "400": (400, "invalid_request_error"),
    "401": (401, "authentication_error"),
    "403": (403, "permission_error"),
    "404": (404, "not_found_error"),
    "429": (429, "rate_limit_error"),
    "quota": (402, "billing_error"),
    "500": (500, "api_error"),
    "503": (503, "api_error"),
    "529": (529, "overloaded_error"),
    "too_long": (400, "invalid_request_error"),
}
_TOP = frozenset(
    [
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "stream",
        "max_tokens",
        "thinking",
        "output_config",
    ]
)
_ID = re.compile(r"[A-Za-z0-9_-]+")
_BLOCKS = {
    "user": {"text", "image", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
}
_FINISH = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}


def status_of(kind: str) -> int:
    """The status of an error."""
    return ERRORS[kind][0]


def error_body(kind: str, words: str = "") -> dict[str, Any]:
    """The body of an error."""
    default = "prompt is too long: 9 tokens > 8 maximum" if kind == "too_long" else "mock error"
    return {"type": "error", "error": {"type": ERRORS[kind][1], "message": words or default}}


def error_event() -> str:
    """An error in the middle of a stream."""
    return f"event: error\ndata: {json.dumps(error_body('529'))}\n\n"


def problems_in(path: str, headers: Mapping[str, str], body: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a request."""
    problems = [] if "anthropic-version" in headers else ["no version"]
    # The package sends the key as a bearer token since 2.0; the older header is still valid.
    if not headers.get("authorization") and not headers.get("x-api-key"):
        problems.append("no key")
    if path != "/v1/messages":
        return [*problems, f"no such path {path}"]
    problems += [f"unknown field {name}" for name in body.keys() - _TOP]
    problems += [f"no {name}" for name in ("model", "max_tokens", "messages") if not body.get(name)]
    marks = json.dumps(body).count('"cache_control"')
    if marks > 4:
        problems.append(f"{marks} cache marks")
    if not all(block.get("text") for block in body.get("system", [])):
        problems.append("system is not text blocks")
    problems += _tool_problems(body) + _message_problems(body.get("messages") or [])
    return problems + _thinking_problems(body, headers)


def _tool_problems(body: dict[str, Any]) -> list[str]:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools is None:
        return ["tool_choice without tools"] if choice else []
    problems = [] if tools else ["tools is empty"]
    for tool in tools:
        if tool.keys() - {"name", "description", "input_schema", "cache_control"}:
            problems.append(f"unknown field in tool {tool.get('name')}")
        if tool.get("input_schema", {}).get("type") != "object":
            problems.append(f"tool {tool.get('name')} has no object schema")
    if choice and choice["type"] not in {"auto", "any", "none", "tool"}:
        problems.append(f"bad tool_choice {choice}")
    if choice and choice["type"] == "tool" and choice["name"] not in {t["name"] for t in tools}:
        problems.append("tool_choice names an unknown tool")
    return problems


def _message_problems(messages: list[dict[str, Any]]) -> list[str]:
    problems: list[str] = []
    open_ids: list[str] = []
    seen: set[str] = set()
    for place, message in enumerate(messages):
        role, blocks = message.get("role"), message.get("content")
        if role != ("user", "assistant")[place % 2]:
            problems.append(f"message {place}: roles do not alternate")
            continue
        if not isinstance(blocks, list) or not blocks:
            problems.append(f"message {place}: no content")
            continue
        results = [b["tool_use_id"] for b in blocks if b.get("type") == "tool_result"]
        if sorted(results) != sorted(open_ids):
            problems.append(f"message {place}: answers {results}, and {open_ids} are open")
        if [b["type"] for b in blocks[: len(results)]] != ["tool_result"] * len(results):
            problems.append(f"message {place}: tool results do not come first")
        open_ids = [b["id"] for b in blocks if b.get("type") == "tool_use"]
        if seen & {*open_ids}:
            problems.append(f"message {place}: a tool id is used twice")
        seen |= {*open_ids}
        for block in blocks:
            problems += [f"message {place}: {p}" for p in _block_problems(block, str(role))]
    if messages and messages[-1].get("role") != "user":
        problems.append("the last message is not the user's")
    return problems


def _block_problems(block: dict[str, Any], role: str) -> list[str]:
    kind = block.get("type")
    if kind not in _BLOCKS[role]:
        return [f"block {kind} in {role}"]
    match kind:
        case "text":
            good = bool(block["text"].strip())
        case "image":
            source = block["source"]
            good = bool(source.get("url") or (source.get("data") and source.get("media_type")))
        case "thinking":
            good = bool(block["signature"]) and "cache_control" not in block
        case "redacted_thinking":
            good = bool(block["data"]) and "cache_control" not in block
        case "tool_use":
            good = bool(_ID.fullmatch(block["id"])) and isinstance(block["input"], dict)
        case _:
            good = isinstance(block.get("content", ""), str)
    return [] if good else [f"bad block {block}"]


def _thinking_problems(body: dict[str, Any], headers: Mapping[str, str]) -> list[str]:
    thinking, problems = body.get("thinking") or {}, []
    binding = "thinking-binding-controls-2026-08-01" in headers.get("anthropic-beta", "")
    if "block_binding" in thinking and not binding:
        problems.append("block_binding: extra inputs are not permitted")
    if thinking.get("type") != "enabled":
        return problems
    if not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
        problems.append("the budget is not below max_tokens")
    if body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        problems.append("thinking excludes forced tools")
    calling = [m for m in body["messages"] if m["role"] == "assistant"][-1:]
    results = any(b["type"] == "tool_result" for b in body["messages"][-1]["content"])
    if results and calling and "thinking" not in calling[0]["content"][0]["type"]:
        problems.append("the last assistant message has to begin with a thinking block")
    return problems


def whole(reply: Reply, body: dict[str, Any], path: str) -> dict[str, Any]:
    """The answer to a request that is not streamed."""
    return _message(body) | {
        "content": [_block(part) for part in reply.parts],
        "stop_reason": _FINISH["tool_calls" if reply.tool_calls else reply.finish],
        "usage": _usage(reply),
    }


def events(reply: Reply, body: dict[str, Any], includes_usage: bool) -> Iterator[str]:
    """The answer to a request that is streamed."""
    usage = _usage(reply)
    start = _message(body) | {
        "content": [],
        "stop_reason": None,
        "usage": usage | {"output_tokens": 1},
    }
    yield _event("message_start", message=start)
    yield _event("ping")
    for index, part in enumerate(reply.parts):
        empty, deltas = _pieces(part)
        yield _event("content_block_start", index=index, content_block=empty)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    stop = {"stop_reason": _FINISH["tool_calls" if reply.tool_calls else reply.finish]}
    yield _event("message_delta", delta=stop, usage={"output_tokens": usage["output_tokens"]})
    yield _event("message_stop")


def _pieces(part: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block before anything was said in it, and the fragments that fill it."""
    block = _block(part)
    match block["type"]:
        case "text":
            words = re.findall(r"\s*\S+", block["text"])
            return block | {"text": ""}, [{"type": "text_delta", "text": w} for w in words]
        case "thinking":
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return block | {"thinking": "", "signature": ""}, [thought, signed]
        case "tool_use":
            pieces = re.findall(r".{1,7}", part.arguments, re.DOTALL)
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            return block | {"input": {}}, deltas
        case _:
            return block, []


def _block(part: Any) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Reasoning(redacted=str()):
            return {"type": "redacted_thinking", "data": part.redacted}
        case Reasoning():
            signature = part.signature or "unsigned"
            return {"type": "thinking", "thinking": part.text, "signature": signature}
        case ToolCall():
            arguments = json.loads(part.arguments)
            return {
                "type": "tool_use",
                "id": part.tool_call_id,
                "name": part.name,
                "input": arguments,
            }
        case _:
            raise TypeError(part)


def _message(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant",
        "model": body.get("model", "mock"), "stop_sequence": None,
    }  # fmt: skip


def _usage(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    assert usage is not None
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_input_tokens - usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "output_tokens": usage.completion_tokens,
    }


def _event(kind: str, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n"
