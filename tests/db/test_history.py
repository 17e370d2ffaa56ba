from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.past import START, Past, new_id

from remanence.api.wire.messages import View, to_wire
from remanence.api.wire.speech import Speech
from remanence.core.exchange import Approval, Reasoning, Text, ToolCall, ToolReturn
from remanence.core.ids import DEFAULT_ORG_ID, OrgId
from remanence.core.types import Message
from remanence.db.connect import OneConnection
from remanence.db.history import History, RunFilter, StepFilter, Stretch
from remanence.db.paging import Page
from remanence.db.queries import Queries
from remanence.db.rows import part_to_row
from remanence.errors import AgentBusy, InvalidRequest, NotFound

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

ORG = DEFAULT_ORG_ID


@pytest.fixture(scope="module")
def history(database: Database) -> Generator[History]:
    source = OneConnection(database.app_uri)
    yield History(Queries(source))
    source.close()


@pytest.fixture(scope="module")
def past(database: Database) -> Past:
    return Past(database.app_uri)


def texts(messages: list[Message]) -> list[str]:
    return [message.parts[0].text for message in messages]  # type: ignore[union-attr]


def test_list_messages_pages_from_either_end_and_shows_them_oldest_first(
    history: History, past: Past
) -> None:
    thread = past.agent()
    ids = [past.message(thread, "user", f"m{number}") for number in range(6)]

    def listed(**stretch: object) -> list[str]:
        return texts(history.list_messages(ORG, thread.agent_id, None, Stretch(**stretch)))

    assert listed() == ["m0", "m1", "m2", "m3", "m4", "m5"]
    assert listed(limit=2) == ["m4", "m5"]
    assert listed(limit=2, newest=False) == ["m0", "m1"]
    assert listed(limit=2, before=ids[3]) == ["m1", "m2"]
    assert listed(limit=2, after=ids[3], newest=False) == ["m4", "m5"]
    assert listed(limit=1, after=ids[3], newest=True) == ["m5"]
    assert listed(limit=1, before=ids[3], newest=False) == ["m0"]
    assert listed(after=ids[1], before=ids[4]) == ["m2", "m3"]
    assert listed(after=ids[5]) == []


def test_list_messages_keeps_conversations_apart(history: History, past: Past) -> None:
    thread = past.agent()
    past.message(thread, "user", "in the default")
    other = past.conversation(thread.agent_id)
    past.message(type(thread)(thread.agent_id, other), "user", "in the other")

    assert texts(history.list_messages(ORG, thread.agent_id, other, Stretch())) == ["in the other"]
    assert texts(history.list_messages(ORG, thread.agent_id, None, Stretch())) == ["in the default"]


def test_list_messages_of_what_does_not_exist_says_what(history: History, past: Past) -> None:
    thread = past.agent()
    elsewhere = past.agent()
    foreign = past.message(elsewhere, "user", "x")

    with pytest.raises(NotFound, match="agent"):
        history.list_messages(ORG, new_id("agent"), None, Stretch())
    with pytest.raises(NotFound, match="conversation"):
        history.list_messages(ORG, thread.agent_id, elsewhere.conversation_id, Stretch())
    with pytest.raises(InvalidRequest, match="cursor"):
        history.list_messages(ORG, thread.agent_id, None, Stretch(after=foreign))
    assert history.list_messages(ORG, thread.agent_id, None, Stretch()) == []


def test_list_messages_of_another_organization_finds_nothing(history: History, past: Past) -> None:
    thread = past.agent()

    with pytest.raises(NotFound):
        history.list_messages(OrgId(new_id("org")), thread.agent_id, None, Stretch())


def test_list_messages_counts_only_what_is_shown(history: History, past: Past) -> None:
    """A page that were empty because of hidden messages would end a client's paging."""
    thread = past.agent()
    call = ToolCall(tool_call_id="c", name="send_message", arguments='{"message": "hello"}')
    sent = ToolReturn(tool_call_id="c", name="send_message", text="Sent.")
    past.message(thread, "user", "hi")
    past.message(thread, "assistant", Reasoning(text="hm"), call)
    past.message(thread, "tool", sent)

    stretch = Stretch(limit=1, speech_tool="send_message")
    spoken = history.list_messages(ORG, thread.agent_id, None, stretch)
    wanted = Stretch(limit=1, message_types=["user_message"], speech_tool="send_message")

    assert [message.role for message in spoken] == ["assistant"]
    assert texts(history.list_messages(ORG, thread.agent_id, None, wanted)) == ["hi"]
    assert [
        message.role
        for message in history.list_messages(ORG, thread.agent_id, None, Stretch(limit=1))
    ] == ["tool"]


