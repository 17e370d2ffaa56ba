from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import (
    World,
    a_block,
    a_message,
    an_agent,
    an_order,
    attach_block,
    ended,
    history,
    new_id,
    stored,
    value,
)

from remanence.core.claims import RunOrder
from remanence.core.events import RunHandedOver, RunStarted, Streamed
from remanence.core.exchange import Approval, Reply, Text, TextDelta, ToolCall, Usage
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.errors import (
    AgentBusy,
    InvalidRequest,
    LeaseLost,
    NotFound,
    PendingApproval,
    ProviderOverloaded,
    ProviderTooLong,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

    from remanence.core.exchange import Request


def saying(text: str) -> Reply:
    return Reply(
        parts=(Text(text=text),),
        finish="stop",
        usage=Usage(prompt_tokens=100, completion_tokens=5),
    )


def calling(name: str, arguments: str, call_id: str = "call-1") -> Reply:
    return Reply(
        parts=(ToolCall(tool_call_id=call_id, name=name, arguments=arguments),),
        finish="tool_calls",
        usage=Usage(prompt_tokens=100, completion_tokens=5),
    )


def last_text(request: Request) -> str:
    """All text of the last turn: what a tool returned, or what was said."""
    return "\n".join(part.text for part in request.turns[-1].parts if hasattr(part, "text"))


@pytest.fixture
def worlds(database: Database) -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def a_world(worlds: list[World], database: Database, *steps: object, **changes: object) -> World:
    world = World.over(database.app_uri, steps, **changes)
    worlds.append(world)
    return world


def test_run_of_one_step_stores_question_and_answer(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("Hello Ada"))

    events = world.say(agent_id, "I am Ada")

    assert isinstance(events[0], RunStarted)
    assert ended(events).stop_reason == "end_turn"
    assert ended(events).usage == Usage(prompt_tokens=100, completion_tokens=5)
    assert history(database.admin_uri, agent_id) == [
        ("user", "I am Ada"),
        ("assistant", "Hello Ada"),
    ]


def test_run_with_a_memory_edit_shows_it_to_the_next_step(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})
    world = a_world(
        worlds,
        database,
        calling("memory_replace", '{"label":"human","old_string":"Unknown.","new_string":"Ada"}'),
        saying("Noted."),
    )

    events = world.say(agent_id, "I am Ada")

    assert [message.role for message in stored(events)] == ["assistant", "tool", "assistant"]
    first, second = world.scripted.requests
    assert second.system == first.system  # the prefix stands still
    assert "Ada" in last_text(second)
    assert value(
        database.admin_uri,
        "select array_agg(version || ':' || value order by version)"
        " from remanence.block_versions where block_id in"
        " (select block_id from remanence.agents_blocks where agent_id = %s)",
        agent_id,
    ) == ["2:Ada"]


def test_run_whose_first_model_call_fails_keeps_the_message_and_goes_on_next_time(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(
        worlds,
        database,
        ProviderOverloaded("the provider is down"),
        saying("Yes, Ada"),
    )

    failed = world.say(agent_id, "I am Ada")
    answered = world.say(agent_id, "Are you there?")

    assert ended(failed).stop_reason == "llm_api_error"
    assert ended(failed).error is not None
    run_id = ended(failed).run_id
    assert (
        value(database.admin_uri, "select status from remanence.runs where id = %s", run_id)
        == "failed"
    )
    assert ended(answered).stop_reason == "end_turn"
    said = [part.text for turn in world.scripted.requests[-1].turns for part in turn.parts]
    assert said == ["I am Ada", "Are you there?"]


def test_run_with_a_fault_of_ours_ends_as_error_and_not_as_a_hanging_run(
    database: Database, worlds: list[World]
) -> None:
    def broken(request: Request) -> Reply:
        raise ZeroDivisionError

    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, broken)

    events = world.say(agent_id, "hello")

    assert ended(events).stop_reason == "error"
    assert (
        value(
            database.admin_uri,
            "select count(*) from remanence.runs where agent_id = %s and status = 'running'",
            agent_id,
        )
        == 0
    )


def test_run_streams_fragments_before_it_stores_the_whole(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("one two three"))

    events = world.say(agent_id, "count", stream=True)

    fragments = [event.delta.text for event in events if isinstance(event, Streamed)]
    assert len(fragments) > 1
    assert "".join(fragments) == "one two three"
    assert stored(events)[0].parts == (Text(text="one two three"),)


