"""What works with which provider: every cell by a call of the real client package, as a table."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.conversations import SEARCH, a_request, assistant, call, returned, returns, user
from support.wire_oddities import (
    DeepSeekServer,
    GeminiServer,
    GroqServer,
    OllamaServer,
    OpenRouterServer,
)
from support.wires import (
    AnthropicServer,
    BedrockServer,
    Failure,
    OpenAIServer,
    ResponsesServer,
    WireServer,
    a_reply,
)

from remanence.core.exchange import (
    Delta,
    Image,
    Reasoning,
    ReasoningDelta,
    Reply,
    Request,
    Text,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from remanence.errors import NotSupported, ProviderError
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Path(__file__).parents[2] / "infra/PROVIDERS.md"
_INTRODUCTION = """\
# What works with which provider

Written by `tests/llm/test_matrix.py`: each cell is a call through the official package (`openai`,
`anthropic`, `boto3`) of a server on loopback that speaks as the vendor does, its oddities included,
and refuses what the vendor refuses. `make golden` writes it anew. "in one piece": the vendor sends
it so. "hidden": the vendor does not show it, and gets a proof of it back. A failure is told as one
of the classes of `errors.py`, the same for every row, and the call after it works; what comes of a
failure is in [OUTCOMES.md](OUTCOMES.md).
"""
NO_RETRIES = Pace(clock=lambda: float("inf"))
ROWS: dict[str, type[WireServer]] = {
    "openai/gpt-4o": OpenAIServer,
    "openai/gpt-5.5": ResponsesServer,
    "anthropic/claude-sonnet-4-5": AnthropicServer,
    "gemini/gemini-3-flash": GeminiServer,
    "bedrock/us.anthropic.claude-sonnet-4-5-v1:0": BedrockServer,
    "ollama/qwen3": OllamaServer,
    "vllm/some-model": OpenAIServer,
    "openrouter/some/model": OpenRouterServer,
    "groq/some-model": GroqServer,
    "deepseek/deepseek-chat": DeepSeekServer,
    "azure/gpt-5.5": ResponsesServer,
}
THOUGHT = Reasoning(text="I should look.", signature="sig-1")
USAGE = Usage(prompt_tokens=50, completion_tokens=9, cached_input_tokens=30)


@dataclass
class Bench:
    """A provider's server, and the models that call it without retries."""

    handle: str
    server: WireServer
    models: Models

    def ask(
        self, *turns: Any, stream: bool = True, seconds: float = 60, **fields: Any
    ) -> tuple[list[Delta], Reply]:
        request: Request = a_request(*turns, handle=self.handle, **fields)
        deadline = time.monotonic() + seconds
        *deltas, reply = self.models.call(request, stream=stream, deadline=deadline)
        assert isinstance(reply, Reply)
        return deltas, reply  # type: ignore[return-value]

    def answers(self, *answers: Reply | Failure) -> None:
        self.server.answers.extend(answers)


def text(bench: Bench) -> str:
    bench.answers(a_reply("Good day."))
    _, reply = bench.ask(stream=False)
    return _yes(reply.text == "Good day.")


def text_streamed(bench: Bench) -> str:
    bench.answers(a_reply("one two three"))
    deltas, _ = bench.ask()
    return _yes([d.text for d in deltas if isinstance(d, TextDelta)] == ["one", " two", " three"])


def tool_loop(bench: Bench) -> str:
    """A call, and its return accepted with what was thought before it."""
    bench.answers(a_reply(THOUGHT, call("call_1"), finish="tool_calls"), a_reply("Ann does."))
    _, reply = bench.ask(user("Who?"), tools=(SEARCH,))
    (made,) = reply.tool_calls
    turns = (user("Who?"), assistant(*reply.parts), returns(returned(made.tool_call_id)))
    _, last = bench.ask(*turns, tools=(SEARCH,))
    return _yes(made == call("call_1") and last.text == "Ann does.")


def parallel(bench: Bench) -> str:
    calls = (call("call_1"), call("call_2", "milk"))
    bench.answers(a_reply(*calls, finish="tool_calls"), a_reply("Both."))
    _, reply = bench.ask(user("Who?"), tools=(SEARCH,))
    given = returns(*(returned(c.tool_call_id) for c in reply.tool_calls))
    bench.ask(user("Who?"), assistant(*reply.parts), given, tools=(SEARCH,))
    return _yes(reply.tool_calls == calls)


def arguments_streamed(bench: Bench) -> str:
    bench.answers(a_reply(call("call_1"), finish="tool_calls"))
    deltas, reply = bench.ask(tools=(SEARCH,))
    told = [d.arguments for d in deltas if isinstance(d, ToolCallDelta) and d.arguments]
    assert "".join(told) == reply.tool_calls[0].arguments
    return "yes" if len(told) > 1 else "in one piece"


def reasoning(bench: Bench) -> str:
    """Shown as it comes, and sent back where the vendor wants it."""
    bench.answers(a_reply(THOUGHT, call("call_1"), finish="tool_calls"), a_reply("So."))
    deltas, reply = bench.ask(user("Who?"), tools=(SEARCH,), thinking_budget_tokens=2000)
    given = returns(returned(reply.tool_calls[0].tool_call_id))
    bench.ask(user("Who?"), assistant(*reply.parts), given, tools=(SEARCH,))
    shown = "".join(d.text for d in deltas if isinstance(d, ReasoningDelta))
    sent = str(bench.server.bodies[-1])
    back = any(word in sent for word in ("sig-1", "gem-sig", THOUGHT.text))
    assert shown in ("", THOUGHT.text)
    return ("shown" if shown else "hidden") + (", sent back" if back else "")


