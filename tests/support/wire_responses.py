"""OpenAI's Responses API as its server sees it: what it refuses, and what its answers look like."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from support import wire_openai
from support.wire_openai import ERRORS, error_body, status_of

from remanence.core.exchange import Reasoning, Reply, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ERRORS", "error_body", "error_event", "events", "problems_in", "status_of", "whole"]

_TOP = frozenset(
    [
        "model",
        "input",
        "instructions",
        "store",
        "include",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "temperature",
        "max_output_tokens",
        "text",
        "prompt_cache_key",
        "stream",
    ]
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELDS = {
    "message": {"role", "content", "phase"},
    "reasoning": {"type", "id", "summary", "encrypted_content"},
    "function_call": {"type", "call_id", "name", "arguments"},
    "function_call_output": {"type", "call_id", "output"},
}


def error_event() -> str:
    """An error in the middle of a stream."""
    return _event("error", 9, code="server_error", message="mock error", param=None)


def problems_in(path: str, headers: Mapping[str, str], body: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a request; embeddings are those of wire_openai."""
    if path == "/v1/embeddings":
        return wire_openai.problems_in(path, headers, body)
    problems = []
    if not re.fullmatch(r"Bearer \S+", headers.get("authorization", "")):
        problems.append("no bearer token")
    if path != "/v1/responses":
        return [*problems, f"no such path {path}"]
    problems += [f"unknown field {name}" for name in body.keys() - _TOP]
    if not body.get("model"):
        problems.append("no model")
    if body.get("store") is not False:
        problems.append("would be stored")
    if body.get("max_output_tokens", 16) < 16:
        problems.append("max_output_tokens below 16")
    reasons = re.match(r"o\d|gpt-[56](?!-chat)", body.get("model", ""))
    if reasons and "temperature" in body:
        problems.append("temperature is not supported with this model")
    if not reasons and ("reasoning" in body or "include" in body):
        problems.append("this model does not reason")
    return problems + _tool_problems(body) + _item_problems(body.get("input") or [])


def _tool_problems(body: dict[str, Any]) -> list[str]:
    tools = body.get("tools")
    if tools is None:
        return [f"{n} without tools" for n in {"tool_choice", "parallel_tool_calls"} & body.keys()]
    problems = [] if tools else ["tools is empty"]
    for tool in tools:
        if tool.keys() != {"type", "name", "description", "parameters", "strict"}:
            problems.append(f"a tool with fields {sorted(tool)}")
        elif tool["type"] != "function" or not _NAME.fullmatch(tool["name"]):
            problems.append(f"bad tool {tool['name']!r}")
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        if choice.get("name") not in {t.get("name") for t in tools}:
            problems.append("tool_choice names an unknown tool")
    elif choice not in {None, "auto", "none", "required"}:
        problems.append(f"bad tool_choice {choice!r}")
    return problems


def _item_problems(items: list[dict[str, Any]]) -> list[str]:
    problems: list[str] = [] if items else ["no input"]
    open_ids: list[str] = []
    for place, item in enumerate(items):
        kind = item.get("type", "message")
        if kind not in _FIELDS or item.keys() - _FIELDS[kind]:
            problems.append(f"item {place}: unknown or with fields {sorted(item)}")
            continue
        match kind:
            case "message":
                problems += [f"item {place}: {p}" for p in _message_problems(item)]
            case "reasoning":
                follows = items[place + 1] if place + 1 < len(items) else {}
                problems += [f"item {place}: {p}" for p in _thought_problems(item, follows)]
            case "function_call":
                problems += [f"item {place}: {p}" for p in _call_problems(item, open_ids)]
                open_ids.append(item["call_id"])
            case _:
                if item["call_id"] not in open_ids or not isinstance(item["output"], str):
                    problems.append(f"item {place}: answers no call")
                else:
                    open_ids.remove(item["call_id"])
        if open_ids and kind == "message" and item["role"] == "user":
            problems.append(f"item {place}: no tool output found for {open_ids}")
    return problems + ([f"no tool output found for {open_ids}"] if open_ids else [])


def _thought_problems(item: dict[str, Any], follows: dict[str, Any]) -> list[str]:
    problems = []
    by_model = follows.get("type") in {"reasoning", "function_call"}
    if not by_model and follows.get("role") != "assistant":
        problems.append("reasoning without its required following item")
    if not item["id"].startswith("rs_") or not item["encrypted_content"]:
        problems.append("reasoning that cannot be read")
    return problems


def _message_problems(item: dict[str, Any]) -> list[str]:
    content = item.get("content")
    if item.get("role") == "assistant":
        good_phase = item.get("phase") in {None, "commentary", "final_answer"}
        return [] if isinstance(content, str) and content and good_phase else ["says nothing"]
    if item.get("role") != "user" or not isinstance(content, list) or not content:
        return ["bad role or content"]
    wanted = {"input_text": "text", "input_image": "image_url"}
    good = all(isinstance(p.get(wanted.get(p.get("type"), "")), str) for p in content)
    return [] if good else ["bad content part"]