PARTS = {
    "user": st.lists(st.builds(Text, text=st.just("x")), min_size=1, max_size=2),
    "assistant": st.lists(
        st.builds(Text, text=st.just("x"))
        | st.builds(Reasoning, text=st.just("x"), redacted=st.sampled_from([None, "r"]))
        | st.builds(
            ToolCall,
            tool_call_id=st.just("c"),
            name=st.sampled_from(["send_message", "look"]),
            arguments=st.just('{"message": "hi"}'),
        ),
        max_size=4,
    ),
    "tool": st.lists(
        st.builds(
            ToolReturn,
            tool_call_id=st.just("c"),
            name=st.sampled_from(["send_message", "look"]),
            text=st.just("x"),
            status=st.sampled_from(["success", "error"]),
        ),
        max_size=3,
    ),
}
PARTS["system"] = PARTS["summary"] = PARTS["user"]
PARTS["approval"] = st.lists(
    st.builds(Approval, tool_call_id=st.just("c"), approve=st.booleans())
    | st.builds(ToolReturn, tool_call_id=st.just("c"), name=st.just("look"), text=st.just("x")),
    min_size=1,
    max_size=2,
) | st.tuples(
    st.builds(Text, text=st.just("x")),
    st.builds(ToolCall, tool_call_id=st.just("c"), name=st.just("look"), arguments=st.just("{}")),
)


@given(data=st.data(), role=st.sampled_from(sorted(PARTS)), speaks=st.booleans())
@settings(max_examples=150, deadline=None)
def test_shown_types_in_sql_are_the_types_on_the_wire(
    data: st.DataObject, role: str, speaks: bool, connection: psycopg.Connection
) -> None:
    parts = tuple(data.draw(PARTS[role]))
    message = Message(id="message-x", role=role, parts=parts, created_at=START)  # type: ignore[arg-type]
    tool = "send_message" if speaks else None

    wire = to_wire(message, View(speech=Speech(tool_name=tool)))
    (types,) = connection.execute(
        "select remanence.shown_types_v1(%s, %s, %s)",
        [role, psycopg.types.json.Jsonb([part_to_row(part) for part in parts]), tool],
    ).fetchone()

    assert types == [message["message_type"] for message in wire]


@pytest.fixture(scope="module")
def connection(database: Database) -> Generator[psycopg.Connection]:
    with psycopg.connect(database.owner_uri) as conn:
        yield conn


def test_reset_messages_empties_the_default_conversation_only(history: History, past: Past) -> None:
    thread = past.agent()
    other = type(thread)(thread.agent_id, past.conversation(thread.agent_id))
    past.message(thread, "user", "gone")
    past.message(other, "user", "stays")
    hanging = past.run_of(thread, status="running")
    past.run(
        "insert into remanence.summaries (id, org_id, agent_id, conversation_id, level, from_seq,"
        " to_seq, text, tokens, model) values (%(id)s, %(org)s, %(agent)s, %(conv)s, 0, 1, 1, 'x',"
        " 1, 'extractive')",
        id=new_id("summary"),
        org=ORG,
        agent=thread.agent_id,
        conv=thread.conversation_id,
    )

    history.reset_messages(ORG, thread.agent_id)

    assert history.list_messages(ORG, thread.agent_id, None, Stretch()) == []
    assert texts(history.list_messages(ORG, thread.agent_id, other.conversation_id, Stretch())) == [
        "stays"
    ]
    assert history.find_run(ORG, hanging).run.status == "cancelled"
    (counts,) = past.run(
        "select (select count(*) from remanence.summaries where conversation_id = conv.id),"
        " next_seq, window_from_seq from remanence.conversations as conv where id = %(id)s",
        id=thread.conversation_id,
    )
    assert counts == (0, 1, 1)


def test_reset_messages_while_a_run_works_is_refused(history: History, past: Past) -> None:
    thread = past.agent()
    past.message(thread, "user", "stays")
    run_id = past.run_of(thread, status="running")
    past.run(
        "update remanence.conversations set lease_until = clock_timestamp() + interval '1 minute',"
        " lease_token = 'x' where id = %(id)s",
        id=thread.conversation_id,
    )

    with pytest.raises(AgentBusy, match=run_id):
        history.reset_messages(ORG, thread.agent_id)

    assert len(history.list_messages(ORG, thread.agent_id, None, Stretch())) == 1
    with pytest.raises(NotFound):
        history.reset_messages(ORG, new_id("agent"))


def test_list_run_messages_pages_in_both_orders(history: History, past: Past) -> None:
    thread = past.agent()
    run_id = past.run_of(thread)
    step_id = past.step(thread, run_id)
    past.message(thread, "user", "of another run")
    asked = past.message(thread, "user", "asked", run_id=run_id)
    past.message(thread, "assistant", "one", run_id=run_id, step_id=step_id)
    last = past.message(thread, "assistant", "two", run_id=run_id, step_id=step_id)

    def listed(**page: object) -> list[str]:
        return texts(history.list_run_messages(ORG, run_id, Page(**page), speech_tool=None))

    assert listed(order="asc") == ["asked", "one", "two"]
    assert listed(order="desc") == ["two", "one", "asked"]
    assert listed(order="asc", after=asked, limit=1) == ["one"]
    assert listed(order="desc", before=asked, limit=1) == ["one"]
    assert listed(order="asc", after=last) == []
    assert texts(history.list_step_messages(ORG, step_id, Page(order="asc"), speech_tool=None)) == [
        "one",
        "two",
    ]
    with pytest.raises(NotFound, match="run"):
        history.list_run_messages(ORG, new_id("run"), Page(), speech_tool=None)
    with pytest.raises(NotFound, match="step"):
        history.list_step_messages(ORG, new_id("step"), Page(), speech_tool=None)


