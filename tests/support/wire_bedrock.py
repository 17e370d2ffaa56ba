"""Bedrock's Converse as its server sees it: what it refuses, and what its answers look like.

The fields and their types are read from botocore's description of the service, so that a request is
wrong here when AWS's own types say so; the rules between messages are written out.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import botocore.session

from remanence.core.exchange import Reasoning, Reply, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STREAM_TYPE = "application/vnd.amazon.eventstream"
ERRORS: dict[str, tuple[int, str]] = {
    "400": (400, "ValidationException"),
    "401": (403, "UnrecognizedClientException"),
    "403": (403, "AccessDeniedException"),
    "404": (404, "ResourceNotFoundException"),
    "429": (429, "ThrottlingException"),
    "quota": (402, "PaymentRequiredException"),
    "500": (500, "InternalServerException"),
    "503": (503, "ServiceUnavailableException"),
    "529": (424, "ModelErrorException"),
    "too_long": (400, "ValidationException"),
}
_PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke)")
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=\S+/bedrock/aws4_request, SignedHeaders=\S+, Signature=[0-9a-f]+"
)
_PYTHON_TYPES: dict[str, Any] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "blob": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
}
_FINISH = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "guardrail_intervened",
}


def status_of(kind: str) -> int:
    """The status of an error."""
    return ERRORS[kind][0]


def error_body(kind: str, words: str = "") -> dict[str, Any]:
    """The body of an error; AWS tells the code in it when no header does."""
    default = "Input is too long for requested model." if kind == "too_long" else "mock error"
    return {"__type": ERRORS[kind][1], "message": words or default}


def error_event() -> bytes:
    """An error in the middle of a stream."""
    return _frame("exception", "serviceUnavailableException", {"message": "mock error"})


def problems_in(path: str, headers: Mapping[str, str], body: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a request."""
    problems = [] if _SIGNED.fullmatch(headers.get("authorization", "")) else ["not signed"]
    match = _PATH.fullmatch(unquote(path))
    if match is None:
        return [*problems, f"no such path {path}"]
    if match[2] == "invoke":
        texts = body.get("texts", [body.get("inputText")])
        return problems + ([] if all(isinstance(t, str) and t for t in texts) else ["no text"])
    shape = _operation("Converse").input_shape
    misshapen = _shape_problems({**body, "modelId": match[1]}, shape, "")
    if misshapen:
        return problems + misshapen
    problems += _message_problems(body.get("messages", []))
    problems += _tool_problems(body)
    return problems + _cache_problems(match[1], body)


@cache
def _operation(name: str) -> Any:
    session = botocore.session.get_session()
    return session.get_service_model("bedrock-runtime").operation_model(name)


def _shape_problems(value: Any, shape: Any, where: str) -> list[str]:
    """Where JSON is not of the shape that the service's description gives it."""
    kind = shape.type_name
    if getattr(shape, "is_document_type", False):
        return []
    if not isinstance(value, _PYTHON_TYPES[kind]):
        return [f"{where} is not of type {kind}"]
    if kind == "structure":
        return _structure_problems(value, shape, where)
    if kind == "list":
        return [p for entry in value for p in _shape_problems(entry, shape.member, f"{where}[]")]
    if kind == "blob":
        base64.b64decode(value, validate=True)
    enum = shape.metadata.get("enum")
    if enum and value not in enum:
        return [f"{where}: {value!r} is not in {enum}"]
    is_short = kind == "string" and len(value) < shape.metadata.get("min", 0)
    return [f"{where} is too short"] if is_short else []


def _structure_problems(value: Any, shape: Any, where: str) -> list[str]:
    problems = [f"{where}.{name}: unknown field" for name in value.keys() - shape.members]
    problems += [f"{where}.{n}: missing" for n in {*shape.required_members} - value.keys()]
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        problems.append(f"{where}: one of its fields, and not {sorted(value)}")
    for name in value.keys() & shape.members:
        problems += _shape_problems(value[name], shape.members[name], f"{where}.{name}")
    return problems


def _message_problems(messages: list[dict[str, Any]]) -> list[str]:
    problems: list[str] = [] if messages else ["no messages"]
    open_ids: list[str] = []
    for place, message in enumerate(messages):
        blocks = message["content"]
        if message["role"] != ("user", "assistant")[place % 2]:
            problems.append(f"message {place}: roles do not alternate")
        if not blocks or any(not b["text"].strip() for b in blocks if "text" in b):
            problems.append(f"message {place}: the text field is blank")
        results = [b["toolResult"]["toolUseId"] for b in blocks if "toolResult" in b]
        if sorted(results) != sorted(open_ids):
            problems.append(f"message {place}: answers {results}, and {open_ids} are open")
        open_ids = [b["toolUse"]["toolUseId"] for b in blocks if "toolUse" in b]
        if not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", i) for i in open_ids):
            problems.append(f"message {place}: bad tool use ids {open_ids}")
    if messages and messages[-1]["role"] != "user":
        problems.append("the last message is not the user's")
    return problems


