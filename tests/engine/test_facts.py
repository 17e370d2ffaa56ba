"""The sweep reads compacted history for facts, on a real database with the scripted model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from threading import Barrier, Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.world import World, an_agent, new_id, value

from remanence.core.archival import PassageQuery
from remanence.core.exchange import Reply, Request, Text
from remanence.core.fact_request import TASK
from remanence.core.ids import DEFAULT_ORG_ID, OrgId
from remanence.db.facts import PostgresFacts
from remanence.engine.compact import compact_now
from remanence.engine.facts import MOST_ATTEMPTS, archive_facts
from remanence.engine.summaries import Allowance
from remanence.engine.sweep import sweep
from remanence.errors import ProviderOverloaded, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from support.pg import Database

    from remanence.engine.deps import EngineDeps

FOREVER = float("inf")
STRANGER = OrgId("org-11111111-1111-4111-8111-111111111111")


@pytest.fixture
def worlds(fresh_database: Database) -> Generator[Callable[..., World]]:
    made: list[World] = []

    def make(*steps: Any, **changes: Any) -> World:
        made.append(World.over(fresh_database.app_uri, list(steps), **changes))
        return made[-1]

    yield make
    for world in made:
        world.close()


def saying(text: str) -> Reply:
    return Reply(parts=(Text(text=text),), finish="stop")


def read_facts(deps: EngineDeps) -> int:
    return archive_facts(deps, Allowance(calls=9, tokens=99_999), deadline=FOREVER)


def facts_of(*facts: dict[str, Any]) -> Any:
    """A model that finds these facts, each in the first message that holds its `seen`."""

    def answer(request: Request) -> Reply:
        assert request.system.startswith(TASK)
        part = request.turns[0].parts[0]
        assert isinstance(part, Text)
        found = []
        for fact in facts:
            line = next(line for line in part.text.splitlines() if fact["seen"] in line)
            label = re.match(r"\[(m\d+) ", line)
            assert label is not None
            found.append({"kind": "profile", "sources": [label[1]], **fact})
        return saying(json.dumps({"facts": found}))

    return answer


LISBON = {
    "seen": "Lisbon",
    "text": "Ana lives in Lisbon.",
    "subject": "Ana",
    "attribute": "home",
    "valid_from": "2026-01-01",
}
PORTO = LISBON | {"seen": "Porto", "text": "Ana lives in Porto.", "valid_from": "2026-06-01"}


def an_archivist(database: Database, **settings: Any) -> str:
    chosen = {"archive_facts": True} | settings
    return an_agent(database.admin_uri, compaction_settings=chosen)


def told(
    database: Database, agent_id: str, *texts: str, conversation_id: str | None = None
) -> None:
    """Say these, one after the other, and move all but the newest exchange out of view."""
    world = World.over(database.app_uri, [saying("Noted.")] * 9)
    thread = conversation_id or conversation_of(database, agent_id)
    for text in (*texts, "Thank you."):
        world.say(agent_id, text, conversation_id=thread)
    silent = World.over(database.app_uri, [ProviderOverloaded("silent")] * 9)
    compact_now(
        silent.deps,
        DEFAULT_ORG_ID,
        thread,
        lambda settings: replace(settings, mode="all"),
    )
    world.close()
    silent.close()


def conversation_of(database: Database, agent_id: str) -> str:
    found: str = value(
        database.admin_uri,
        "select id from remanence.conversations where agent_id = %s and is_default",
        agent_id,
    )
    return found


def passages_of(database: Database, agent_id: str) -> list[dict[str, Any]]:
    return (
        value(
            database.admin_uri,
            "select jsonb_agg(jsonb_build_object('text', passage.text, 'fact',"
            " passage.metadata -> 'fact', 'valid_to', passage.valid_to)"
            " order by passage.valid_from, passage.text)"
            " from remanence.passages as passage"
            " join remanence.archives_agents as link on link.archive_id = passage.archive_id"
            " where link.agent_id = %s",
            agent_id,
        )
        or []
    )


def test_compacted_history_becomes_passages_with_their_sources_by_one_model_call(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.", "Now a question.")
    world = worlds(facts_of(LISBON))

    assert read_facts(world.deps) == 1
    assert read_facts(world.deps) == 0

    assert len(world.scripted.requests) == 1
    [passage] = passages_of(fresh_database, agent_id)
    source = value(
        fresh_database.admin_uri,
        "select id from remanence.messages where parts::text like '%%Lisbon%%'",
    )
    assert passage["text"] == "Ana lives in Lisbon."
    assert passage["fact"]["source_message_ids"] == [source]
    assert (passage["fact"]["kind"], passage["fact"]["trust"]) == ("profile", "high")


def test_sweep_reads_facts_after_its_summaries_and_within_its_allowance(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    told(fresh_database, an_archivist(fresh_database), "I am Ana and I live in Lisbon.")

    def either(request: Request) -> Reply:
        is_about_facts = request.system.startswith(TASK)
        return facts_of(LISBON)(request) if is_about_facts else saying("Ana lives in Lisbon.")

    world = worlds(*[either] * 9)

    assert sweep(world.deps, share=9.0, deadline=FOREVER, model_calls=0).read == 0
    assert world.scripted.requests == ()
    report = sweep(world.deps, share=9.0, deadline=FOREVER)
    assert report.read == 1
    assert report.model_calls == len(world.scripted.requests)
    assert sum(request.system.startswith(TASK) for request in world.scripted.requests) == 1


def test_agent_that_did_not_ask_for_it_is_not_read(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database, archive_facts=False)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    world = worlds(facts_of(LISBON))

    assert read_facts(world.deps) == 0
    assert world.scripted.requests == ()


def test_newer_fact_ends_the_older_one_and_searches_find_what_holds(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    world = worlds(facts_of(LISBON), facts_of(PORTO))
    read_facts(world.deps)
    told(fresh_database, agent_id, "We moved: Ana lives in Porto.")
    read_facts(world.deps)

    def found(**wanted: Any) -> list[str]:
        query = PassageQuery(query="where does Ana live", agent_id=agent_id, **wanted)
        hits = world.deps.recall.find_passages(DEFAULT_ORG_ID, query)  # type: ignore[attr-defined]
        return [hit.record.passage.text for hit in hits]

    lisbon, porto = passages_of(fresh_database, agent_id)
    assert lisbon["valid_to"] is not None
    assert lisbon["fact"]["valid_to"] == porto["fact"]["valid_from"]
    assert found() == ["Ana lives in Porto."]
    assert found(as_of=spring(4)) == ["Ana lives in Lisbon."]
    assert found(as_of=spring(9)) == ["Ana lives in Porto."]


def spring(month: int) -> datetime:
    return datetime(2026, month, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "answer",
    [saying("I would rather not."), saying('{"facts": [{"text": "Ana owns 9 boats."}]}')],
    ids=["no JSON", "nothing that stands there"],
)
def test_nonsense_leaves_a_span_without_facts_and_is_not_asked_for_again(
    fresh_database: Database, worlds: Callable[..., World], answer: Reply
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    world = worlds(answer)

    assert read_facts(world.deps) == 1
    assert read_facts(world.deps) == 0

    assert passages_of(fresh_database, agent_id) == []
    assert len(world.scripted.requests) == 1


def test_model_that_never_answers_is_asked_a_few_times_and_the_history_goes_on(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    world = worlds(*[ProviderOverloaded("down")] * MOST_ATTEMPTS, facts_of(PORTO))

    for _ in range(MOST_ATTEMPTS + 1):
        assert read_facts(world.deps) == 0
        time_passes(fresh_database)
    told(fresh_database, agent_id, "We moved: Ana lives in Porto.")
    assert read_facts(world.deps) == 1

    assert [each["text"] for each in passages_of(fresh_database, agent_id)] == [PORTO["text"]]


def time_passes(database: Database) -> None:
    """Every claim runs out."""
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute("update remanence.fact_progress set claimed_until = now() - interval '1 s'")


class Dying:
    """A store whose worker dies at one call: before it reaches the database, or after."""

    def __init__(self, inner: Any, at: str, *, after: bool) -> None:
        self.inner, self.at, self.after = inner, at, after

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name == self.at and not self.after:
                raise StoreUnavailable("died before")
            answer = getattr(self.inner, name)(*args, **kwargs)
            if name == self.at:
                raise StoreUnavailable("died after")
            return answer

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", ["claim_facts", "load_known_facts", "commit_facts"])
def test_worker_that_dies_anywhere_leaves_the_same_facts_as_one_that_does_not(
    fresh_database: Database, worlds: Callable[..., World], at: str, after: bool
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    world = worlds(facts_of(LISBON), facts_of(LISBON))

    read_facts(replace(world.deps, facts=Dying(world.deps.facts, at, after=after)))
    time_passes(fresh_database)
    for _ in range(2):
        read_facts(world.deps)

    assert [each["text"] for each in passages_of(fresh_database, agent_id)] == [LISBON["text"]]
    stored_for_nothing = at == "commit_facts" and after
    assert len(world.scripted.requests) <= (1 if stored_for_nothing or at == "claim_facts" else 2)


def test_two_sweeps_at_once_read_a_span_once(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    sweepers = [worlds(facts_of(LISBON), facts_of(LISBON)) for _ in range(2)]
    together = Barrier(2)

    def sweep_together(world: World) -> None:
        together.wait()
        read_facts(world.deps)

    threads = [Thread(target=sweep_together, args=[world]) for world in sweepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(len(world.scripted.requests) for world in sweepers) == 1
    assert len(passages_of(fresh_database, agent_id)) == 1


def test_facts_that_change_during_the_model_call_are_merged_with_what_is_there_then(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    other = new_id("conv")
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "insert into remanence.conversations (id, org_id, agent_id) values (%s, %s, %s)",
            [other, DEFAULT_ORG_ID, agent_id],
        )
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    told(fresh_database, agent_id, "My name is Ana, Lisbon is home.", conversation_id=other)
    meanwhile = worlds(facts_of(LISBON))

    class Late(PostgresFacts):
        """Between its reading and its writing another sweep reads the other conversation."""

        def load_known_facts(self, *args: Any) -> Any:
            known = super().load_known_facts(*args)
            read_facts(meanwhile.deps)
            return known

    world = worlds(facts_of(LISBON), facts_of(LISBON))
    queries = world.deps.facts._queries  # type: ignore[union-attr]
    read_facts(replace(world.deps, facts=Late(queries)))

    [passage] = passages_of(fresh_database, agent_id)
    assert len(passage["fact"]["source_message_ids"]) == 2


def test_low_trust_outlives_a_merge_with_what_the_user_says(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "Where does Ana live?")
    world = worlds(facts_of(LISBON), facts_of(LISBON))
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        page = [
            {
                "type": "tool_return",
                "tool_call_id": "call-1",
                "name": "read_page",
                "text": "Ana lives in Lisbon.",
                "status": "success",
            }
        ]
        conn.execute(
            "update remanence.messages set role = 'tool', parts = %s where seq = 1",
            [json.dumps(page)],
        )
        assert read_facts(world.deps) == 1
    [first] = passages_of(fresh_database, agent_id)

    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    assert read_facts(world.deps) == 1

    [merged] = passages_of(fresh_database, agent_id)
    assert first["fact"]["trust"] == "low"
    assert merged["fact"]["trust"] == "low"
    assert len(merged["fact"]["source_message_ids"]) == 2
    assert value(fresh_database.admin_uri, "select trust from remanence.facts") == "low"


def test_deleted_message_is_no_source_any_more_and_a_reset_history_is_read_afresh(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.", "And more.", "And more.")
    world = worlds(facts_of(LISBON), facts_of(PORTO))
    read_facts(world.deps)

    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "select remanence.messages_reset_v1(%s::jsonb)",
            [json.dumps({"org_id": DEFAULT_ORG_ID, "agent_id": agent_id})],
        )
    [passage] = passages_of(fresh_database, agent_id)
    assert passage["fact"]["source_message_ids"] == []
    told(fresh_database, agent_id, "We moved: Ana lives in Porto.")
    read_facts(world.deps)

    assert len(passages_of(fresh_database, agent_id)) == 2
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "select remanence.agent_delete_v1(%s::jsonb)",
            [json.dumps({"org_id": DEFAULT_ORG_ID, "agent_id": agent_id})],
        )
    left = "select (select count(*) from remanence.facts) + (select count(*)"
    left += " from remanence.fact_sources) + (select count(*) from remanence.fact_progress)"
    assert value(fresh_database.admin_uri, left) == 0


def test_other_organizations_see_and_write_nothing_of_it(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    world = worlds(facts_of(LISBON))
    store = world.deps.facts
    assert store is not None
    [due] = store.list_facts_due(limit=9)

    stolen = store.claim_facts(
        replace(due, org_id=STRANGER), hold_ms=60_000, share=0.6, most_attempts=3
    )
    assert stolen is None
    read_facts(world.deps)

    with psycopg.connect(fresh_database.app_uri) as conn:
        conn.execute("select remanence.enter_org(%s)", [STRANGER])
        for table in ("facts", "fact_sources", "fact_progress"):
            row = conn.execute(f"select count(*) from remanence.{table}".encode()).fetchone()
            assert row == (0,)


def test_fork_reads_only_what_was_said_in_it(
    fresh_database: Database, worlds: Callable[..., World]
) -> None:
    agent_id = an_archivist(fresh_database)
    told(fresh_database, agent_id, "I am Ana and I live in Lisbon.")
    fork = new_id("conv")
    call = {
        "org_id": DEFAULT_ORG_ID,
        "conversation_id": conversation_of(fresh_database, agent_id),
        "agent_id": None,
        "message_id": None,
        "new_id": fork,
        "hidden": False,
    }
    with psycopg.connect(fresh_database.admin_uri, autocommit=True) as conn:
        conn.execute("select remanence.conversation_fork_v1(%s::jsonb)", [json.dumps(call)])
    told(fresh_database, agent_id, "We moved: Ana lives in Porto.", conversation_id=fork)
    seen: list[str] = []

    def look(request: Request) -> Reply:
        seen.append(str(request.turns))
        return saying("{}")

    world = worlds(look, look, look)
    read_facts(world.deps)

    assert sum("Lisbon" in each for each in seen) == 1
    assert sum("Porto" in each for each in seen) == 1


def test_no_message_waits_for_facts(fresh_database: Database, worlds: Callable[..., World]) -> None:
    agent_id = an_archivist(fresh_database)
    world = worlds(*[saying("Noted.")] * 40)

    for turn in range(40):
        world.say(agent_id, f"The code of room {turn} is {4700 + turn}. " * 60)

    assert value(fresh_database.admin_uri, "select count(*) from remanence.summaries") > 0
    assert len(world.scripted.requests) == 40
    assert not any(request.system.startswith(TASK) for request in world.scripted.requests)
