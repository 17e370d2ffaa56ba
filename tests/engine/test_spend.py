"""Caps and the ledger: a real Postgres, the scripted model at a price, and many runs at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from support.conversations import a_request
from support.pg_proxy import CountingProxy
from support.world import World, an_agent, ended, new_id, value

from remanence.core.exchange import Reply, Text, Usage
from remanence.core.ids import DEFAULT_ORG_ID, OrgId
from remanence.core.spend import Caps, Forecast, Granted, Limit, Price
from remanence.db.queries import Queries
from remanence.db.spending import Spending, UsageFilter
from remanence.engine.spend import asked
from remanence.errors import ProviderBadReply, ProviderOverloaded
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.pg import Database

    from remanence.core.exchange import Delta, Request

# Two dollars per million prompt tokens, ten per million of the answer.
PRICES = {"scripted/*": Price(input=2.0, output=10.0)}
CENT = 10_000


def talkative(request: Request) -> Reply:
    """An answer that takes all the room it is given, as a provider would count it."""
    room = request.settings.max_output_tokens or 4_096
    usage = Usage(prompt_tokens=_prompt_tokens(request), completion_tokens=room)
    return Reply(parts=(Text(text="so much to say"),), finish="stop", usage=usage)


def _prompt_tokens(request: Request) -> int:
    return 50 + sum(len(str(turn)) for turn in request.turns) // 8


def priced(database: Database, steps: Sequence[Any]) -> World:
    scripted = ScriptedLlm(steps)
    models = Models(
        (),
        in_process={"scripted": scripted},
        default_handle="scripted/model",
        prices=PRICES,
    )
    world = World.over(database.app_uri, models=models)
    world.scripted = scripted
    return world


def cap(world: World, agent_id: str | None, caps: Caps, org_id: OrgId = DEFAULT_ORG_ID) -> None:
    Spending(Queries(world.connections)).set_caps(org_id, agent_id, caps)


def spent(world: World, agent_id: str) -> tuple[int, int]:
    """Dollars in millionths, and tokens."""
    rows = Spending(Queries(world.connections)).list_usage(
        DEFAULT_ORG_ID, UsageFilter(agent_id=agent_id)
    )
    return sum(row.usd_micros for row in rows), sum(row.usage.total_tokens for row in rows)


def held(database: Database, agent_id: str) -> int:
    return value(
        database.admin_uri,
        "select count(*) from remanence.spend_reservations where agent_id = %s",
        agent_id,
    )


def test_twenty_runs_at_once_do_not_pass_a_cap_of_one_cent(database: Database) -> None:
    agent_id = an_agent(database.admin_uri, tools=())
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conversations = [new_id("conv") for _ in range(20)]
        for conversation_id in conversations:
            conn.execute(
                "insert into remanence.conversations (id, org_id, agent_id) values (%s, %s, %s)",
                [conversation_id, DEFAULT_ORG_ID, agent_id],
            )
    worlds = [priced(database, [talkative] * 5) for _ in conversations]
    cap(worlds[0], agent_id, Caps(total=Limit(usd_micros=CENT)))

    def talk(world: World, conversation_id: str) -> list[str]:
        said = [
            world.say(agent_id, f"tell me more ({turn})", conversation_id=conversation_id)
            for turn in range(3)
        ]
        return [str(ended(events).stop_reason) for events in said]

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(talk, worlds, conversations))
    usd_micros, _ = spent(worlds[0], agent_id)
    calls = sum(len(world.scripted.requests) for world in worlds)
    for world in worlds:
        world.close()

    reasons = [reason for each in outcomes for reason in each]
    assert set(reasons) == {"end_turn", "insufficient_credits"}
    assert calls == reasons.count("end_turn"), "what was refused never reached the model"
    assert 0 < usd_micros <= CENT
    assert held(database, agent_id) == 0


def test_refusal_names_the_cap_and_the_agent_works_again_when_it_is_raised(
    database: Database,
) -> None:
    agent_id = an_agent(database.admin_uri)
    world = priced(database, [talkative] * 3)
    cap(world, agent_id, Caps(day=Limit(usd_micros=10)))

    refused = ended(world.say(agent_id, "hello"))
    cap(world, agent_id, Caps())
    after = ended(world.say(agent_id, "and now?"))
    requests = len(world.scripted.requests)
    world.close()

    assert refused.stop_reason == "insufficient_credits"
    assert refused.error is not None
    assert refused.error.type == "insufficient_credits"
    assert "the agent's cap of $0.00001 per day has no room" in refused.error.message
    assert f"PUT /v1/usage/caps/{agent_id}" in refused.error.message
    assert after.stop_reason == "end_turn"
    assert requests == 1


@pytest.mark.parametrize(
    ("caps", "period"),
    [
        (Caps(run=Limit(tokens=1_500)), "per run"),
        (Caps(day=Limit(tokens=1_500)), "per day"),
        (Caps(total=Limit(tokens=1_500)), "in all"),
    ],
)
def test_tokens_are_capped_in_each_period_and_the_answer_gets_what_is_left(
    database: Database, caps: Caps, period: str
) -> None:
    agent_id = an_agent(database.admin_uri, tools=())
    world = priced(database, [talkative] * 3)
    cap(world, agent_id, caps)

    first = ended(world.say(agent_id, "hello"))
    second = ended(world.say(agent_id, "hello again"))
    _, tokens = spent(world, agent_id)
    given = [request.settings.max_output_tokens for request in world.scripted.requests]
    world.close()

    assert first.stop_reason == "end_turn"
    assert given[0] is not None
    assert given[0] < 1_500
    if period == "per run":  # another run has the whole of it again
        assert second.stop_reason == "end_turn"
    else:
        assert second.error is not None
        assert f"1500 tokens {period}" in second.error.message
        assert tokens <= 1_500


def test_organization_is_capped_as_a_whole(fresh_database: Database) -> None:
    ada = an_agent(fresh_database.admin_uri, tools=())
    bob = an_agent(fresh_database.admin_uri, tools=())
    world = priced(fresh_database, [talkative] * 3)
    cap(world, None, Caps(day=Limit(usd_micros=CENT)))

    first = ended(world.say(ada, "hello"))
    second = ended(world.say(bob, "hello"))
    world.close()

    assert first.stop_reason == "end_turn"
    assert second.error is not None
    assert "the organization's cap of $0.01 per day" in second.error.message
    assert "PUT /v1/usage/caps;" not in second.error.message
    assert "PUT /v1/usage/caps, or wait" in second.error.message


def test_cap_in_dollars_refuses_a_model_without_a_price(database: Database) -> None:
    agent_id = an_agent(database.admin_uri)
    world = World.over(database.app_uri, models=Unpriced())
    cap(world, agent_id, Caps(total=Limit(usd_micros=CENT)))

    refused = ended(world.say(agent_id, "hello"))
    world.close()

    assert refused.stop_reason == "insufficient_credits"
    assert refused.error is not None
    assert "no price of scripted/model is known" in refused.error.message


class Unpriced:
    """Models of which nobody knows what they cost, and which nobody calls."""

    def price(self, handle: str) -> None:
        return None

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        raise AssertionError

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        raise AssertionError


def test_only_who_has_caps_pays_a_round_trip_for_them(database: Database) -> None:
    proxy = CountingProxy(database.app_uri)
    agent_id = an_agent(database.admin_uri, tools=())
    world = priced(database, [talkative] * 3)
    counted = World.over(proxy.uri, models=world.deps.models)

    counted.say(agent_id, "hello")
    without = proxy.traffic.round_trips
    cap(world, agent_id, Caps(total=Limit(tokens=100_000)))
    proxy.traffic.reset()
    counted.say(agent_id, "hello again")
    with_caps = proxy.traffic.round_trips
    for each in (world, counted):
        each.close()
    proxy.close()

    assert without == 2
    assert with_caps == 3


@pytest.mark.parametrize(
    ("error", "is_paid"),
    [(ProviderOverloaded("later"), False), (ProviderBadReply("cut off"), True)],
)
def test_failed_call_gives_back_what_it_reserved_and_pays_for_what_was_heard(
    database: Database, error: Exception, *, is_paid: bool
) -> None:
    agent_id = an_agent(database.admin_uri, tools=())
    scripted = Breaking(error, after=3 if is_paid else 0)
    models = Models(
        (), in_process={"scripted": scripted}, default_handle="scripted/model", prices=PRICES
    )
    world = World.over(database.app_uri, models=models)
    cap(world, agent_id, Caps(total=Limit(usd_micros=CENT)))

    failed = ended(world.say(agent_id, "hello"))
    usd_micros, _ = spent(world, agent_id)
    world.close()

    assert failed.error is not None
    assert (usd_micros > 0) is is_paid
    assert held(database, agent_id) == 0


def test_summary_that_fails_gives_back_what_it_reserved(database: Database) -> None:
    agent_id = an_agent(database.admin_uri, tools=())
    scripted = Breaking(ProviderOverloaded("later"), after=0)
    models = Models(
        (), in_process={"scripted": scripted}, default_handle="scripted/model", prices=PRICES
    )
    world = World.over(database.app_uri, models=models)
    cap(world, agent_id, Caps(total=Limit(usd_micros=CENT)))
    conversation_id = value(
        database.admin_uri, "select id from remanence.conversations where agent_id = %s", agent_id
    )
    state = world.engine.peek(DEFAULT_ORG_ID, conversation_id)

    with pytest.raises(ProviderOverloaded):
        asked(world.deps, state, a_request(handle="scripted/model"), float("inf"))
    usd_micros, _ = spent(world, agent_id)
    world.close()

    assert (usd_micros, held(database, agent_id)) == (0, 0)


class Breaking(ScriptedLlm):
    """Says a few fragments, and fails."""

    def __init__(self, error: Exception, *, after: int) -> None:
        super().__init__([Reply(parts=(Text(text="one two three four"),), finish="stop")])
        self._error = error
        self._after = after

    def call(self, request: Request, *, stream: bool, deadline: float) -> Iterator[Delta | Reply]:
        items = super().call(request, stream=stream, deadline=deadline)
        for _ in range(self._after):
            yield next(items)
        raise self._error


def test_reservation_of_a_dead_worker_is_free_again_when_its_lease_is_over(
    database: Database,
) -> None:
    agent_id = an_agent(database.admin_uri, tools=())
    world = priced(database, [talkative] * 2)
    cap(world, agent_id, Caps(total=Limit(usd_micros=CENT)))
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "insert into remanence.spend_reservations (step_id, org_id, agent_id, run_id, tokens,"
            " usd_micros, expires_at) values (%s, %s, %s, 'run', 1, %s, now() + interval '1 hour')",
            [new_id("step"), DEFAULT_ORG_ID, agent_id, CENT],
        )
    refused = ended(world.say(agent_id, "hello"))
    with psycopg.connect(database.admin_uri, autocommit=True) as conn:
        conn.execute(
            "update remanence.spend_reservations set expires_at = now() - interval '1 second'"
            " where agent_id = %s",
            [agent_id],
        )
    after = ended(world.say(agent_id, "hello?"))
    world.close()

    assert refused.error is not None
    assert "$0.01 held by calls under way" in refused.error.message
    assert after.stop_reason == "end_turn"
    assert held(database, agent_id) == 0


def test_asking_at_the_same_moment_grants_each_dollar_once(database: Database) -> None:
    """The decision itself, without runs around it: exactly as many are granted as fit."""
    agent_id = an_agent(database.admin_uri)
    worlds = [priced(database, [talkative]) for _ in range(10)]
    cap(worlds[0], agent_id, Caps(total=Limit(tokens=5_000)))
    lock, granted = Lock(), list[int]()

    def ask(world: World) -> None:
        forecast = Forecast(
            handle="scripted/model", prompt_tokens=500, answer_tokens=500, price=None
        )
        answer = world.deps.ledger.reserve(
            DEFAULT_ORG_ID,
            forecast,
            agent_id=agent_id,
            run_id=new_id("run"),
            step_id=new_id("step"),
            least_answer_tokens=500,
            hold_ms=60_000,
        )
        if isinstance(answer, Granted):
            with lock:
                granted.append(answer.answer_tokens)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, worlds))
    for world in worlds:
        world.close()

    assert granted == [500] * 5