def _tool_problems(body: dict[str, Any]) -> list[str]:
    blocks = [block for message in body["messages"] for block in message["content"]]
    config = body.get("toolConfig")
    if config is None:
        used = any("toolUse" in b or "toolResult" in b for b in blocks)
        return ["toolConfig has to be defined when there are tool blocks"] if used else []
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    problems = [] if specs else ["no tools"]
    if any(spec["inputSchema"]["json"].get("type") != "object" for spec in specs):
        problems.append("a tool has no object schema")
    forced = config.get("toolChoice", {}).get("tool", {}).get("name")
    if forced and forced not in {spec["name"] for spec in specs}:
        problems.append("toolChoice names an unknown tool")
    return problems


def _cache_problems(model: str, body: dict[str, Any]) -> list[str]:
    marks = json.dumps(body).count('"cachePoint"')
    if marks > 4:
        return [f"{marks} cache points"]
    caches = "claude" in model or "nova" in model
    return [] if caches or not marks else ["this model takes no cache points"]


def whole(reply: Reply, body: dict[str, Any], path: str) -> dict[str, Any]:
    """The answer to a request that is not streamed."""
    if path.endswith("/invoke"):
        if "texts" in body:
            return {"embeddings": [[float(len(t)), 1.0, 0.5] for t in body["texts"]]}
        return {"embedding": [float(len(body["inputText"])), 1.0, 0.5]}
    content = [_block(part) for part in reply.parts]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _stop_reason(reply),
        "usage": _usage(reply),
        "metrics": {"latencyMs": 1},
    }


def events(reply: Reply, body: dict[str, Any], includes_usage: bool) -> Iterator[bytes]:
    """The answer to a request that is streamed."""
    yield _event("messageStart", {"role": "assistant"})
    for index, part in enumerate(reply.parts):
        at = {"contentBlockIndex": index}
        if isinstance(part, ToolCall):
            use = {"toolUseId": part.tool_call_id, "name": part.name}
            yield _event("contentBlockStart", at | {"start": {"toolUse": use}})
        for delta in _pieces(part):
            yield _event("contentBlockDelta", at | {"delta": delta})
        yield _event("contentBlockStop", at)
    yield _event("messageStop", {"stopReason": _stop_reason(reply)})
    yield _event("metadata", {"usage": _usage(reply), "metrics": {"latencyMs": 1}})


def _pieces(part: Any) -> list[dict[str, Any]]:
    match part:
        case Text():
            return [{"text": word} for word in re.findall(r"\s*\S+", part.text)]
        case Reasoning(redacted=str(hidden)):
            return [{"reasoningContent": {"redactedContent": _hidden(hidden)}}]
        case Reasoning():
            told = [{"text": word} for word in re.findall(r"\s*\S+", part.text)]
            signed = [{"signature": part.signature}] if part.signature else []
            return [{"reasoningContent": piece} for piece in [*told, *signed]]
        case ToolCall():
            pieces = re.findall(r".{1,7}", part.arguments, re.DOTALL)
            return [{"toolUse": {"input": piece}} for piece in pieces]
        case _:
            raise TypeError(part)


def _block(part: Any) -> dict[str, Any]:
    match part:
        case Text():
            return {"text": part.text}
        case Reasoning(redacted=str(hidden)):
            return {"reasoningContent": {"redactedContent": _hidden(hidden)}}
        case Reasoning():
            signed = {"signature": part.signature} if part.signature else {}
            return {"reasoningContent": {"reasoningText": {"text": part.text} | signed}}
        case ToolCall():
            use = {"toolUseId": part.tool_call_id, "name": part.name}
            return {"toolUse": use | {"input": json.loads(part.arguments)}}
        case _:
            raise TypeError(part)


def _hidden(marked: str) -> str:
    return marked.rpartition(":")[2]


def _stop_reason(reply: Reply) -> str:
    return _FINISH["tool_calls" if reply.tool_calls else reply.finish]


def _usage(reply: Reply) -> dict[str, Any]:
    usage = reply.usage
    assert usage is not None
    cached, written = usage.cached_input_tokens, usage.cache_write_tokens
    return {
        "inputTokens": usage.prompt_tokens - cached - written,
        "outputTokens": usage.completion_tokens,
        "totalTokens": usage.total_tokens,
        "cacheReadInputTokens": cached,
        "cacheWriteInputTokens": written,
    }


def _event(kind: str, payload: dict[str, Any]) -> bytes:
    return _frame("event", kind, payload)


def _frame(message_type: str, kind: str, payload: dict[str, Any]) -> bytes:
    """One message of the event stream: lengths, their sum, headers, payload, the sum of all."""
    name = f":{message_type}-type"
    headers = b"".join(
        struct.pack("!B", len(key))
        + key.encode()
        + struct.pack("!BH", 7, len(word))
        + word.encode()
        for key, word in {
            ":message-type": message_type,
            name: kind,
            ":content-type": "application/json",
        }.items()
    )
    data = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(data), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + data
    return message + struct.pack("!I", zlib.crc32(message))


# An event that no client knows yet.
SIGN_OF_LIFE = _event("ping", {})
