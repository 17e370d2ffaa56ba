"""Any sequence of stored messages becomes a request that each provider accepts.

Stored histories can be anything: imported from an old server, cut off by a crash, written by a
model that makes up calls. Whatever is drawn here compiles, passes the strict checks of both
wires, and can be sent as UTF-8 JSON; and every repair is named.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import wire_anthropic, wire_openai
from support.states import CLOCK, Ids, a_state, a_tool, said

from remanence.core.approvals import open_calls
from remanence.core.context import compile_context
from remanence.core.exchange import (
    Approval,
    Image,
    ModelSettings,
    Reasoning,
    Text,
    ToolCall,
    ToolReturn,
)
from remanence.core.history import turns_of
from remanence.core.plan import plan_step
from remanence.llm import anthropic_request, openai_request
from remanence.llm.anthropic_settings import headers_for
from remanence.llm.vendors import VENDORS

if TYPE_CHECKING:
    from remanence.core.types import Message

# What a column of Postgres can hold: no NUL, no half of a surrogate pair.
TEXTS = st.one_of(
    st.sampled_from(["", " ", "\n\t", "hi", "\u200b", "\ufeff", "word " * 600, "你好" * 400, "{}"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
)
CALL_IDS = st.sampled_from(["a", "b", "c", "", "call with spaces", "ü" * 60, "x" * 200])
NAMES = st.sampled_from(
    ["memory_insert", "send_message", "", "no such tool", "a.b/c", "ü", "x" * 100, "multi_tool"]
)
ARGUMENTS = st.one_of(
    st.sampled_from(
        [
            "{}",
            '{"a": 1}',
            "",
            "null",
            "[1]",
            '"text"',
            "{",
            '{"a": NaN}',
            '{"a": [Infinity, -Infinity]}',
            '{"a": 1e999}',
            '{"a": "\\ud800"}',
            '{"\\udfff": "x"}',
            '{"a": "\\u0000"}',
            '{"a": 1, "a": 2}',
            '{"a": ' + "9" * 5000 + "}",
            "[" * 3_000,
            '{"a":' * 1_500 + "1" + "}" * 1_500,
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
)
PARTS = st.one_of(
    st.builds(Text, text=TEXTS),
    st.builds(
        Image,
        url=st.sampled_from([None, "", "https://example.org/i.png", "data:image/png;base64,AAAA"]),
        media_type=st.sampled_from([None, "image/png"]),
        data=st.sampled_from([None, "", "AAAA"]),
    ),
    st.builds(
        Reasoning,
        text=TEXTS,
        signature=st.sampled_from([None, "", "signed"]),
        redacted=st.sampled_from([None, "", "opaque"]),
    ),
    st.builds(ToolCall, tool_call_id=CALL_IDS, name=NAMES, arguments=ARGUMENTS),
    st.builds(
        ToolReturn,
        tool_call_id=CALL_IDS,
        name=NAMES,
        text=TEXTS,
        status=st.sampled_from(["success", "error"]),
    ),
    st.builds(Approval, tool_call_id=CALL_IDS, approve=st.booleans(), reason=st.none() | TEXTS),
)
ROLES = st.sampled_from(["system", "user", "assistant", "tool", "approval", "summary"])


@st.composite
def histories(draw: st.DrawFn) -> tuple[Message, ...]:
    drawn = draw(
        st.lists(st.tuples(ROLES, st.lists(PARTS, max_size=4), st.none() | TEXTS), max_size=8)
    )
    return tuple(
        said("", seq, role, parts=tuple(parts), name=name)
        for seq, (role, parts, name) in enumerate(drawn, start=1)
    )


MODELS = [
    ("openai", "gpt-5-mini"),
    ("deepseek", "deepseek-chat"),
    ("gemini", "gemini-3-pro"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-5-5"),
]
SLOWLY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def problems(provider: str, model: str, window: tuple[Message, ...]) -> list[str]:
    """What a provider would say to the request for this history."""
    vendor = next(vendor for vendor in VENDORS if vendor.name == provider)
    state = a_state(
        window=window,
        agent_model=f"{provider}/{model}",
        agent_model_settings=ModelSettings(thinking_budget_tokens=2_000),
        tools=(a_tool("memory_insert"), a_tool("conversation_search")),
    )
    request = compile_context(state, UTC).request
    body: dict[str, Any]
    if provider == "anthropic":
        body = anthropic_request.to_body(request, vendor, stream=True)
        headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"} | headers_for(body)
        found = wire_anthropic.problems_in("/v1/messages", headers, body)
        last = [message["content"][-1]["type"] for message in body["messages"]]
        assert not {*last} & {"thinking", "redacted_thinking"}  # refused at the end of a message
    else:
        body = openai_request.to_body(request, vendor, stream=True)
        for message in body["messages"]:
            for call in message.get("tool_calls", ()):
                call.pop("extra_content", None)  # Gemini's own field; the check is OpenAI's
        found = wire_openai.problems_in("/v1/chat/completions", {"authorization": "Bearer k"}, body)
    json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    return found


@pytest.mark.parametrize(("provider", "model"), MODELS)
@SLOWLY
@given(window=histories())
def test_any_history_becomes_a_request_that_the_wire_accepts(
    provider: str, model: str, window: tuple[Message, ...]
) -> None:
    assert problems(provider, model, window) == []


@SLOWLY
@given(window=histories())
def test_every_call_is_answered_once_in_the_turn_after_it(window: tuple[Message, ...]) -> None:
    turns, _ = turns_of(window, UTC, 8_000)

    for place, turn in enumerate(turns):
        assert turn.parts
        called = [part.tool_call_id for part in turn.parts if isinstance(part, ToolCall)]
        after = turns[place + 1] if place + 1 < len(turns) else None
        answered = [
            part.tool_call_id
            for part in (after.parts if after and after.role == "tool" else ())
            if isinstance(part, ToolReturn)
        ]
        assert called == answered
        assert len({*called}) == len(called)


@SLOWLY
@given(window=histories())
def test_any_history_can_be_planned_and_cut_and_looked_at_for_open_calls(
    window: tuple[Message, ...],
) -> None:
    plan = plan_step(a_state(window=window), clock=CLOCK, new_id=Ids())
    open_calls(window)

    # Images and the arguments of calls cannot be cut: of those, the newest exchange stays whole.
    exchanges = sum(1 for message in plan.state.window if message.role != "tool")
    assert plan.context.estimate_tokens <= 8_000 or exchanges == 1
