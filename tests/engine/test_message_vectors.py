"""Vectors of what was said: made by the sweep, used by the search, gone with their message."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.past import Past
from support.world import World, value

from remanence.core.archival import VectorOf
from remanence.core.exchange import ToolReturn
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.core.search_tools import ConversationSearch
from remanence.engine.lookups import find_all
from remanence.engine.sweep import sweep
from remanence.errors import ProviderOverloaded

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from support.past import Thread
    from support.pg import Database

MODEL = "fake/colours"
FOREVER = float("inf")


class Colours:
    """Embeds reds one way and all else another; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_down = False

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        if self.is_down:
            raise ProviderOverloaded("not now")
        self.asked += texts
        reds = ("crimson", "scarlet")
        return [[1.0, 0.0] if any(red in text for red in reds) else [0.0, 1.0] for text in texts]


@pytest.fixture
def colours() -> Colours:
    return Colours()


@pytest.fixture
def world(fresh_database: Database, colours: Colours) -> Generator[World]:
    world = World.over(fresh_database.app_uri, models=colours)
    yield world
    world.close()


@pytest.fixture
def past(fresh_database: Database) -> Past:
    return Past(fresh_database.app_uri)


def swept(world: World) -> int:
    return sweep(world.deps, share=0.9, deadline=FOREVER).embedded


def found(world: World, thread: Thread, query: str, **wanted: Any) -> list[str]:
    (vector,) = world.deps.models.embed(MODEL, [query], deadline=FOREVER)
    hits = world.deps.recall.search_messages(
        ORG,
        agent_id=thread.agent_id,
        query=query,
        roles=(),
        limit=5,
        start=None,
        end=None,
        vector=VectorOf(values=tuple(vector), model=MODEL),
        **wanted,
    )
    return [hit.message.parts[0].text for hit in hits]  # type: ignore[union-attr]


def test_the_sweep_gives_vectors_once_to_what_was_said_and_to_nothing_else(
    world: World, past: Past, colours: Colours
) -> None:
    thread = past.agent(embedding=MODEL)
    past.message(thread, "user", "a crimson door")
    past.message(thread, "tool", ToolReturn(tool_call_id="c", name="look", text="a wall"))
    past.message(thread, "assistant", "noted")
    past.message(past.agent(), "user", "of an agent without a model")

    assert (swept(world), swept(world)) == (2, 0)
    assert colours.asked == ["user: a crimson door", "assistant: noted"]
    past.message(thread, "user", "a navy door")
    assert (swept(world), colours.asked[2:]) == (1, ["user: a navy door"])


def test_a_vector_finds_what_no_word_does_and_goes_with_its_message(
    world: World, past: Past, fresh_database: Database
) -> None:
    thread = past.agent(embedding=MODEL)
    past.message(thread, "user", "a crimson door")
    past.message(thread, "user", "a navy wall")

    assert found(world, thread, "scarlet") == []
    swept(world)
    assert found(world, thread, "scarlet")[0] == "a crimson door"
    past.run("delete from remanence.messages where seq = 1")
    assert found(world, thread, "scarlet") == ["a navy wall"]
    assert value(fresh_database.admin_uri, "select count(*) from remanence.message_vectors") == 1


def test_what_has_no_vector_yet_is_found_by_its_words_among_those_that_have(
    world: World, past: Past
) -> None:
    thread = past.agent(embedding=MODEL)
    for number in range(4):
        past.message(thread, "user", f"navy wall number {number}")
    swept(world)
    past.message(thread, "user", "the harp of Vera is scarlet")

    assert found(world, thread, "harp of Vera")[0] == "the harp of Vera is scarlet"


def test_a_model_that_is_down_is_asked_again_once_the_claim_has_lapsed(
    world: World, past: Past, colours: Colours
) -> None:
    for _ in range(2):
        past.message(past.agent(embedding=MODEL), "user", "a crimson door")
    colours.is_down = True

    assert swept(world) == 0
    colours.is_down = False
    past.run("update remanence.conversations set vectors_claimed_until = null")
    assert swept(world) == 2


def test_another_model_of_the_agent_makes_the_vectors_anew(world: World, past: Past) -> None:
    thread = past.agent(embedding="fake/old")
    past.message(thread, "user", "a crimson door")
    swept(world)
    assert found(world, thread, "scarlet") == []

    past.run("update remanence.agents set embedding = %(model)s", model=MODEL)

    assert swept(world) == 1
    assert found(world, thread, "scarlet") == ["a crimson door"]


def test_a_conversation_that_was_emptied_and_filled_again_gets_its_vectors(
    world: World, past: Past
) -> None:
    thread = past.agent(embedding=MODEL)
    for _ in range(3):
        past.message(thread, "user", "a navy wall")
    swept(world)
    past.run("delete from remanence.messages")
    past.run("update remanence.conversations set next_seq = 1")
    past.message(thread, "user", "a crimson door")

    assert swept(world) == 1
    assert found(world, thread, "scarlet") == ["a crimson door"]


def test_the_agents_search_uses_the_vectors(world: World, past: Past) -> None:
    thread = past.agent(embedding=MODEL)
    past.message(thread, "user", "a crimson door")
    swept(world)
    state = world.deps.store.peek_state(ORG, thread.conversation_id)
    state = replace(state, conversation=replace(state.conversation, window_from_seq=2))
    lookup = ConversationSearch(tool_call_id="c", query="scarlet")

    finding = find_all([lookup], state, world.deps, deadline=FOREVER)["c"]

    (hit,) = finding.messages  # type: ignore[union-attr]
    assert (hit.vector_rank, hit.lexical_rank) == (1, None)
