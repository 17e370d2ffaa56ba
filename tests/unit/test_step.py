from __future__ import annotations

from dataclasses import replace

import pytest
from support.states import (
    CLOCK,
    IDS,
    NOON,
    Ids,
    a_block,
    a_state,
    a_tool,
    called,
    calling,
    outcome_of,
    said,
)

from remanence.core.approvals import open_calls, with_client_tools
from remanence.core.calls import read_calls
from remanence.core.exchange import Approval, Reply, Text, ToolCall, ToolReturn
from remanence.core.findings import Failed, Found
from remanence.core.plan import plan_step
from remanence.core.step import Outcome, advance, apply_open_calls, apply_reply
from remanence.core.types import RunOptions, State, StopReason, ToolRule, run_status_of
from remanence.db.rows import part_from_row, part_to_row


def outcome_of_open_calls(state: State) -> Outcome:
    """Of a step that runs what the end of the window left open."""
    opened = open_calls(state.window)
    assert opened is not None
    plan = plan_step(state, clock=CLOCK, new_id=Ids())
    calls = read_calls(opened.reply, state, CLOCK)
    return apply_open_calls(plan, opened, calls, {}, ids=IDS, clock=CLOCK, new_id=Ids())


def the_return(outcome: Outcome, place: int = 0) -> ToolReturn:
    part = outcome.messages[1].parts[place]
    assert isinstance(part, ToolReturn)
    return part


def test_text_ends_the_turn() -> None:
    outcome = outcome_of(a_state(), Reply(parts=(Text(text="Hi"),), finish="stop"))

    assert outcome.stop_reason is StopReason.END_TURN
    assert [message.role for message in outcome.messages] == ["assistant"]


def test_text_that_was_cut_off_says_so() -> None:
    outcome = outcome_of(a_state(), Reply(parts=(Text(text="Hi"),), finish="length"))

    assert outcome.stop_reason is StopReason.MAX_TOKENS_EXCEEDED


def test_tool_call_goes_on_and_edits_in_order() -> None:
    reply = calling(
        ("memory_insert", '{"label":"human","new_string":"Ada"}'),
        ("memory_replace", '{"label":"human","old_string":"Ada","new_string":"Ada L."}'),
    )

    outcome = outcome_of(a_state(), reply)

    assert outcome.stop_reason is None
    assert outcome.blocks[0].value == "Unknown.\nAda L."
    assert [edit.tool_call_id for edit in outcome.changes.edited] == ["call-2"]


def test_reply_applied_to_fresh_blocks_keeps_what_others_wrote() -> None:
    state = a_state()
    reply = calling(("memory_insert", '{"label":"human","new_string":"mine"}'))
    plan = plan_step(state, clock=CLOCK, new_id=Ids())
    calls = read_calls(reply, state, CLOCK)
    fresh = replace(state, blocks=(a_block(value="theirs", version=2),))

    outcome = apply_reply(
        replace(plan, state=fresh), reply, calls, {}, ids=IDS, clock=CLOCK, new_id=Ids()
    )

    assert outcome.blocks[0].value == "theirs\nmine"
    assert outcome.changes.edited[0].base_version == 2


def test_unknown_tool_is_answered_with_what_there_is() -> None:
    outcome = outcome_of(a_state(), calling(("rm_rf", "{}")))

    assert the_return(outcome).status == "error"
    assert "memory_insert" in the_return(outcome).text
    assert outcome.stop_reason is None


@pytest.mark.parametrize("arguments", ["", "nonsense", "[1]", '{"label": 5', "null"])
def test_unreadable_arguments_are_answered_with_the_schema(arguments: str) -> None:
    outcome = outcome_of(a_state(), calling(("memory_insert", arguments)))

    assert the_return(outcome).status == "error"
    assert "label" in the_return(outcome).text
    assert outcome.changes.edited == ()


def test_lookup_that_failed_is_told_to_the_model() -> None:
    reply = calling(("conversation_search", '{"query":"tea"}'))

    outcome = outcome_of(a_state(), reply, {"call-1": Failed(text="The search failed: down")})

    assert the_return(outcome).status == "error"
    assert "down" in the_return(outcome).text


def test_search_without_hits_says_so() -> None:
    reply = calling(("conversation_search", '{"query":"tea"}'))

    outcome = outcome_of(a_state(), reply, {"call-1": Found()})

    assert "No results found." in the_return(outcome).text


def test_max_steps_stops_a_run_that_would_go_on() -> None:
    state = a_state(step_no=3, options=RunOptions(max_steps=3))

    outcome = outcome_of(state, calling(("memory_insert", '{"label":"human","new_string":"x"}')))

    assert outcome.stop_reason is StopReason.MAX_STEPS
    assert outcome.changes.edited  # what was done stays done


def test_tool_that_is_required_before_the_end_is_asked_for() -> None:
    rule = ToolRule(type="required_before_exit", tool_name="memory_insert")

    outcome = outcome_of(
        a_state(agent_tool_rules=(rule,)), Reply(parts=(Text(text="Bye"),), finish="stop")
    )

    assert outcome.stop_reason is None
    assert outcome.messages[-1].role == "system"
    assert "memory_insert" in outcome.messages[-1].parts[0].text  # type: ignore[union-attr]


def test_arguments_that_a_rule_sets_replace_the_models() -> None:
    rule = ToolRule(
        type="run_first", tool_name="memory_insert", args={"label": "human", "new_string": "set"}
    )

    outcome = outcome_of(a_state(agent_tool_rules=(rule,)), calling(("memory_insert", "{}")))

    assert outcome.blocks[0].value == "Unknown.\nset"


HEARTBEAT = '{"label":"human","content":"x","request_heartbeat":true}'
SEND = '{"message":"hi"}'


