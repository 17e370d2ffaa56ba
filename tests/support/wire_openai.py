"""OpenAI's wire as its servers see it: what they refuse, and what their answers look like."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from remanence.core.exchange import Reasoning, Reply, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ERRORS: dict[str, tuple[int, str, str | None]] = {
    "400": (400, "invalid_request_error", None),
    "401": (401, "invalid_request_error", "invalid_api_key"),
    "403": (403, "invalid_request_error", None),
    "404": (404, "invalid_request_error", "model_not_found"),
    "429": (429, "rate_limit_exceeded", "rate_limit_exceeded"),
    "quota": (429, "insufficient_quota", "insufficient_quota"),
    "500": (500, "server_error", None),
    "503": (503, "server_error", None),
    "529": (529, "server_error", None),
    "too_long": (400, "invalid_request_error", "context_length_exceeded"),
    "filtered": (400, "invalid_request_error", "content_filter"),
}
_TOP = frozenset(
    [
        "model",
        "messages",
        "tools",
        "tool_choice",
        "stream",
        "stream_options",
        "temperature",
        "max_tokens",
        "max_completion_tokens",
        "reasoning_effort",
        "response_format",
        "parallel_tool_calls",
        "prompt_cache_key",
    ]
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FIELDS = {
    "system": {"role", "content"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "tool_calls", "reasoning_content"},
    "tool": {"role", "content", "tool_call_id"},
}


def status_of(kind: str) -> int:
    """The status of an error."""
    return ERRORS[kind][0]


def error_body(kind: str, words: str = "") -> dict[str, Any]:
    """The body of an error."""
    _, type_, code = ERRORS[kind]
    message = words or f"mock error {kind}"
    return {"error": {"message": message, "type": type_, "param": None, "code": code}}


def error_event() -> str:
    """An error in the middle of a stream."""
    return f"data: {json.dumps(error_body('500'))}\n\n"


def problems_in(path: str, headers: Mapping[str, str], body: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a request."""
    problems = []
    if not re.fullmatch(r"Bearer \S+", headers.get("authorization", "")):
        problems.append("no bearer token")
    if path == "/v1/embeddings":
        return problems + _embedding_problems(body)
    if path != "/v1/chat/completions":
        return [*problems, f"no such path {path}"]
    problems += [f"unknown field {name}" for name in body.keys() - _TOP]
    if not body.get("model"):
        problems.append("no model")
    if "max_tokens" in body and "max_completion_tokens" in body:
        problems.append("two limits")
    if "stream_options" in body and not body.get("stream"):
        problems.append("stream_options without stream")
    return problems + _tool_problems(body) + _message_problems(body.get("messages") or [])


def _embedding_problems(body: dict[str, Any]) -> list[str]:
    texts = body.get("input")
    if not body.get("model") or not isinstance(texts, list) or not texts:
        return ["an embeddings request needs a model and texts"]
    return [] if all(isinstance(t, str) and t for t in texts) else ["an empty text"]


def _tool_problems(body: dict[str, Any]) -> list[str]:
    tools = body.get("tools")
    if tools is None:
        extra = {"tool_choice", "parallel_tool_calls"} & body.keys()
        return [f"{name} without tools" for name in extra]
    problems = [] if tools else ["tools is empty"]
    names = [tool.get("function", {}).get("name", "") for tool in tools]
    problems += [f"bad tool name {name!r}" for name in names if not _NAME.fullmatch(name)]
    for tool in tools:
        parameters = tool.get("function", {}).get("parameters")
        if tool.get("type") != "function" or not isinstance(parameters, dict):
            problems.append("a tool is not a function with parameters")
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        if choice.get("function", {}).get("name") not in names:
            problems.append("tool_choice names an unknown tool")
    elif choice not in {None, "auto", "none", "required"}:
        problems.append(f"bad tool_choice {choice!r}")
    return problems


