"""A model whose tool calls stay broken, whatever it is told: its run ends after a few steps."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.states import a_state, a_tool, calling, outcome_of, said

from remanence.core.exchange import Reply, Text, ToolReturn
from remanence.core.findings import Failed
from remanence.core.step import advance
from remanence.core.stopping import MAX_BROKEN_STEPS
from remanence.core.types import RunOptions, State, StopReason, ToolRule, run_status_of

UNREADABLE = ("memory_insert", '{"label": "hum')
UNFIT = ("memory_insert", '{"label":"human"}')
UNKNOWN = ("fly_to_the_moon", "{}")
GOOD = ("memory_insert", '{"label":"human","new_string":"Ada"}')
FAILING = ("memory_replace", '{"label":"human","old_string":"not there","new_string":"x"}')
SEARCH = ("conversation_search", '{"query":"tea"}')


def after(state: State, *replies: Reply) -> State:
    """The state once these replies are committed."""
    for reply in replies:
        outcome = outcome_of(state, reply)
        assert outcome.stop_reason is None
        place = state.conversation.next_seq + len(outcome.messages)
        state = advance(state, outcome, next_seq=place)
    return state


def test_run_ends_after_so_many_steps_of_broken_calls_alone() -> None:
    state = after(a_state(), calling(UNREADABLE), calling(UNKNOWN, UNFIT))

    outcome = outcome_of(state, calling(UNFIT))

    assert state.step_no == MAX_BROKEN_STEPS
    assert outcome.stop_reason is StopReason.INVALID_TOOL_CALL
    assert run_status_of(StopReason.INVALID_TOOL_CALL) == "failed"
    assert outcome.error is not None
    assert outcome.error.type == "llm_bad_tool_calls"
    assert f"{MAX_BROKEN_STEPS} steps in a row" in outcome.error.message


def test_last_broken_call_has_its_return_with_what_the_tool_takes() -> None:
    state = after(a_state(), calling(UNFIT), calling(UNFIT))

    outcome = outcome_of(state, calling(UNFIT, UNKNOWN))

    _, answers = outcome.messages
    assert [part.tool_call_id for part in answers.parts if isinstance(part, ToolReturn)] == [
        "call-1",
        "call-2",
    ]
    first = answers.parts[0]
    assert isinstance(first, ToolReturn)
    assert first.status == "error"
    assert "new_string" in first.text


@pytest.mark.parametrize(
    "between",
    [
        calling(GOOD),
        calling(UNFIT, GOOD),
        calling(FAILING),
    ],
    ids=["good", "good beside broken", "ran and failed"],
)
def test_step_with_a_call_that_was_run_resets_the_count(between: Reply) -> None:
    state = after(a_state(), calling(UNFIT), calling(UNFIT), between)

    state = after(state, calling(UNFIT), calling(UNFIT))

    assert outcome_of(state, calling(UNFIT)).stop_reason is StopReason.INVALID_TOOL_CALL


def test_search_that_fails_again_and_again_is_no_broken_call() -> None:
    state = a_state()
    for _ in range(MAX_BROKEN_STEPS + 1):
        outcome = outcome_of(state, calling(SEARCH), {"call-1": Failed(text="The search failed")})
        assert outcome.stop_reason is None
        state = advance(state, outcome, next_seq=state.conversation.next_seq + 2)


def test_run_ends_when_the_model_insists_on_what_a_rule_forbids() -> None:
    rule = ToolRule(type="run_first", tool_name="memory_insert")
    state = a_state(agent_tool_rules=(rule,))

    state = after(state, calling(SEARCH), calling(UNFIT, SEARCH))
    outcome = outcome_of(state, calling(SEARCH))

    assert outcome.stop_reason is StopReason.INVALID_TOOL_CALL
    assert outcome.error is not None
    assert "a rule forbids" in outcome.error.message


def test_step_that_does_what_the_rule_asks_for_resets_the_count() -> None:
    rule = ToolRule(type="run_first", tool_name="memory_insert")
    state = a_state(agent_tool_rules=(rule,))

    state = after(state, calling(SEARCH), calling(SEARCH), calling(SEARCH, GOOD))

    assert outcome_of(state, calling(UNFIT)).stop_reason is None


def test_call_that_worked_counts_as_good_though_its_tool_was_taken_away_since() -> None:
    state = after(a_state(), calling(UNFIT), calling(GOOD))
    state = replace(state, tools=(a_tool("conversation_search"),))

    outcome = outcome_of(state, calling(UNFIT))

    assert outcome.stop_reason is None


def test_broken_calls_of_an_earlier_run_do_not_count() -> None:
    state = after(a_state(), calling(UNFIT), calling(UNFIT))
    state = replace(
        state,
        run=replace(state.run, id="run-2"),
        step_no=1,
        window=(*state.window, replace(said("again", 6), run_id="run-2")),
    )

    assert outcome_of(state, calling(UNFIT)).stop_reason is None


def test_text_between_broken_calls_resets_the_count() -> None:
    rule = ToolRule(type="required_before_exit", tool_name="memory_insert")
    text = Reply(parts=(Text(text="Bye"),), finish="stop")
    state = after(a_state(agent_tool_rules=(rule,)), calling(UNFIT), calling(UNFIT), text)

    assert outcome_of(state, calling(UNFIT)).stop_reason is None


def test_limit_of_steps_that_is_reached_first_is_told_as_that() -> None:
    state = after(a_state(options=RunOptions(max_steps=2)), calling(UNFIT))

    outcome = outcome_of(state, calling(UNFIT))

    assert outcome.stop_reason is StopReason.MAX_STEPS
    assert outcome.error is None