@pytest.mark.parametrize(
    ("calls", "stop"),
    [
        ([("core_memory_append", HEARTBEAT)], None),
        ([("core_memory_append", '{"label":"human","content":"x"}')], StopReason.END_TURN),
        ([("core_memory_append", '{"label":"nobody","content":"x"}')], None),
        ([("send_message", SEND)], StopReason.END_TURN),
        ([("core_memory_append", HEARTBEAT), ("send_message", SEND)], StopReason.TOOL_RULE),
    ],
    ids=["heartbeat", "silent", "failed", "spoke", "both"],
)
def test_heartbeat_agents_go_on_when_they_ask_or_fail(
    calls: list[tuple[str, str]], stop: StopReason | None
) -> None:
    state = a_state(
        agent_agent_type="memgpt_agent",
        agent_tool_rules=(ToolRule(type="exit_loop", tool_name="send_message"),),
        tools=(a_tool("core_memory_append"), a_tool("send_message")),
    )

    assert outcome_of(state, calling(*calls)).stop_reason is stop


def test_call_that_needs_approval_waits_whole_and_changes_nothing() -> None:
    state = a_state(
        tools=(a_tool("memory_insert", requires_approval=True), a_tool("conversation_search"))
    )
    reply = calling(
        ("conversation_search", '{"query":"x"}'),
        ("memory_insert", '{"label":"human","new_string":"x"}'),
    )

    outcome = outcome_of(state, reply, {"call-1": Found()})

    assert outcome.stop_reason is StopReason.REQUIRES_APPROVAL
    assert [message.role for message in outcome.messages] == ["approval"]
    assert outcome.blocks == state.blocks


def test_open_calls_run_what_was_approved_and_tell_what_was_denied() -> None:
    request = replace(
        called("memory_insert", '{"label":"human","new_string":"Ada"}', 2),
        role="approval",
        parts=(
            ToolCall(
                tool_call_id="call-1",
                name="memory_insert",
                arguments='{"label":"human","new_string":"Ada"}',
            ),
            ToolCall(
                tool_call_id="call-2",
                name="memory_insert",
                arguments='{"label":"human","new_string":"Bob"}',
            ),
        ),
    )
    response = replace(
        said("", 3, "approval"),
        parts=(
            Approval(tool_call_id="call-1", approve=True),
            Approval(tool_call_id="call-2", approve=False, reason="not Bob"),
        ),
    )
    state = a_state(window=(said("hi", 1), request, response))

    outcome = outcome_of_open_calls(state)

    first, second = outcome.messages[0].parts
    assert outcome.blocks[0].value == "Unknown.\nAda"
    assert isinstance(first, ToolReturn)
    assert first.status == "success"
    assert isinstance(second, ToolReturn)
    assert "not Bob" in second.text
    assert outcome.stop_reason is None


def test_call_that_a_rule_forbade_is_refused_too_when_its_reply_is_answered_later() -> None:
    state = a_state(
        tools=(a_tool("memory_insert", requires_approval=True), a_tool("memory_replace")),
        agent_tool_rules=(ToolRule(type="run_first", tool_name="memory_insert"),),
    )
    asked = outcome_of(
        state,
        calling(
            ("memory_insert", '{"label":"human","new_string":"Ada"}'),
            ("memory_replace", '{"label":"human","old_string":"Unknown","new_string":"Eve"}'),
        ),
    )
    request = asked.messages[0]
    stored = replace(
        request,
        seq=2,
        parts=tuple(part_from_row(part_to_row(part)) for part in request.parts),
    )
    response = replace(
        said("", 3, "approval"), parts=(Approval(tool_call_id="call-1", approve=True),)
    )
    state = replace(state, window=(said("hi", 1), stored, response))

    outcome = outcome_of_open_calls(state)

    run, forbidden = outcome.messages[0].parts
    assert isinstance(run, ToolReturn)
    assert isinstance(forbidden, ToolReturn)
    assert run.status == "success"
    assert forbidden.status == "error"
    assert "Cannot call memory_replace" in forbidden.text
    assert outcome.blocks[0].value == "Unknown.\nAda"
    assert outcome.called_tools == ("memory_insert",)


def test_calls_that_the_conversation_went_on_without_are_not_open() -> None:
    window = (said("hi", 1), called("memory_insert", "{}", 2), said("never mind", 3))

    assert open_calls(window) is None


def test_tool_of_the_caller_hides_one_of_ours_and_waits_for_them() -> None:
    theirs = replace(a_tool("memory_insert"), id="", description="theirs", tool_type="client")
    state = with_client_tools(a_state(options=RunOptions(client_tools=(theirs,))))

    outcome = outcome_of(state, calling(("memory_insert", '{"label":"a","new_string":"b"}')))

    assert [tool.description for tool in state.tools if tool.name == "memory_insert"] == ["theirs"]
    assert outcome.stop_reason is StopReason.REQUIRES_APPROVAL


def test_advance_is_the_state_a_fresh_load_would_give() -> None:
    state = a_state()
    outcome = outcome_of(state, calling(("memory_insert", '{"label":"human","new_string":"x"}')))

    following = advance(state, outcome, next_seq=4)

    assert [message.seq for message in following.window] == [1, 2, 3]
    assert following.blocks[0].version == 2
    assert following.step_no == 2
    assert following.called_tools == ("memory_insert",)
    assert following.usage.prompt_tokens == 50


def test_every_stop_reason_has_a_run_status() -> None:
    assert {run_status_of(reason) for reason in StopReason} == {"completed", "failed", "cancelled"}
    assert run_status_of(StopReason.REQUIRES_APPROVAL) == "completed"
    assert NOON.tzinfo is not None