def test_run_for_an_unknown_agent_is_refused_and_stores_nothing(
    database: Database, worlds: list[World]
) -> None:
    world = a_world(worlds, database)
    order = an_order(new_id("agent"), "hello")

    with pytest.raises(NotFound, match="agent"):
        next(world.engine.start(DEFAULT_ORG_ID, order, stream=False))

    assert (
        value(
            database.admin_uri,
            "select count(*) from remanence.runs where input @> jsonb_build_array("
            "jsonb_build_object('id', %s::text))",
            order.messages[0].id,
        )
        == 0
    )


def test_run_without_any_message_is_refused(database: Database, worlds: list[World]) -> None:
    world = a_world(worlds, database)

    with pytest.raises(InvalidRequest, match="message"):
        next(world.engine.start(DEFAULT_ORG_ID, an_order(new_id("agent")), stream=False))


def test_two_messages_at_once_are_both_answered_in_order(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    ready = threading.Barrier(2)

    def slowly(request: Request) -> Reply:
        threading.Event().wait(0.1)
        return saying("ok")

    def send(world: World, text: str) -> None:
        ready.wait()
        world.say(agent_id, text)

    senders = [
        threading.Thread(
            target=send, args=(a_world(worlds, database, slowly, busy_wait_s=10.0), text)
        )
        for text in ("first", "second")
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()

    heard = history(database.admin_uri, agent_id)
    assert [role for role, _ in heard] == ["user", "assistant", "user", "assistant"]
    assert {text for role, text in heard if role == "user"} == {"first", "second"}


def test_message_to_a_busy_conversation_is_refused_with_the_run_and_stores_nothing(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    holder = a_world(worlds, database, saying("ok"))
    running = holder.engine.start(DEFAULT_ORG_ID, an_order(agent_id, "first"), stream=False)
    started = next(running)
    assert isinstance(started, RunStarted)
    other = a_world(worlds, database, busy_wait_s=0.1)

    with pytest.raises(AgentBusy) as refused:
        other.say(agent_id, "second")

    assert refused.value.run_id == started.run_id
    list(running)
    assert history(database.admin_uri, agent_id) == [("user", "first"), ("assistant", "ok")]


def test_listener_who_leaves_does_not_stop_the_run(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("all the same"))
    running = world.engine.start(DEFAULT_ORG_ID, an_order(agent_id, "hello"), stream=True)
    next(running)

    running.close()  # type: ignore[attr-defined]

    assert history(database.admin_uri, agent_id)[-1] == ("assistant", "all the same")


def test_worker_that_lost_its_lease_writes_nothing(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent(database.admin_uri)

    def take_away(request: Request) -> Reply:
        with psycopg.connect(database.admin_uri, autocommit=True) as conn:
            conn.execute(
                "update remanence.conversations set fence = fence + 1, lease_token = 'other'"
                " where agent_id = %s",
                [agent_id],
            )
        return saying("too late")

    world = a_world(worlds, database, take_away)

    events = world.say(agent_id, "hello")

    assert ended(events).error is not None
    assert ended(events).error.type == LeaseLost.code  # type: ignore[union-attr]
    assert history(database.admin_uri, agent_id) == [("user", "hello")]


def test_step_taken_by_a_doorbell_goes_on_where_a_dead_worker_stopped(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})
    dead = a_world(worlds, database)
    claimed = dead.deps.store.start_run(
        DEFAULT_ORG_ID,
        an_order(agent_id, "I am Ada"),
        run_id=new_id("run"),
        lease_token="dead",
        lease_ms=0,
    )
    conversation_id = claimed.state.conversation.id  # type: ignore[union-attr]
    alive = a_world(
        worlds,
        database,
        calling("memory_insert", '{"label":"human","new_string":"Ada"}'),
        saying("Hello Ada"),
    )

    more = alive.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=float("inf"))
    done = alive.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=float("inf"))
    idle = alive.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=float("inf"))

    assert (more, done, idle) == (True, False, False)
    assert alive.bells.rung == [conversation_id]
    assert [role for role, _ in history(database.admin_uri, agent_id)] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]


