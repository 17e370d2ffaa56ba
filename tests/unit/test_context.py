from __future__ import annotations

from dataclasses import replace
from datetime import UTC

from support.states import NOON, a_block, a_state, a_tool, called, returned, said

from remanence.core.context import compile_context
from remanence.core.exchange import Text
from remanence.core.summaries import Summary
from remanence.core.types import MemoryCounts, ToolRule


def test_compile_context_shows_blocks_with_description_limits_and_read_only() -> None:
    block = a_block("team", "Ada, Bob", description="Who works here.", read_only=True, limit=300)

    system = compile_context(a_state(blocks=(block,)), UTC).request.system

    assert "<team>\n<description>\nWho works here.\n</description>" in system
    assert "- read_only=true\n- chars_current=8\n- chars_limit=300" in system
    assert "<value>\nAda, Bob\n</value>" in system


def test_compile_context_counts_what_is_out_of_view() -> None:
    counts = MemoryCounts(recall=17, archival=10_001, archival_tags=("travel",))

    system = compile_context(a_state(counts=counts), UTC).request.system

    assert "17 earlier messages" in system
    assert "more than 10,000 passages" in system
    assert "travel" in system


def test_compile_context_shows_tool_rules_and_offers_only_what_they_allow() -> None:
    rule = ToolRule(type="run_first", tool_name="conversation_search")

    request = compile_context(a_state(agent_tool_rules=(rule,)), UTC).request

    assert "<tool_usage_rules>" in request.system
    assert [tool.name for tool in request.tools] == ["conversation_search"]
    assert request.tool_choice == "conversation_search"


def test_compile_context_puts_summaries_before_the_window() -> None:
    summary = Summary(
        id="summary-1",
        level=0,
        from_seq=1,
        to_seq=4,
        text="Ada lives in Lisbon.",
        tokens=6,
        model="extractive",
        created_at=NOON,
    )

    turns = compile_context(
        a_state(window=(said("Hi", 5),), summaries=(summary,)), UTC
    ).request.turns

    assert isinstance(turns[0].parts[0], Text)
    assert "[messages 1-4]\nAda lives in Lisbon." in turns[0].parts[0].text
    assert turns[1].parts == (Text(text="Hi"),)


def test_compile_context_of_a_window_that_begins_with_the_agent_opens_with_a_user_turn() -> None:
    turns = compile_context(a_state(window=(said("I said", 5, "assistant"),)), UTC).request.turns

    assert [turn.role for turn in turns[:2]] == ["user", "assistant"]


def test_compile_context_of_the_next_step_repeats_the_bytes_of_this_one() -> None:
    first = a_state()
    second = replace(
        first,
        window=(
            *first.window,
            called("conversation_search", '{"query":"x"}', 2),
            returned("conversation_search", "nothing", 3),
        ),
    )

    before, after = (compile_context(state, UTC).request for state in (first, second))

    assert after.system == before.system
    assert after.tools == before.tools
    assert after.turns[: len(before.turns)] == before.turns


def test_compile_context_for_heartbeat_agents_adds_the_argument_to_every_tool() -> None:
    state = a_state(agent_agent_type="memgpt_agent", tools=(a_tool("send_message"),))

    tool = compile_context(state, UTC).request.tools[0]

    assert "request_heartbeat" in tool.parameters["properties"]  # type: ignore[operator]


def test_compile_context_tokens_by_part_add_up() -> None:
    context = compile_context(a_state(), UTC)

    assert sum(context.tokens.values()) == context.estimate_tokens
