"""Tool calls written as text: a corpus of the forms of open models, and what becomes of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.conversations import (
    SEARCH,
    SEND,
    a_request,
    assistant,
    call,
    returned,
    returns,
    user,
)
from support.wires import OpenAIServer, a_reply

from remanence.core.arguments import read_arguments
from remanence.core.exchange import Reply, Text, TextDelta, ToolCall, ToolCallDelta
from remanence.llm.models import Models
from remanence.llm.text_calls import split_calls
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

OLLAMA = next(vendor for vendor in VENDORS if vendor.name == "ollama")
NAMES = {SEARCH.name, SEND.name}
S = SEARCH.name
TEA = {"query": "tea"}
OBJECT = f'{{"name": "{S}", "arguments": {{"query": "tea"}}}}'
# What the model wrote, and the arguments of the calls that it means; None where the arguments are
# broken beyond one reading, and the model has to hear so.
CORPUS: list[tuple[str, list[dict[str, str] | None]]] = [
    # As the templates of Hermes and Qwen have it, whole and careless.
    (f"<tool_call>\n{OBJECT}\n</tool_call>", [TEA]),
    (f"<tool_call>{OBJECT}</tool_call>\n<tool_call>{OBJECT}</tool_call>", [TEA, TEA]),
    (f"<tool_call>\n{OBJECT}", [TEA]),
    (f"Let me look.\n<tool_call>\n{OBJECT}\n</tool_call>", [TEA]),
    (f"<tool_call>{OBJECT}</tool_call>\n<tool_response>made up</tool_response> So: tea.", [TEA]),
    (f"<tool_calls>[{OBJECT}, {OBJECT}]</tool_calls>", [TEA, TEA]),
    (f"<tool_call>\n{OBJECT}\n{OBJECT}\n</tool_call>", [TEA, TEA]),
    (f"<tool_call>{{'name': '{S}', 'arguments': {{'query': 'tea'}}}}</tool_call>", [TEA]),
    (f'<tool_call>{{"name": "{S}", "arguments": {{"query": "tea",}},}}</tool_call>', [TEA]),
    (f'<tool_call>{{"name": "{S}", "arguments": "{{\\"query\\": \\"tea\\"}}"}}</tool_call>', [TEA]),
    (f'<tool_call>{{"name": "{S}", "query": "tea"}}</tool_call>', [TEA]),
    (
        f'<tool_call>{{"name": "{S}", "arguments": {{"query": "a\nb"}}}}</tool_call>',
        [{"query": "a\nb"}],
    ),
    (f'<tool_call>{{"name": "{S}", "arguments": {{"query": "te', [None]),
    (f'<tool_call>{{"name": "{S}", "arguments": {{"query": tea}}}}</tool_call>', [None]),
    # Qwen's coder.
    (
        f"<tool_call>\n<function={S}>\n<parameter=query>\ntea\n</parameter>\n</function>\n</tool_call>",
        [TEA],
    ),
    # Llama 3.
    (f'<|python_tag|>{{"name": "{S}", "parameters": {{"query": "tea"}}}}', [TEA]),
    (f'{{"type": "function", "name": "{S}", "parameters": {{"query": "tea"}}}}', [TEA]),
    (f'{{"name": "{S}", "parameters": {{"query": "tea"}}}}; {OBJECT}', [TEA, TEA]),
    (f'<function={S}>{{"query": "tea"}}</function>', [TEA]),
    (f'<function={S}>{{"query": "tea"}}', [TEA]),
    # Mistral, old and new.
    (f"[TOOL_CALLS] [{OBJECT}]", [TEA]),
    (f'[TOOL_CALLS]{S}[ARGS]{{"query": "tea"}}', [TEA]),
    (f'[TOOL_CALLS]{S}{{"query": "tea"}}[TOOL_CALLS]{S}{{"query": "tea"}}', [TEA, TEA]),
    # Granite, Phi and others.
    (f"<|tool_call|>[{OBJECT}]", [TEA]),
    (f"<|tool_call|>[{OBJECT}]<|/tool_call|>", [TEA]),
    (f"<function_call>{OBJECT}</function_call>", [TEA]),
    (f"<toolcall>{OBJECT}</toolcall>", [TEA]),
    # Without a template: fences, and shapes of their own.
    (f"```json\n{OBJECT}\n```", [TEA]),
    (f"Sure! I will search.\n```json\n{OBJECT}\n```\nOne moment.", [TEA]),
    (f"```\n{OBJECT}\n```", [TEA]),
    (f"```tool_call\n{OBJECT}\n```", [TEA]),
    (f"```json\n[{OBJECT}]\n```", [TEA]),
    (OBJECT, [TEA]),
    (f"  {OBJECT}  I will wait for the result.", [TEA]),
    (f"[{OBJECT}, {OBJECT}]", [TEA, TEA]),
    (f'{{"tool_calls": [{{"type": "function", "function": {OBJECT}}}]}}', [TEA]),
    (f'{{"tool": "{S}", "args": {{"query": "tea"}}}}', [TEA]),
    (f'{{"tool_name": "{S}", "parameters": {{"query": "tea"}}}}', [TEA]),
    (f'{{"function": "{S}", "arguments": {{"query": "tea"}}}}', [TEA]),
    (f'{{"action": "{S}", "action_input": {{"query": "tea"}}}}', [TEA]),
    (f'{{"function": {OBJECT}}}', [TEA]),
    (f'{{"name": "{SEND.name}"}}', [{}]),
    (f'{{"name": "{S}", "arguments": {{"query": "tea"}}', [None]),
    (f'{{"name": "{S}", "arguments": {{"q": "tea"}}}}', [None]),
]
# What looks like a call, and is none.
TALK = [
    "I would call it tea.",
    "",
    "Use the function `archival_memory_search` for that.",
    '{"name": "Ann", "age": 3}',
    f'{{"name": "{S}", "rating": 5}}',
    'Here you are:\n```json\n{"name": "Ann", "likes": ["tea"]}\n```\nEnjoy.',
    "```python\nprint({'a': 1})\n```",
    "[A link](https://example.org) to read.",
    "a < b, and <b>bold</b>, and 3 [TOOLS] in a box",
    "{not JSON at all",
    '{"query": "tea"}',
]


@pytest.mark.parametrize(("text", "meant"), CORPUS)
def test_written_call_is_understood_or_answered_with_the_schema(
    text: str, meant: list[dict[str, str] | None]
) -> None:
    _, calls = split_calls(text, NAMES)

    specs = {SEARCH.name: SEARCH.parameters, SEND.name: SEND.parameters}
    read = [
        read_arguments(
            ToolCall(tool_call_id="c", name=c.name, arguments=c.arguments), specs[c.name]
        )
        for c in calls
    ]
    assert len(read) == len(meant)
    for found, wanted in zip(read, meant, strict=True):
        if wanted is None:
            assert isinstance(found, str)
            assert "query" in found, "says what the tool takes"
        else:
            assert found == wanted


@pytest.mark.parametrize("text", TALK)
def test_talk_is_no_call(text: str) -> None:
    assert split_calls(text, NAMES) == (text, ())


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as started:
        yield started
    assert started.problems == []


def said_by(server: OpenAIServer, *turns: Any, stream: bool = True) -> list[Any]:
    models = Models([Provider(vendor=OLLAMA, base_url=server.base_url)])
    request = a_request(*turns, handle="ollama/gemma", tools=(SEARCH, SEND))
    items = list(models.call(request, stream=stream, deadline=time.monotonic() + 10))
    models.close()
    return items


@pytest.mark.parametrize("text", [text for text, _ in CORPUS] + TALK[2:])
def test_fragments_add_up_to_the_reply_and_show_no_call_as_text(
    server: OpenAIServer, text: str
) -> None:
    server.answers.append(a_reply(text))

    *deltas, reply = said_by(server)

    shown = "".join(d.text for d in deltas if isinstance(d, TextDelta))
    # The server streams words, and ends without the white space behind the last.
    assert shown.strip() == reply.text.strip()
    arguments = "".join(d.arguments for d in deltas if isinstance(d, ToolCallDelta))
    assert arguments == "".join(c.arguments for c in reply.tool_calls)
    assert bool(reply.tool_calls) == (text not in TALK)
    assert not reply.tool_calls or (SEARCH.name not in shown and reply.finish == "tool_calls")


def test_text_before_a_call_is_shown_while_it_comes(server: OpenAIServer) -> None:
    server.answers.append(a_reply(f"Let me look. <tool_call>{OBJECT}</tool_call>"))

    items = said_by(server)

    assert [i.text for i in items[:3] if isinstance(i, TextDelta)] == ["Let", " me", " look."]


@pytest.mark.parametrize("stream", [True, False])
def test_model_that_takes_no_tools_is_told_of_them_as_text(stream: bool) -> None:
    class Toolless(OpenAIServer):
        def refuse(self, body: dict[str, Any]) -> dict[str, Any] | None:
            words = "registry.ollama.ai/library/gemma:2b does not support tools"
            return {"message": words, "type": "api_error"} if "tools" in body else None

    with Toolless() as server:
        server.answers.append(a_reply(f"<tool_call>{OBJECT}</tool_call>"))
        history = (user("Who?"), assistant("I look.", call("c1")), returns(returned("c1", "Ann")))
        *_, reply = said_by(server, *history, user("And tea?"), stream=stream)

    assert server.problems == []
    assert isinstance(reply, Reply)
    assert [json.loads(c.arguments) for c in reply.tool_calls] == [TEA]
    sent = server.bodies[-1]["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user"]
    assert all(name in sent[0]["content"] for name in NAMES)
    assert sent[2]["content"].endswith("</tool_call>")
    assert "<tool_response>" in sent[3]["content"]
    assert sent[3]["content"].endswith("And tea?")


def test_tools_are_offered_once_to_a_model_that_takes_none() -> None:
    class Toolless(OpenAIServer):
        def refuse(self, body: dict[str, Any]) -> dict[str, Any] | None:
            return {"message": "gemma does not support tools"} if "tools" in body else None

    with Toolless() as server:
        models = Models([Provider(vendor=OLLAMA, base_url=server.base_url)])
        for choice in ("auto", "required", SEND.name):
            request = a_request(handle="ollama/gemma", tools=(SEARCH, SEND), tool_choice=choice)
            list(models.call(request, stream=True, deadline=time.monotonic() + 10))
        models.close()

    assert ["tools" in body for body in server.bodies] == [True, False, False, False]
    systems = [body["messages"][0]["content"] for body in server.bodies]
    assert systems[2].endswith("Call a tool now.")
    assert systems[3].endswith(f"Call {SEND.name} now.")


def test_reply_that_was_cut_off_is_no_call(server: OpenAIServer) -> None:
    text = f"<tool_call>{OBJECT}"
    server.answers.append(a_reply(text, finish="length"))

    *_, reply = said_by(server)

    assert reply.parts == (Text(text=text),)