def test_edit_of_a_shared_block_by_another_agent_meanwhile_is_not_lost(
    database: Database, worlds: list[World]
) -> None:
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        block_id = a_block(conn, "team", "start")
        agents = [an_agent(database.admin_uri) for _ in range(2)]
        for agent_id in agents:
            attach_block(conn, agent_id, block_id, "team")
    other = a_world(
        worlds,
        database,
        calling("memory_insert", '{"label":"team","new_string":"from the other"}'),
        saying("done"),
    )

    def while_the_other_edits(request: Request) -> Reply:
        other.say(agents[1], "note it")
        return calling("memory_insert", '{"label":"team","new_string":"from the first"}')

    first = a_world(worlds, database, while_the_other_edits, saying("done"))

    events = first.say(agents[0], "note it")

    assert ended(events).stop_reason == "end_turn"
    assert len(first.scripted.requests) == 2  # the model was not asked again
    text = value(database.admin_uri, "select value from remanence.blocks where id = %s", block_id)
    assert text.split("\n") == ["start", "from the other", "from the first"]


def test_block_edited_from_outside_during_a_run_is_seen_by_its_next_step(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})

    def while_the_api_edits(request: Request) -> Reply:
        with psycopg.connect(database.admin_uri, autocommit=True) as conn:
            conn.execute(
                "update remanence.blocks set value = 'From outside', version = version + 1"
                " where id in (select block_id from remanence.agents_blocks where agent_id = %s)",
                [agent_id],
            )
        return calling("conversation_search", '{"query":"anything"}')

    world = a_world(worlds, database, while_the_api_edits, saying("done"), saying("done"))

    world.say(agent_id, "look")

    first, second = world.scripted.requests
    assert second.system == first.system
    assert second.turns[: len(first.turns)] == first.turns
    assert "<value>\nFrom outside\n</value>" in last_text(second)
    world.say(agent_id, "again")
    third = world.scripted.requests[2]
    assert third.turns[: len(second.turns)] == second.turns  # told once, and kept in its place


def test_full_window_is_cut_without_a_model_call_and_nothing_is_deleted(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, context_window_limit=4_000)
    long = "The code of door 17 is 4711. " + "Nothing else happens in this sentence. " * 60
    answers = [Reply(parts=(Text(text=f"ok {n}"),), finish="stop") for n in range(12)]
    world = a_world(worlds, database, *answers)

    for number in range(12):
        events = world.say(agent_id, f"{number}: {long}")
        assert ended(events).stop_reason == "end_turn"

    assert len(world.scripted.requests) == 12
    said = [role for role, _ in history(database.admin_uri, agent_id) if role != "system"]
    assert said == ["user", "assistant"] * 12
    last = world.scripted.requests[-1]
    opening = last.turns[0].parts[0]
    assert isinstance(opening, Text)
    assert "4711" in opening.text
    assert value(
        database.admin_uri,
        "select bool_and(conv.window_from_seq - 1 ="
        " (select sum(to_seq - from_seq + 1) from remanence.summaries"
        "  where conversation_id = conv.id and parent_id is null))"
        " from remanence.conversations as conv where agent_id = %s",
        agent_id,
    )


def test_provider_that_says_too_long_is_asked_again_with_less(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, context_window_limit=8_000)
    world = a_world(
        worlds,
        database,
        *[Reply(parts=(Text(text="ok"),), finish="stop") for _ in range(6)],
        ProviderTooLong("8,300 tokens are too many"),
        saying("fits now"),
    )
    for number in range(6):
        world.say(agent_id, f"{number} " + "words and words again " * 200)

    events = world.say(agent_id, "short")

    assert ended(events).stop_reason == "end_turn"
    before, after = world.scripted.requests[-2:]
    assert len(after.turns) < len(before.turns)


@pytest.mark.parametrize("window", [2_000, 100])
def test_agent_whose_fixed_part_overflows_says_what_to_cut(
    database: Database, worlds: list[World], window: int
) -> None:
    agent_id = an_agent(
        database.admin_uri, system="word " * 5_000, context_window_limit=window, tools=()
    )
    world = a_world(worlds, database)

    events = world.say(agent_id, "hello")

    assert ended(events).stop_reason == "context_window_overflow_in_system_prompt"
    error = ended(events).error
    assert error is not None
    assert "system" in error.message
    assert "at most -" not in error.message  # a window of 100 tokens has room for nothing
    assert history(database.admin_uri, agent_id) == [("user", "hello")]


