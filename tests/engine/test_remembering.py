"""The same text is not paid twice, by the same model in the same organization; and is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.past import Past, new_id
from support.world import World, value

from remanence.core.archival import NewText, PassageQuery
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.core.search_tools import ArchivalSearch
from remanence.core.versions import Author
from remanence.db.catalog import Catalog
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.db.vector_memory import VectorMemory
from remanence.engine.archival import Archival
from remanence.engine.lookups import find_all
from remanence.engine.passage_edits import PassageEdits
from remanence.engine.remembering import HOURS, Remembering
from remanence.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from support.pg import Database

MODEL = "fake/lengths"
FOREVER = float("inf")
API = Author(origin="api")
OTHER_ORG = "org-00000000-0000-4000-8000-0000000000ff"


class Lengths:
    """Embeds by length; remembers what it was asked. `size`: of its vectors."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.size = 2

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        self.asked += texts
        return [[float(len(text)), *[1.0] * (self.size - 1)] for text in texts]

    def taken(self) -> list[str]:
        asked, self.asked = self.asked, []
        return asked


class Bench:
    """An agent whose archive has a model, and the parts that embed."""

    def __init__(self, database: Database) -> None:
        self.lengths = Lengths()
        self.world = World.over(database.app_uri, models=self.lengths)
        self.past = Past(database.app_uri)
        self.uri = database.admin_uri
        queries = Queries(self.world.connections)
        self.catalog = Catalog(queries)
        self.memory = VectorMemory(queries)
        self.recall = PostgresRecall(queries)
        self.archival = Archival(
            passages=self.recall,
            embedder=self.lengths,
            new_id=new_id,
            monotonic=self.world.deps.monotonic,
            memory=self.memory,
        ).for_org(ORG, self.lengths)
        self.edits = PassageEdits(versions=self.catalog.passage_versions, archival=self.archival)
        self.thread = self.past.agent(embedding=MODEL)

    def keep(self, text: str) -> str:
        (made,) = self.archival.insert(ORG, self.thread.agent_id, text, tags=[], created_at=None)
        return made.passage.id

    def remembering(self, org_id: Any = ORG, memory: Any = None) -> Remembering:
        return Remembering(embedder=self.lengths, memory=memory or self.memory, org_id=org_id)

    def remembered(self) -> int:
        count: int = value(self.uri, "select count(*) from remanence.remembered_vectors")
        return count


@pytest.fixture
def bench(fresh_database: Database) -> Generator[Bench]:
    bench = Bench(fresh_database)
    yield bench
    bench.world.close()


def test_imports_edits_and_questions_pay_for_each_text_once(bench: Bench) -> None:
    first = bench.keep("a wall")
    again = [NewText(id=new_id("passage"), text=text) for text in ("a wall", "a door", "a door")]
    with_vectors = bench.archival.with_vectors(MODEL, again)
    for text in ("a door", "a wall", "a door"):
        bench.edits.rewrite(ORG, first, {"text": text}, API)
    for _ in range(2):
        bench.archival.search_own(ORG, bench.thread.agent_id, PassageQuery(query="where?"))

    assert bench.lengths.taken() == ["a wall", "a door", "where?"]
    assert [text.vector and text.vector.values for text in with_vectors] == [(6.0, 1.0)] * 3
    state = bench.world.deps.store.peek_state(ORG, bench.thread.conversation_id)
    lookup = ArchivalSearch(tool_call_id="c", query="where?")
    find_all([lookup], state, bench.world.deps.for_org(ORG), deadline=FOREVER)
    assert bench.lengths.taken() == []


def test_what_is_left_to_pay_is_paid_in_one_call_in_order(bench: Bench) -> None:
    embedder = bench.remembering()
    embedder.embed(MODEL, ["bb"], deadline=FOREVER)
    bench.lengths.taken()

    vectors = embedder.embed(MODEL, ["ccc", "bb", "a", "ccc"], deadline=FOREVER)

    assert [int(numbers[0]) for numbers in vectors] == [3, 2, 1, 3]
    assert bench.lengths.taken() == ["ccc", "a"]


def test_another_model_and_another_organization_are_not_served_by_it(bench: Bench) -> None:
    bench.remembering().embed(MODEL, ["a"], deadline=FOREVER)
    bench.remembering().embed("fake/other", ["a"], deadline=FOREVER)
    bench.remembering(OTHER_ORG).embed(MODEL, ["a"], deadline=FOREVER)

    assert bench.lengths.taken() == ["a"] * 3


def test_a_model_whose_vectors_have_another_length_now_is_asked_for_all(bench: Bench) -> None:
    embedder = bench.remembering()
    embedder.embed(MODEL, ["a", "b"], deadline=FOREVER)
    bench.lengths.size = 3

    vectors = embedder.embed(MODEL, ["a", "c"], deadline=FOREVER)
    embedder.embed(MODEL, ["a", "c"], deadline=FOREVER)

    assert [len(numbers) for numbers in vectors] == [3, 3]
    assert bench.lengths.taken() == ["a", "b", "c", "a", "c"]


def test_a_deleted_passage_leaves_no_vector_behind(bench: Bench) -> None:
    kept = bench.keep("a wall")
    bench.keep("a floor")
    bench.edits.rewrite(ORG, kept, {"text": "a door"}, API)
    assert bench.remembered() == 3

    bench.catalog.passage_versions.delete_passage(ORG, kept, API)
    assert bench.remembered() == 2  # the wall is still in a version
    bench.catalog.passage_versions.delete_passage(ORG, kept, API, erase=True)
    assert bench.remembered() == 1
    own = bench.past.run("select archive_id from remanence.archives_agents")
    bench.catalog.archives.delete_archive(ORG, own[0][0])
    assert bench.remembered() == 0


def test_it_holds_so_many_and_no_longer_than_so(bench: Bench) -> None:
    for text in ("a", "b", "c"):
        bench.memory.keep_vectors(ORG, MODEL, {text: [1.0]}, most=2)
    assert sorted(bench.memory.find_vectors(ORG, MODEL, ["a", "b", "c"])) == ["b", "c"]

    age = f"update remanence.remembered_vectors set used_at = now() - interval '{HOURS + 1} h'"
    bench.past.run(age)
    assert sorted(bench.memory.find_vectors(ORG, MODEL, ["b"])) == ["b"]
    assert bench.memory.forget_vectors(hours=HOURS) == 1  # what was needed now stays
    assert bench.remembered() == 1


def test_a_memory_that_fails_costs_a_call_and_nothing_else(bench: Bench) -> None:
    class Broken:
        def find_vectors(self, *_: Any) -> Any:
            raise StoreUnavailable("gone")

        def keep_vectors(self, *_: Any, **__: Any) -> Any:
            raise StoreUnavailable("gone")

    vectors = bench.remembering(memory=Broken()).embed(MODEL, ["a"], deadline=FOREVER)

    assert vectors == [[1.0, 1.0]]