def image(bench: Bench) -> str:
    bench.answers(a_reply("A cat."))
    shown = Image(media_type="image/png", data="iVBORw0KGgo=")
    _, reply = bench.ask(user(Text(text="What is this?"), shown))
    return _yes(reply.text == "A cat." and "iVBORw0KGgo=" in str(bench.server.bodies[-1]))


def structured(bench: Bench) -> str:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    bench.answers(a_reply('{"a": "b"}'))
    bench.ask(response_format=wanted)
    return _yes("json_schema" in str(bench.server.bodies[-1]))


def usage(bench: Bench) -> str:
    found = []
    for stream in (True, False):
        bench.answers(a_reply("hi", usage=USAGE))
        found.append(bench.ask(stream=stream)[1].usage)
    return "yes, cached too" if found == [USAGE, USAGE] else _yes(found[0] is not None)


def embeddings(bench: Bench) -> str:
    model = "cohere.embed-english-v3" if "bedrock" in bench.handle else "some-embedding"
    handle = f"{bench.handle.partition('/')[0]}/{model}"
    try:
        vectors = bench.models.embed(handle, ["a", "bbb"], deadline=time.monotonic() + 10)
    except NotSupported:
        return "none"
    return _yes([vector[0] for vector in vectors] == [1.0, 3.0])


COLUMNS: dict[str, Callable[[Bench], str]] = {
    "text": text,
    "streamed text": text_streamed,
    "tool call and return": tool_loop,
    "parallel calls": parallel,
    "streamed arguments": arguments_streamed,
    "reasoning": reasoning,
    "image": image,
    "structured output": structured,
    "usage": usage,
    "embeddings": embeddings,
}
FAILURES = {
    "401": "refuses the key (401)",
    "429": "asks to slow down (429)",
    "quota": "reports no credit left",
    "400": "refuses the request (400)",
    "too_long": "calls the prompt too long",
    "500": "fails (500)",
    "529": "has no capacity (529)",
    "drop": "hangs up without an answer",
    "hang": "says nothing",
    "stall": "falls silent in the middle",
    "cut": "breaks off in the middle",
    "malformed": "sends what cannot be read",
    "stream_error": "tells an error in the middle",
}


def _yes(works: bool) -> str:
    return "yes" if works else "no"


def row_of(handle: str) -> tuple[list[str], list[str]]:
    """The cells of a provider: what works, and what its failures are told as."""
    vendor = next(v for v in VENDORS if v.name == handle.partition("/")[0])
    if vendor.responses == "reasoning" and ROWS[handle] is not ResponsesServer:
        vendor = replace(vendor, responses="never")
    with ROWS[handle]() as server:
        provider = Provider(vendor=vendor, base_url=server.base_url, api_key="k", region="r")
        models = Models([provider], pace=NO_RETRIES)
        bench = Bench(handle=handle, server=server, models=models)
        with closing(models):
            cells = [column(bench) for column in COLUMNS.values()]
            told = [_failure(bench, kind) for kind in FAILURES]
        assert server.problems == [], handle
    return cells, told


def _failure(bench: Bench, kind: str) -> str:
    bench.answers(Failure(kind))
    with pytest.raises(ProviderError) as caught:
        bench.ask(seconds=0.2 if kind in {"hang", "stall"} else 60)
    assert bench.ask()[1].text == "ok"
    return type(caught.value).code


def _table(corner: str, columns: list[str], rows: dict[str, list[str]]) -> str:
    lines = [[corner, *columns], ["---"] * (len(columns) + 1)]
    lines += [[f"`{name}`" if "/" in name else name, *cells] for name, cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def test_matrix_is_the_documented_one(rewrite: bool, aws_credentials: None) -> None:
    found = {handle: row_of(handle) for handle in ROWS}

    works = {handle: cells for handle, (cells, _) in found.items()}
    told: dict[str, list[str]] = {}
    for place, words in enumerate(FAILURES.values()):
        codes = {handle: failures[place] for handle, (_, failures) in found.items()}
        assert len(set(codes.values())) == 1, codes
        told[words] = [next(iter(codes.values()))]
    parts = [
        _INTRODUCTION,
        _table("model", list(COLUMNS), works),
        "\n## How a failure is told\n",
        _table("the provider, whichever it is", ["is told as"], told),
    ]
    page = "\n".join(parts) + "\n"
    if rewrite:
        TABLE.write_text(page, encoding="utf-8")
    assert page == TABLE.read_text(encoding="utf-8")


def test_every_vendor_has_a_row() -> None:
    assert {handle.partition("/")[0] for handle in ROWS} == {vendor.name for vendor in VENDORS}


def test_matrix_says_no_nowhere() -> None:
    cells = [cell.strip() for cell in TABLE.read_text(encoding="utf-8").split("|")]

    assert "no" not in cells
    assert cells.count("yes") > 60