def _message_problems(messages: list[dict[str, Any]]) -> list[str]:
    if not messages:
        return ["no messages"]
    problems: list[str] = []
    open_ids: list[str] = []
    for place, message in enumerate(messages):
        role = message.get("role", "")
        if role not in _FIELDS or message.keys() - _FIELDS[role]:
            problems.append(f"message {place}: bad role or fields {sorted(message)}")
            continue
        if role == "system" and place:
            problems.append(f"message {place}: system is not first")
        if role == "tool":
            if message["tool_call_id"] not in open_ids:
                problems.append(f"message {place}: answers no call")
            else:
                open_ids.remove(message["tool_call_id"])
        elif open_ids:
            problems.append(f"message {place}: calls {open_ids} are not answered")
            open_ids = []
        problems += [f"message {place}: {p}" for p in _content_problems(message)]
        for call in message.get("tool_calls") or []:
            problems += [f"message {place}: {p}" for p in _call_problems(call, open_ids)]
            open_ids.append(call.get("id", ""))
    return problems + ([f"calls {open_ids} are not answered"] if open_ids else [])


def _content_problems(message: dict[str, Any]) -> list[str]:
    content = message.get("content")
    if message["role"] == "assistant":
        said = isinstance(content, str) and content
        return [] if said or message.get("tool_calls") else ["says nothing"]
    if isinstance(content, str):
        return []
    if message["role"] != "user" or not content:
        return ["content is not text"]
    wanted = {"text": str, "image_url": dict}
    good = all(isinstance(p.get(p.get("type")), wanted.get(p.get("type"), ())) for p in content)
    return [] if good else ["bad content part"]


def _call_problems(call: dict[str, Any], open_ids: list[str]) -> list[str]:
    problems = []
    if not 0 < len(call.get("id", "")) <= 40 or call["id"] in open_ids:
        problems.append(f"bad call id {call.get('id')!r}")
    function = call.get("function", {})
    if call.get("type") != "function" or not _NAME.fullmatch(function.get("name", "")):
        problems.append("bad call")
    try:
        if not isinstance(json.loads(function.get("arguments", "")), dict):
            problems.append("arguments are no object")
    except ValueError:
        problems.append("arguments are not JSON")
    return problems


def whole(reply: Reply, body: dict[str, Any], path: str) -> dict[str, Any]:
    """The answer to a request that is not streamed."""
    if path == "/v1/embeddings":
        vectors = [[float(len(t)), 1.0, 0.5] for t in body["input"]]
        data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
        # Out of order, as the wire allows.
        return {"object": "list", "data": data[::-1], "model": body["model"], "usage": {}}
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    thoughts = "".join(p.text for p in reply.parts if isinstance(p, Reasoning))
    if thoughts:
        message["reasoning_content"] = thoughts
    if reply.tool_calls:
        message["tool_calls"] = [_call(call) for call in reply.tool_calls]
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
    return _envelope("chat.completion", body, [choice]) | {"usage": _usage(reply)}


def events(reply: Reply, body: dict[str, Any], includes_usage: bool) -> Iterator[str]:
    """The answer to a request that is streamed."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    index = 0
    for part in reply.parts:
        match part:
            case Reasoning():
                deltas.append({"reasoning_content": part.text})
            case Text():
                deltas += [{"content": word} for word in re.findall(r"\s*\S+", part.text)]
            case ToolCall():
                opening = _call(part) | {"index": index}
                opening["function"] = {"name": part.name, "arguments": ""}
                deltas.append({"tool_calls": [opening]})
                deltas += [
                    {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
                    for piece in re.findall(r".{1,7}", part.arguments, re.DOTALL)
                ]
                index += 1
    for delta in deltas:
        yield _event(body, [{"index": 0, "delta": delta, "finish_reason": None}])
    yield _event(body, [{"index": 0, "delta": {}, "finish_reason": _finish(reply)}])
    if includes_usage and body.get("stream_options", {}).get("include_usage"):
        yield _event(body, [], usage=_usage(reply))
    yield "data: [DONE]\n\n"


def _event(body: dict[str, Any], choices: list[Any], **extra: Any) -> str:
    return f"data: {json.dumps(_envelope('chat.completion.chunk', body, choices) | extra)}\n\n"


def _envelope(kind: str, body: dict[str, Any], choices: list[Any]) -> dict[str, Any]:
    model = body.get("model", "mock")
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model, "choices": choices}


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.tool_call_id, "type": "function", "function": function}


def _finish(reply: Reply) -> str:
    return "tool_calls" if reply.tool_calls else reply.finish


def _usage(reply: Reply) -> dict[str, Any] | None:
    usage = reply.usage
    return usage and {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