def test_list_runs_applies_every_filter(history: History, past: Past) -> None:
    thread = past.agent()
    other = type(thread)(thread.agent_id, past.conversation(thread.agent_id))
    done = past.run_of(thread)
    failed = past.run_of(
        thread, status="failed", stop_reason="llm_api_error", error={"type": "x", "message": "no"}
    )
    behind = past.run_of(other, background=True)
    going = past.run_of(thread, status="running")

    def listed(**wanted: object) -> list[str]:
        scope = {"agent_ids": [thread.agent_id]} | wanted
        return [record.run.id for record in history.list_runs(ORG, Page(), RunFilter(**scope))]

    assert listed() == [going, behind, failed, done]
    assert listed(statuses=["failed", "running"]) == [going, failed]
    assert listed(background=True) == [behind]
    assert listed(background=False) == [going, failed, done]
    assert listed(active=True) == [going]
    assert listed(stop_reason="llm_api_error") == [failed]
    assert listed(conversation_id=other.conversation_id) == [behind]
    assert listed(agent_ids=[new_id("agent")]) == []


def test_list_runs_pages_without_repeating_or_missing_any(history: History, past: Past) -> None:
    thread = past.agent()
    ids = [past.run_of(thread, at=START) for _ in range(3)]
    ids += [past.run_of(thread, at=START + timedelta(seconds=number)) for number in range(1, 4)]
    wanted = RunFilter(agent_ids=[thread.agent_id])

    for order in ("asc", "desc"):
        seen: list[str] = []
        while page := history.list_runs(
            ORG, Page(order=order, limit=2, after=seen[-1] if seen else None), wanted
        ):
            seen += [record.run.id for record in page]
        assert sorted(seen) == sorted(ids)
        backwards = history.list_runs(ORG, Page(order=order, limit=2, before=seen[-1]), wanted)
        assert [record.run.id for record in backwards] == seen[-3:-1]


def test_find_run_tells_how_it_went(history: History, past: Past) -> None:
    thread = past.agent()
    run_id = past.run_of(thread, status="failed", error={"type": "llm_error", "message": "no"})
    past.step(thread, run_id, step_no=1)
    past.step(thread, run_id, step_no=2, prompt_tokens=20, completion_tokens=3)

    record = history.find_run(ORG, run_id)
    usage = history.run_usage(ORG, run_id)

    assert record.in_default_conversation
    assert record.error_message == "no"
    assert record.duration_ns == 1_000_000_000
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_input_tokens) == (30, 5, 8)
    with pytest.raises(NotFound):
        history.find_run(ORG, new_id("run"))
    with pytest.raises(NotFound):
        history.run_usage(ORG, new_id("run"))


def test_run_usage_without_steps_is_zero(history: History, past: Past) -> None:
    assert history.run_usage(ORG, past.run_of(past.agent())).total_tokens == 0


def test_list_steps_applies_every_filter_and_keeps_feedback(history: History, past: Past) -> None:
    thread = past.agent()
    run_id = past.run_of(thread)
    first = past.step(thread, run_id, at=START)
    second = past.step(thread, run_id, step_no=2, model="other/m", at=START + timedelta(hours=1))

    rated = history.set_feedback(ORG, first, "positive", ["good", "short"])

    def listed(**wanted: object) -> list[str]:
        scope = {"agent_id": thread.agent_id} | wanted
        return [step.id for step in history.list_steps(ORG, Page(order="asc"), StepFilter(**scope))]

    assert (rated.feedback, rated.tags) == ("positive", ("good", "short"))
    assert listed() == [first, second]
    assert listed(run_id=run_id) == [first, second]
    assert listed(model="other/m") == listed(model="m") == [second]
    assert listed(feedback="positive") == listed(has_feedback=True) == [first]
    assert listed(feedback="negative") == []
    assert listed(has_feedback=False) == [second]
    assert listed(tags=["good"]) == [first]
    assert listed(started_from=START + timedelta(minutes=1)) == [second]
    assert listed(started_to=START) == [first]
    assert history.set_feedback(ORG, first, None, None).tags == ("good", "short")
    assert history.find_step(ORG, first).feedback is None
    with pytest.raises(NotFound):
        history.find_step(ORG, new_id("step"))
    with pytest.raises(NotFound):
        history.set_feedback(ORG, new_id("step"), "positive", None)
    with pytest.raises(NotFound, match="run"):
        history.list_steps(ORG, Page(), StepFilter(run_id=new_id("run")))
    with pytest.raises(InvalidRequest, match="cursor"):
        history.list_steps(ORG, Page(after=new_id("step")), StepFilter())