def test_run_stops_at_max_steps(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent(database.admin_uri)
    search = [calling("conversation_search", '{"query":"x"}', f"call-{n}") for n in range(5)]
    world = a_world(worlds, database, *search)

    events = world.say(agent_id, "search for ever", max_steps=3)

    assert ended(events).stop_reason == "max_steps"
    assert ended(events).step_count == 3


def test_same_idempotency_key_is_one_run_and_another_body_is_refused(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("once"))
    store = world.deps.store
    list(
        world.engine.start(
            DEFAULT_ORG_ID,
            an_order(agent_id, "hello", idempotency_key="k", request_hash="h"),
            stream=False,
        )
    )

    again = store.start_run(
        DEFAULT_ORG_ID,
        an_order(agent_id, "hello", idempotency_key="k", request_hash="h"),
        run_id=new_id("run"),
        lease_token="t",
        lease_ms=1_000,
    )

    assert again.is_new is False  # type: ignore[union-attr]
    with pytest.raises(InvalidRequest, match="idempotency key"):
        store.start_run(
            DEFAULT_ORG_ID,
            an_order(agent_id, "other", idempotency_key="k", request_hash="other"),
            run_id=new_id("run"),
            lease_token="t",
            lease_ms=1_000,
        )
    assert len(history(database.admin_uri, agent_id)) == 2


def test_messages_of_one_organization_are_out_of_reach_of_another(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database)

    with pytest.raises(NotFound):
        world.deps.store.start_run(
            "org-11111111-1111-4111-8111-111111111111",  # type: ignore[arg-type]
            an_order(agent_id, "hello"),
            run_id=new_id("run"),
            lease_token="t",
            lease_ms=1_000,
        )


def test_system_message_in_the_input_reaches_the_model_as_one(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("ok"))
    order = an_order(agent_id)
    order = type(order)(
        agent_id=agent_id,
        conversation_id=None,
        messages=(a_message("The office is closed.", role="system"),),
    )

    list(world.engine.start(DEFAULT_ORG_ID, order, stream=False))

    part = world.scripted.requests[0].turns[0].parts[0]
    assert isinstance(part, Text)
    assert part.text == "[System message] The office is closed."


def test_labels_that_change_hands_within_one_step_are_stored(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(
        database.admin_uri, blocks={"todo": "old list", "done": "nothing"}, tools=("memory",)
    )
    rename = '{"command":"rename","old_path":"/memories/todo","new_path":"/memories/archive"}'
    create = '{"command":"create","path":"/memories/todo","description":"d","file_text":"new list"}'
    both = Reply(
        parts=(
            ToolCall(tool_call_id="call-1", name="memory", arguments=rename),
            ToolCall(tool_call_id="call-2", name="memory", arguments=create),
        ),
        finish="tool_calls",
    )
    world = a_world(worlds, database, both, saying("done"))

    events = world.say(agent_id, "start a new list")

    assert ended(events).stop_reason == "end_turn"
    assert value(
        database.admin_uri,
        "select jsonb_object_agg(block.label, block.value) from remanence.agents_blocks as link"
        " join remanence.blocks as block on block.id = link.block_id"
        " where link.agent_id = %s and link.label = block.label",
        agent_id,
    ) == {"archive": "old list", "todo": "new list", "done": "nothing"}


def test_approval_is_asked_for_refused_when_wrong_and_runs_the_call_when_given(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.agents_tools set requires_approval = true where agent_id = %s",
            [agent_id],
        )
    asking = a_world(
        worlds, database, calling("memory_insert", '{"label":"human","new_string":"Ada"}')
    )
    asked = asking.say(agent_id, "I am Ada")
    assert ended(asked).stop_reason == "requires_approval"

    with pytest.raises(PendingApproval) as refused:
        asking.say(agent_id, "hello?")
    assert refused.value.tool_call_ids == ("call-1",)
    with pytest.raises(InvalidRequest, match="call-1"):
        list(asking.engine.start(DEFAULT_ORG_ID, an_answer(agent_id, "call-9"), stream=False))

    later = a_world(worlds, database, saying("Noted."))
    events = list(later.engine.start(DEFAULT_ORG_ID, an_answer(agent_id, "call-1"), stream=False))

    assert ended(events).stop_reason == "end_turn"
    assert [role for role, _ in history(database.admin_uri, agent_id)] == [
        "user",
        "approval",
        "approval",
        "tool",
        "assistant",
    ]
    assert "Ada" in last_text(later.scripted.requests[0])
    with pytest.raises(InvalidRequest, match="none"):
        list(later.engine.start(DEFAULT_ORG_ID, an_answer(agent_id, "call-1"), stream=False))


def an_answer(agent_id: str, call_id: str, *, approve: bool = True, **order: Any) -> RunOrder:
    message = replace(
        a_message("", "approval"), parts=(Approval(tool_call_id=call_id, approve=approve),)
    )
    return RunOrder(agent_id=agent_id, conversation_id=None, messages=(message,), **order)


def an_agent_that_asks(database: Database) -> str:
    """Its memory_insert needs approval."""
    return an_agent(
        database.admin_uri,
        blocks={"human": "Unknown."},
        tool_rules=[{"type": "requires_approval", "tool_name": "memory_insert"}],
    )


def test_queued_message_does_not_run_over_the_approval_that_the_run_before_it_asks_for(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent_that_asks(database)
    worker = a_world(
        worlds,
        database,
        calling("memory_insert", '{"label":"human","new_string":"Ada"}'),
        saying("Noted."),
    )
    orders = [an_order(agent_id, text, background=True) for text in ("I am Ada", "hello?")]
    runs = [worker.engine.enqueue(DEFAULT_ORG_ID, order) for order in orders]
    conversation_id = runs[0].conversation_id or ""

    while worker.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=float("inf")):
        pass

    refused = ended(list(worker.engine.follow(DEFAULT_ORG_ID, runs[1].run_id)))
    assert refused.error is not None
    assert refused.error.type == PendingApproval.code
    assert "call-1" in refused.error.message
    answer = an_answer(agent_id, "call-1")
    events = list(worker.engine.start(DEFAULT_ORG_ID, answer, stream=False))
    assert ended(events).stop_reason == "end_turn"
    assert [role for role, _ in history(database.admin_uri, agent_id)] == [
        *("user", "approval", "approval", "tool", "assistant")
    ]


def test_second_of_two_queued_answers_to_one_request_is_refused(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent_that_asks(database)
    worker = a_world(
        worlds,
        database,
        calling("memory_insert", '{"label":"human","new_string":"Ada"}'),
        saying("Noted."),
        saying("never said"),
    )
    worker.say(agent_id, "I am Ada")
    runs = [
        worker.engine.enqueue(
            DEFAULT_ORG_ID, an_answer(agent_id, "call-1", approve=approve, background=True)
        )
        for approve in (True, False)
    ]

    while worker.engine.advance(
        DEFAULT_ORG_ID, runs[0].conversation_id or "", deadline=float("inf")
    ):
        pass

    refused = ended(list(worker.engine.follow(DEFAULT_ORG_ID, runs[1].run_id)))
    assert refused.error is not None
    assert refused.error.type == InvalidRequest.code
    assert [role for role, _ in history(database.admin_uri, agent_id)] == [
        *("user", "approval", "approval", "tool", "assistant")
    ]
    assert len(worker.scripted.requests) == 2


def test_background_runs_queue_in_order_and_are_followed_from_another_process(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    caller = a_world(worlds, database)
    runs = [
        caller.engine.enqueue(DEFAULT_ORG_ID, an_order(agent_id, f"message {n}")) for n in range(3)
    ]
    conversation_id = runs[0].conversation_id or ""
    worker = a_world(worlds, database, *[saying(f"answer {n}") for n in range(3)])

    while worker.engine.advance(DEFAULT_ORG_ID, conversation_id, deadline=float("inf")):
        pass

    assert [text for _, text in history(database.admin_uri, agent_id)] == [
        text for n in range(3) for text in (f"message {n}", f"answer {n}")
    ]
    events = list(caller.engine.follow(DEFAULT_ORG_ID, runs[1].run_id))
    assert isinstance(events[0], RunStarted)
    assert stored(events)[0].parts == (Text(text="answer 1"),)
    assert ended(events).stop_reason == "end_turn"


def test_same_request_again_gets_the_events_of_its_first_run(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = a_world(worlds, database, saying("once"))
    keys = {"idempotency_key": "key-1", "request_hash": "hash"}
    first = world.say(agent_id, "hello", **keys)

    again = world.say(agent_id, "hello", **keys)

    assert ended(again).run_id == ended(first).run_id
    assert stored(again)[0].id == stored(first)[0].id
    assert len(history(database.admin_uri, agent_id)) == 2


def test_cancel_from_another_process_stops_a_run_in_the_middle_of_its_reply(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri)
    canceller = a_world(worlds, database)

    def while_cancelled(request: Request) -> Reply:
        canceller.engine.cancel(DEFAULT_ORG_ID, agent_id=agent_id)
        return saying("never stored")

    world = a_world(worlds, database, while_cancelled, saying("next time"))

    events = world.say(agent_id, "hello")
    after = world.say(agent_id, "and now?")

    assert ended(events).stop_reason == "cancelled"
    assert ended(after).stop_reason == "end_turn"
    assert [text for _, text in history(database.admin_uri, agent_id)] == [
        "hello",
        "and now?",
        "next time",
    ]


def test_run_without_time_for_another_step_is_handed_over_and_can_be_taken_at_once(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})
    first = a_world(
        worlds, database, calling("memory_insert", '{"label":"human","new_string":"Ada"}')
    )
    soon = first.deps.monotonic() + first.deps.step_limit_s / 2

    events = list(
        first.engine.start(DEFAULT_ORG_ID, an_order(agent_id, "hi"), stream=False, deadline=soon)
    )

    assert isinstance(events[-1], RunHandedOver)
    assert len(first.bells.rung) == 1
    second = a_world(worlds, database, saying("done"))
    assert not second.engine.advance(DEFAULT_ORG_ID, first.bells.rung[0], deadline=float("inf"))
    assert history(database.admin_uri, agent_id)[-1] == ("assistant", "done")


@pytest.mark.parametrize(
    "bad", ["a\0b", "a\ud800b", "\ud83d\ude00 ok"], ids=["NUL", "half", "pair"]
)
def test_reply_with_characters_that_cannot_be_stored_is_cleaned(
    database: Database, worlds: list[World], bad: str
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})
    arguments = json.dumps({"label": "human", "new_string": bad})
    world = a_world(worlds, database, calling("memory_insert", arguments), saying(bad))

    events = world.say(agent_id, "hello", stream=True)

    assert ended(events).stop_reason == "end_turn"
    text = history(database.admin_uri, agent_id)[-1][1]
    assert text in ("ab", "a\ufffdb", "\U0001f600 ok")
    sent = "".join(
        event.delta.text
        for event in events
        if isinstance(event, Streamed) and isinstance(event.delta, TextDelta)
    )
    assert sent == text


def test_rename_that_another_agent_of_a_shared_block_forbids_fails_the_run_at_once(
    database: Database, worlds: list[World]
) -> None:
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        shared = a_block(conn, "shared", "ours")
        first = an_agent(database.admin_uri, tools=("memory",))
        second = an_agent(database.admin_uri, blocks={"other": "taken"})
        attach_block(conn, first, shared, "shared")
        attach_block(conn, second, shared, "shared", 1)
    rename = '{"command":"rename","old_path":"/memories/shared","new_path":"/memories/other"}'
    world = a_world(worlds, database, calling("memory", rename), saying("next"))

    events = world.say(first, "rename it")
    after = world.say(first, "and now?")

    assert ended(events).stop_reason == "error" or ended(events).error is not None
    assert "label" in (ended(events).error.message if ended(events).error else "")
    assert ended(after).stop_reason == "end_turn"


def test_agent_deleted_during_its_run_says_so(database: Database, worlds: list[World]) -> None:
    agent_id = an_agent(database.admin_uri)

    def while_it_is_deleted(request: Request) -> Reply:
        with psycopg.connect(database.admin_uri, autocommit=True) as conn:
            conn.execute("delete from remanence.agents where id = %s", [agent_id])
        return saying("to nobody")

    world = a_world(worlds, database, while_it_is_deleted)

    error = ended(world.say(agent_id, "hello")).error

    assert error is not None
    assert error.type == "not_found"
    assert "deleted" in error.message


def test_words_of_the_user_stay_the_last_when_memory_was_changed_before_them(
    database: Database, worlds: list[World]
) -> None:
    agent_id = an_agent(database.admin_uri, blocks={"human": "Unknown."})
    world = a_world(worlds, database, saying("hello"), saying("Ada"))
    world.say(agent_id, "hi")
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.blocks set value = 'Ada', version = version + 1 where id in"
            " (select block_id from remanence.agents_blocks where agent_id = %s)",
            [agent_id],
        )

    world.say(agent_id, "Who am I?")

    last = world.scripted.requests[1].turns[-1]
    assert last.parts[-1] == Text(text="Who am I?")
    assert isinstance(last.parts[0], Text)
    assert "<value>\nAda\n</value>" in last.parts[0].text


def test_bell_of_a_conversation_that_was_deleted_finds_nothing_to_do(
    database: Database, worlds: list[World]
) -> None:
    world = a_world(worlds, database)

    more = world.engine.advance(DEFAULT_ORG_ID, new_id("conv"), deadline=float("inf"))

    assert more is False