def _call_problems(item: dict[str, Any], open_ids: list[str]) -> list[str]:
    problems = []
    if not 0 < len(item["call_id"]) <= 64 or item["call_id"] in open_ids:
        problems.append(f"bad call id {item['call_id']!r}")
    if not _NAME.fullmatch(item["name"]):
        problems.append("bad call")
    try:
        if not isinstance(json.loads(item["arguments"]), dict):
            problems.append("arguments are no object")
    except ValueError:
        problems.append("arguments are not JSON")
    return problems


def whole(reply: Reply, body: dict[str, Any], path: str) -> dict[str, Any]:
    """The answer to a request that is not streamed."""
    if path == "/v1/embeddings":
        return wire_openai.whole(reply, body, path)
    output = [_item(part, place) for place, part in enumerate(reply.parts)]
    return _response(body, reply, output)


def events(reply: Reply, body: dict[str, Any], includes_usage: bool) -> Iterator[str]:
    """The answer to a request that is streamed."""
    told = list(_told(reply, body))
    for number, (kind, fields) in enumerate(told):
        yield _event(kind, number, **fields)


def _told(reply: Reply, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    empty = _response(body, reply, []) | {"status": "in_progress", "usage": None}
    yield "response.created", {"response": empty}
    yield "response.in_progress", {"response": empty}
    for place, part in enumerate(reply.parts):
        item = _item(part, place)
        at = {"output_index": place, "item_id": item["id"]}
        yield "response.output_item.added", {"output_index": place, "item": _opened(item)}
        yield from _grown(part, at)
        yield "response.output_item.done", {"output_index": place, "item": item}
    output = [_item(part, place) for place, part in enumerate(reply.parts)]
    end = _response(body, reply, output)
    yield f"response.{end['status']}", {"response": end}


def _grown(part: Any, at: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    match part:
        case Reasoning() if part.text:
            at = at | {"summary_index": 0}
            empty = {"type": "summary_text", "text": ""}
            yield "response.reasoning_summary_part.added", at | {"part": empty}
            for piece in re.findall(r"\s*\S+", part.text):
                yield "response.reasoning_summary_text.delta", at | {"delta": piece}
            yield "response.reasoning_summary_text.done", at | {"text": part.text}
        case Text():
            at = at | {"content_index": 0}
            yield "response.content_part.added", at | {"part": _output_text("")}
            for piece in re.findall(r"\s*\S+", part.text):
                yield "response.output_text.delta", at | {"delta": piece, "logprobs": []}
            yield "response.output_text.done", at | {"text": part.text, "logprobs": []}
            yield "response.content_part.done", at | {"part": _output_text(part.text)}
        case ToolCall():
            for piece in re.findall(r".{1,7}", part.arguments, re.DOTALL):
                yield "response.function_call_arguments.delta", at | {"delta": piece}
            done = {"arguments": part.arguments, "name": part.name}
            yield "response.function_call_arguments.done", at | done
        case _:
            pass


def _event(kind: str, number: int, **fields: Any) -> str:
    data = {"type": kind, "sequence_number": number} | fields
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def _opened(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it begins: of a thought the proof may stand there already, and be of no use."""
    match item["type"]:
        case "reasoning":
            return item | {"summary": [], "encrypted_content": "incomplete"}
        case "function_call":
            return item | {"arguments": "", "status": "in_progress"}
        case _:
            return item | {"content": [], "status": "in_progress"}


def _item(part: Any, place: int) -> dict[str, Any]:
    match part:
        case Reasoning():
            summary = [{"type": "summary_text", "text": part.text}] if part.text else []
            proof = (part.signature or part.redacted or f"enc-{place}").rpartition(":")[2]
            head = {"type": "reasoning", "id": f"rs_{place}"}
            return head | {"summary": summary, "encrypted_content": proof}
        case ToolCall():
            head = {"type": "function_call", "id": f"fc_{place}", "status": "completed"}
            name = {"call_id": part.tool_call_id, "name": part.name}
            return head | name | {"arguments": part.arguments}
        case Text():
            head = {"type": "message", "id": f"msg_{place}", "role": "assistant"}
            return head | {"status": "completed", "content": [_output_text(part.text)]}
        case _:
            raise TypeError(part)


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response(body: dict[str, Any], reply: Reply, output: list[Any]) -> dict[str, Any]:
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(reply.finish)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": body.get("model", "mock"),
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "instructions": body.get("instructions"),
        "metadata": {},
        "output": output,
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": _usage(reply),
    }


def _usage(reply: Reply) -> dict[str, Any] | None:
    usage = reply.usage
    return usage and {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
