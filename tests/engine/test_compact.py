from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING

import psycopg
import pytest
from support.coverage import check_coverage
from support.world import World, an_agent, ended, history, value

from remanence.core.context import compile_context
from remanence.core.exchange import Reply, Request, Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.summarize import PROMPT_VERSION
from remanence.db.history import History
from remanence.db.queries import Queries
from remanence.engine.sweep import sweep
from remanence.errors import AgentBusy, NotFound, ProviderOverloaded

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import tzinfo

    from support.pg import Database

    from remanence.core.summaries import CompactionSettings

FOREVER = float("inf")


def saying(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


@pytest.fixture
def worlds(fresh_database: Database) -> Generator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.close()


def a_talk(database: Database, worlds: list[World], turns: int = 8, **agent: int) -> str:
    agent_id = an_agent(database.admin_uri, **({"context_window_limit": 4_500} | agent))
    world = World.over(database.app_uri, [saying(f"answer {n}") for n in range(turns)])
    worlds.append(world)
    for number in range(turns):
        world.say(agent_id, f"Turn {number}: the code of room {number} is {4700 + number}. " * 32)
    return agent_id


def swept(database: Database, worlds: list[World], *steps: object) -> World:
    world = World.over(database.app_uri, steps)
    worlds.append(world)
    sweep(world.deps, share=0.3, deadline=FOREVER)
    return world


def same(settings: CompactionSettings) -> CompactionSettings:
    return settings


def conversation_of(database: Database, agent_id: str) -> str:
    found: str = value(
        database.admin_uri, "select id from remanence.conversations where agent_id = %s", agent_id
    )
    return found


def summaries_of(database: Database, agent_id: str) -> list[tuple[str, str]]:
    return (
        value(
            database.admin_uri,
            "select jsonb_agg(jsonb_build_array(model, text) order by from_seq)"
            " from remanence.summaries where agent_id = %s",
            agent_id,
        )
        or []
    )


def test_sweep_moves_the_older_part_behind_the_summary_of_a_model(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)

    def summary(request: Request) -> Reply:
        assert "4700" in request.turns[0].parts[0].text  # type: ignore[union-attr]
        return saying("Rooms 0 to 6 have the codes 4700 4701 4702 4703 4704 4705 4706.")

    swept(fresh_database, worlds, summary)

    [(model, text)] = summaries_of(fresh_database, agent_id)
    assert model == "scripted/model"
    assert "4703" in text
    assert len(history(fresh_database.admin_uri, agent_id)) == 16  # nothing is deleted
    assert value(
        fresh_database.admin_uri,
        "select window_from_seq > 1 from remanence.conversations where agent_id = %s",
        agent_id,
    )


@pytest.mark.parametrize(
    "steps",
    [
        [ProviderOverloaded("down")] * 4,
        [saying("")] * 2,
        [Reply(parts=(Text(text="cut off in"),), finish="length")] * 2,
        [saying("".join(f"word{n} " for n in range(20_000)))] * 2,
        [saying("I am summarising.\n" * 40)] * 2,
        [saying("They met Rosa Luxemburg, whose code is 9999.")] * 2,
    ],
    ids=["fails", "empty", "cut off", "longer than what it replaces", "repeats", "lies"],
)
def test_summariser_that_writes_nothing_of_use_is_replaced_by_code(
    fresh_database: Database, worlds: list[World], steps: list[object]
) -> None:
    agent_id = a_talk(fresh_database, worlds)

    swept(fresh_database, worlds, *steps)

    [(model, text)] = summaries_of(fresh_database, agent_id)
    assert model == "extractive"
    assert "4700" in text


def test_summary_that_drops_names_and_numbers_is_asked_for_once_more_and_completed(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)

    world = swept(fresh_database, worlds, saying("They talked."), saying("They talked of 4700."))

    assert len(world.scripted.requests) == 2
    [(model, text)] = summaries_of(fresh_database, agent_id)
    assert model == "scripted/model"
    assert text.startswith("They talked of 4700.")
    assert "4701" in text


def test_messages_that_arrive_while_a_summary_is_written_are_neither_lost_nor_covered(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    talking = World.over(fresh_database.app_uri, [saying("still here")] * 20)
    worlds.append(talking)

    def meanwhile(request: Request) -> Reply:
        for number in range(20):
            assert ended(talking.say(agent_id, f"And one more thing: {number}.")).error is None
        return saying("4700 4701 4702 4703 4704 4705 4706")

    swept(fresh_database, worlds, meanwhile)

    covered, window_from, last = value(
        fresh_database.admin_uri,
        "select jsonb_build_array((select max(to_seq) from remanence.summaries),"
        " window_from_seq, next_seq - 1) from remanence.conversations where agent_id = %s",
        agent_id,
    )
    assert covered == window_from - 1
    assert window_from < last - 40
    assert check_coverage(fresh_database.admin_uri) == 1
    told = [text for role, text in history(fresh_database.admin_uri, agent_id) if role == "user"]
    assert told[-20:] == [f"And one more thing: {number}." for number in range(20)]
    assert len(talking.scripted.requests) == 20  # each turn asked its own model, once


def test_compaction_is_paid_for_once_when_two_sweep_at_the_same_time(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    other = World.over(fresh_database.app_uri, [saying("never asked for")])
    worlds.append(other)

    def meanwhile(request: Request) -> Reply:
        sweep(other.deps, share=0.3, deadline=FOREVER)
        with pytest.raises(AgentBusy) as refused:
            other.engine.compact(DEFAULT_ORG_ID, conversation_of(fresh_database, agent_id), same)
        assert refused.value.run_id is None  # the run before is over
        return saying("4700 4701 4702 4703 4704 4705 4706")

    swept(fresh_database, worlds, meanwhile)

    assert other.scripted.requests == ()
    assert len(summaries_of(fresh_database, agent_id)) == 1
    assert not value(
        fresh_database.admin_uri,
        "select compaction_token is not null from remanence.conversations where agent_id = %s",
        agent_id,
    )


def test_history_that_was_emptied_meanwhile_gets_no_summary(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    talking = World.over(fresh_database.app_uri, [saying("a new beginning")])
    worlds.append(talking)

    def meanwhile(request: Request) -> Reply:
        History(Queries(talking.connections)).reset_messages(DEFAULT_ORG_ID, agent_id)
        talking.say(agent_id, "Who are you?")
        return saying("4700 4701 4702 4703 4704 4705 4706")

    swept(fresh_database, worlds, meanwhile)

    assert summaries_of(fresh_database, agent_id) == []
    assert len(history(fresh_database.admin_uri, agent_id)) == 2


def test_conversation_that_was_deleted_while_a_caller_had_it_compacted_is_not_found(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    conversation_id = conversation_of(fresh_database, agent_id)

    def meanwhile(request: Request) -> Reply:
        with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
            conn.execute("delete from remanence.agents where id = %s", (agent_id,))
        return saying("4700 4701 4702 4703 4704 4705 4706")

    world = World.over(fresh_database.app_uri, [meanwhile])
    worlds.append(world)

    with pytest.raises(NotFound, match=conversation_id):
        world.engine.compact(DEFAULT_ORG_ID, conversation_id, same)


def test_summary_waits_for_a_step_that_is_running(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    pauses: list[float] = []

    def lease(token: str | None) -> None:
        with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
            conn.execute("update remanence.conversations set lease_token = %s", (token,))

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        lease(None)

    def summary(request: Request) -> Reply:
        lease("of a step")
        return saying("4700 4701 4702 4703 4704 4705 4706")

    world = World.over(fresh_database.app_uri, [summary], sleep=sleep)
    worlds.append(world)
    report = sweep(world.deps, share=0.3, deadline=FOREVER)

    assert (report.compacted, len(pauses)) == (1, 1)
    assert len(summaries_of(fresh_database, agent_id)) == 1


def test_stand_in_is_written_by_a_model_once_one_can_be_asked(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    swept(fresh_database, worlds, *[ProviderOverloaded("down")] * 4)
    [(before, _)] = summaries_of(fresh_database, agent_id)

    nobody = swept(fresh_database, worlds, *[ProviderOverloaded("still down")] * 4)
    later = swept(fresh_database, worlds)  # nothing more was said: it is not tried in every sweep
    talking = World.over(fresh_database.app_uri, [saying("yes")])
    worlds.append(talking)
    talking.say(agent_id, "Are you there?")
    swept(fresh_database, worlds, saying("4700 4701 4702 4703 4704 4705 4706"))

    assert before == "extractive"
    assert len(nobody.scripted.requests) == 1
    assert later.scripted.requests == ()
    roots = value(
        fresh_database.admin_uri,
        "select jsonb_agg(jsonb_build_array(root.model, root.prompt_version, root.author,"
        " (select count(*) from remanence.summaries as child where child.parent_id = root.id)))"
        " from remanence.summaries as root where root.parent_id is null and agent_id = %s",
        agent_id,
    )
    assert roots == [["scripted/model", PROMPT_VERSION, "schedule", 1]]


def test_sweep_spends_no_more_than_it_may(fresh_database: Database, worlds: list[World]) -> None:
    agents = [a_talk(fresh_database, worlds) for _ in range(3)]

    def codes(request: Request) -> Reply:
        transcript: str = request.turns[0].parts[0].text  # type: ignore[union-attr]
        return saying(" ".join(dict.fromkeys(re.findall(r"47\d\d", transcript))))

    world = World.over(fresh_database.app_uri, [codes] * 9)
    worlds.append(world)

    first = sweep(world.deps, share=0.3, deadline=FOREVER, model_calls=2)
    second = sweep(world.deps, share=0.3, deadline=FOREVER, model_tokens=1)
    third = sweep(world.deps, share=0.3, deadline=FOREVER, model_calls=0)

    assert (first.compacted, first.model_calls) == (2, 2)
    assert (second.compacted, second.model_calls) == (1, 1)
    assert second.model_tokens > 0
    assert (third.compacted, third.model_calls) == (0, 0)
    assert [len(summaries_of(fresh_database, agent_id)) for agent_id in agents] == [1, 1, 1]


def test_summariser_has_its_own_model_and_settings(
    fresh_database: Database, worlds: list[World]
) -> None:
    own = {
        "model": "scripted/summariser",
        "model_settings": {"temperature": 0.2, "max_output_tokens": 700},
    }
    agent_id = a_talk(fresh_database, worlds)
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        conn.execute("update remanence.agents set compaction_settings = %s", (json.dumps(own),))

    world = swept(fresh_database, worlds, saying("4700 4701 4702 4703 4704 4705 4706"))

    asked = world.scripted.requests[0]
    assert asked.handle == "scripted/summariser"
    assert (asked.settings.temperature, asked.settings.max_output_tokens) == (0.2, 700)
    assert summaries_of(fresh_database, agent_id)[0][0] == "scripted/summariser"


@pytest.mark.parametrize("mode", ["self_compact_all", "self_compact_sliding_window"])
def test_agent_that_compacts_itself_is_asked_at_the_end_of_its_own_context(
    fresh_database: Database, worlds: list[World], mode: str
) -> None:
    agent_id = a_talk(fresh_database, worlds)
    world = World.over(
        fresh_database.app_uri, [saying("4700 4701 4702 4703 4704 4705 4706 4707"), saying("hi")]
    )
    worlds.append(world)
    conversation_id = conversation_of(fresh_database, agent_id)
    state = world.deps.store.peek_state(DEFAULT_ORG_ID, conversation_id)
    step = compile_context(state, UTC).request

    done = world.engine.compact(
        DEFAULT_ORG_ID,
        conversation_id,
        lambda settings: replace(settings, mode=mode, prompt_acknowledgement=True),  # type: ignore[arg-type]
    )

    [asked] = world.scripted.requests
    assert asked.system == step.system
    assert asked.tools == step.tools
    assert asked.turns[: len(step.turns)] == step.turns
    assert asked.tool_choice == "none"
    told = asked.turns[-1].parts[0].text  # type: ignore[union-attr]
    assert "begins with" in told
    assert done.after < done.before
    [(model, _)] = summaries_of(fresh_database, agent_id)
    assert model == "scripted/model"


def test_conversation_with_nothing_to_move_is_left_alone_until_more_is_said(
    fresh_database: Database, worlds: list[World]
) -> None:
    agent_id = a_talk(fresh_database, worlds, turns=1, context_window_limit=2_500)
    world = World.over(fresh_database.app_uri, [saying("again")])
    worlds.append(world)

    def due() -> int:
        return len(world.deps.store.list_due(limit=10, hanging_after_ms=0, share=0.1))

    assert due() == 1
    sweep(world.deps, share=0.1, deadline=FOREVER)
    assert due() == 0
    world.say(agent_id, "more")
    assert due() == 1


def test_conversation_that_cannot_be_compacted_is_left_alone_until_more_is_said(
    fresh_database: Database, worlds: list[World]
) -> None:
    a_talk(fresh_database, worlds)

    def broken(name: str) -> tzinfo:
        raise ZeroDivisionError(name)

    world = World.over(fresh_database.app_uri, zones=broken)
    worlds.append(world)

    report = sweep(world.deps, share=0.3, deadline=FOREVER)

    assert (report.compacted, report.skipped) == (0, 1)
    assert world.deps.store.list_due(limit=10, hanging_after_ms=0, share=0.3) == []


def test_sweep_takes_turns_between_organizations(
    fresh_database: Database, worlds: list[World]
) -> None:
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        for org_id, count in (("org-busy", 6), ("org-calm", 1)):
            conn.execute("insert into remanence.organizations values (%s, %s)", [org_id] * 2)
            for number in range(count):
                conn.execute(ONE_OF_EVERYTHING, {"org": org_id, "number": number})
    world = World.over(fresh_database.app_uri)
    worlds.append(world)

    due = world.deps.store.list_due(limit=2, hanging_after_ms=0, share=0.3)

    assert sorted((item.kind, item.org_id) for item in due) == [
        (kind, org_id)
        for kind in ("callback", "hanging", "large")
        for org_id in ("org-busy", "org-calm")
    ]


# A full conversation, a run that hangs, a caller to be told: less urgent for the calm one.
ONE_OF_EVERYTHING = """
with agent as (
    insert into remanence.agents (id, org_id, name, agent_type, system, model, context_window_limit)
    values ('agent-' || gen_random_uuid(), %(org)s, 'tested', 'letta_v1_agent', '', '', 1000)
    returning id),
conv as (
    insert into remanence.conversations (
        id, org_id, agent_id, is_default, window_tokens, last_message_at)
    select 'conv-' || gen_random_uuid(), %(org)s, id, true,
        case when %(org)s = 'org-busy' then 900 else 400 end, now() from agent
    returning id, agent_id)
insert into remanence.runs (
    id, org_id, agent_id, conversation_id, ord, status, options, input, created_at,
    callback_url, callback_due_at)
select 'run-' || gen_random_uuid(), %(org)s, agent_id, id, place, status, '{}', '[]',
    now() - case when %(org)s = 'org-busy' then interval '1 hour' else interval '1 min' end,
    'https://caller.example', due
from conv, (values (1, 'completed', now() - case when %(org)s = 'org-busy'
        then interval '1 hour' else interval '1 min' end),
    (2, 'created', null)) as wanted (place, status, due)
"""
