"""Changing the model of vectors: searches have no gap, and nothing is paid twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.past import Past
from support.world import World, value

from remanence.core.archival import NewText, PassageQuery
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.core.search_tools import ArchivalSearch
from remanence.core.versions import Author
from remanence.db.catalog import Catalog
from remanence.db.queries import Queries
from remanence.db.recall import PostgresRecall
from remanence.engine.archival import EMBED_BATCH, Archival
from remanence.engine.lookups import find_all
from remanence.engine.passage_edits import PassageEdits
from remanence.engine.sweep import sweep
from remanence.errors import ProviderOverloaded, ProviderRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from support.pg import Database

OLD, NEW = "fake/old", "fake/new"
FOREVER = float("inf")
REDS = ("crimson", "scarlet")


class Colours:
    """Two models that know reds, with vectors of two and of three numbers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.down: set[str] = set()
        self.refuses = ""
        self.before: Callable[[], object] = list

    def embed(self, handle: str, texts: Sequence[str], *, deadline: float) -> list[list[float]]:
        before, self.before = self.before, list
        before()
        if handle in self.down:
            raise ProviderOverloaded("not now")
        if self.refuses and any(self.refuses in text for text in texts):
            raise ProviderRejected("too long")
        self.asked += [(handle, text) for text in texts]
        more = [0.0] if handle == NEW else []
        return [
            [*more, 1.0, 0.0] if any(red in text for red in REDS) else [*more, 0.0, 1.0]
            for text in texts
        ]

    def texts(self, handle: str) -> list[str]:
        return [text for asked, text in self.asked if asked == handle]


class Bench:
    """A worker, and an agent with an archive of its own."""

    def __init__(self, database: Database, colours: Colours) -> None:
        self.colours = colours
        self.past = Past(database.app_uri)
        self.world = World.over(database.app_uri, models=colours)
        self.uri = database.admin_uri
        queries = Queries(self.world.connections)
        self.catalog = Catalog(queries)
        self.recall = PostgresRecall(queries)
        deps = self.world.deps
        self.archival = Archival(
            passages=self.recall, embedder=colours, new_id=deps.new_id, monotonic=deps.monotonic
        )
        self.thread = self.past.agent(embedding=OLD)

    def keep(self, *texts: str) -> list[str]:
        own = self.recall.load_own_archive(ORG, self.thread.agent_id)
        new = [NewText(id=self.world.deps.new_id("passage"), text=text) for text in texts]
        self.recall.add_passages(
            ORG,
            self.thread.agent_id,
            self.archival.with_vectors(own.embedding, new),
            new_archive_id=self.world.deps.new_id("archive"),
        )
        return [text.id for text in new]

    @property
    def archive(self) -> Any:
        (row,) = self.past.run(
            "select archive_id from remanence.archives_agents where agent_id = %(id)s",
            id=self.thread.agent_id,
        )
        return self.catalog.archives.load_archive(ORG, row[0])

    def move(self, handle: str | None) -> Any:
        return self.catalog.archives.update_archive(ORG, self.archive.id, {"embedding": handle})

    def sweep(self, deadline: float = FOREVER) -> int:
        return sweep(self.world.deps, share=0.9, deadline=deadline).embedded

    def found(self, query: str = "scarlet") -> list[tuple[str, int | None]]:
        _, hits = self.archival.search_own(ORG, self.thread.agent_id, PassageQuery(query=query))
        return [(hit.record.passage.text, hit.vector_rank) for hit in hits][:1]

    def lapse(self) -> None:
        self.past.run("update remanence.archive_gaps set claimed_until = now() - interval '1 s'")

    def models_of_vectors(self) -> list[tuple[str, int, int]]:
        rows: list[tuple[str, int, int]] = self.past.run(
            "select model, dimensions, count(*) from remanence.passage_vectors"
            " group by model, dimensions order by model"
        )
        return rows


@pytest.fixture
def colours() -> Colours:
    return Colours()


@pytest.fixture
def bench(fresh_database: Database, colours: Colours) -> Generator[Bench]:
    bench = Bench(fresh_database, colours)
    yield bench
    bench.world.close()


CRIMSON = [("a crimson door", 1)]


def test_an_archive_is_searched_with_its_old_vectors_until_it_has_all_new_ones(
    bench: Bench, colours: Colours
) -> None:
    bench.keep("a crimson door", *(f"navy wall {n}" for n in range(EMBED_BATCH)))
    moved = bench.move(NEW)
    assert (moved.embedding, moved.next_embedding) == (OLD, NEW)

    seconds = [0.0]
    colours.before = lambda: seconds.append(9.0)
    short = replace(bench.world.deps, monotonic=lambda: seconds[-1])
    assert sweep(short, share=0.9, deadline=5.0).embedded == EMBED_BATCH
    half = bench.archive

    assert bench.found() == CRIMSON
    assert (half.embedding, half.passages, half.passages_done) == (OLD, 97, 96)
    assert bench.sweep() == 1
    assert bench.archive.embedding == NEW
    assert bench.archive.next_embedding is None
    assert bench.found() == CRIMSON
    assert colours.asked[-1] == (NEW, "scarlet")
    assert sorted(colours.texts(NEW)[:97]) == sorted({*colours.texts(OLD)[:97]})
    assert bench.models_of_vectors() == [(NEW, 3, 97)]


def test_what_is_stored_and_rewritten_while_an_archive_changes_gets_its_vectors(
    bench: Bench, colours: Colours
) -> None:
    first, _ = bench.keep("a navy door", "a wall")
    bench.move(NEW)
    edits = PassageEdits(versions=bench.catalog.passage_versions, archival=bench.archival)

    def meanwhile() -> None:
        edits.rewrite(ORG, first, {"text": "a crimson door"}, Author(origin="api"))
        bench.keep("a floor")

    colours.before = meanwhile
    bench.sweep()

    assert bench.archive.embedding == NEW
    assert bench.found() == CRIMSON
    assert bench.models_of_vectors() == [(NEW, 3, 3)]
    assert sorted(colours.texts(NEW)) == [
        "a crimson door", "a floor", "a navy door", "a wall", "scarlet",
    ]  # fmt: skip


def test_two_sweeps_at_once_pay_once(
    bench: Bench, colours: Colours, fresh_database: Database
) -> None:
    bench.keep("a crimson door", "a wall")
    bench.past.message(bench.thread, "user", "a navy door")
    bench.move(NEW)
    other = World.over(fresh_database.app_uri, models=colours)
    done: list[int] = []
    colours.before = lambda: done.append(sweep(other.deps, share=0.9, deadline=FOREVER).embedded)

    done.append(bench.sweep())
    other.close()

    assert sorted(colours.texts(NEW)) == ["a crimson door", "a wall"]
    assert colours.texts(OLD)[2:] == ["user: a navy door"]
    assert sum(done) == 3


def test_a_sweep_that_died_is_taken_up_where_it_was(bench: Bench, colours: Colours) -> None:
    bench.keep(*(f"wall {n}" for n in range(EMBED_BATCH + 2)))
    bench.move(NEW)

    def die_in_the_second_call() -> None:
        colours.before = lambda: (_ for _ in ()).throw(KeyboardInterrupt)

    colours.before = die_in_the_second_call
    with pytest.raises(KeyboardInterrupt):
        bench.sweep()

    assert bench.sweep() == 0  # claimed by the one that died
    bench.lapse()
    assert bench.sweep() == 2
    assert len(colours.texts(NEW)) == len({*colours.texts(NEW)}) == EMBED_BATCH + 2
    assert bench.archive.embedding == NEW


def test_a_next_model_that_fails_leaves_the_old_one_usable(bench: Bench, colours: Colours) -> None:
    bench.keep("a crimson door", "a wall")
    colours.down = {NEW}
    bench.move(NEW)

    assert bench.sweep() == 0
    assert bench.found() == CRIMSON
    assert bench.move(OLD).next_embedding is None
    assert bench.sweep() == 0
    assert bench.models_of_vectors() == [(OLD, 2, 2)]


def test_when_the_old_model_is_gone_words_are_found_until_the_new_one_is_ready(
    bench: Bench, colours: Colours
) -> None:
    bench.keep("a crimson door", "a wall")
    colours.down = {OLD}
    bench.move(NEW)

    assert bench.found("crimson") == [("a crimson door", None)]
    assert bench.sweep() == 2
    assert bench.found() == CRIMSON


def test_what_was_stored_while_the_model_was_down_gets_its_vector_later(
    bench: Bench, colours: Colours
) -> None:
    colours.down = {OLD}
    bench.keep("a crimson door", "a wall")
    assert bench.found() == []
    colours.down = set()

    assert (bench.sweep(), bench.sweep()) == (2, 0)
    assert bench.found() == CRIMSON


def test_a_text_that_the_model_refuses_does_not_hold_up_the_others(
    bench: Bench, colours: Colours
) -> None:
    bench.keep("a crimson door", "endless words", "a wall")
    colours.refuses = "endless"
    bench.move(NEW)

    assert bench.sweep() == 2
    assert bench.archive.embedding == NEW
    assert bench.found() == CRIMSON
    assert bench.found("endless words") == [("endless words", None)]


def test_an_archive_without_a_model_gets_one_at_once_and_loses_it_at_once(bench: Bench) -> None:
    bench.keep("a crimson door")
    assert bench.move(None).embedding is None
    assert bench.found("crimson") == [("a crimson door", None)]

    assert bench.move(NEW).embedding == NEW
    assert bench.sweep() == 1
    assert bench.found() == CRIMSON


def test_an_agents_tools_ask_the_model_that_its_archive_has(bench: Bench, colours: Colours) -> None:
    bench.keep("a crimson door")
    bench.move(NEW)
    bench.sweep()
    state = bench.world.deps.store.peek_state(ORG, bench.thread.conversation_id)
    lookup = ArchivalSearch(tool_call_id="c", query="scarlet")

    finding = find_all([lookup], state, bench.world.deps, deadline=FOREVER)["c"]

    assert state.agent.embedding == OLD
    (hit,) = finding.passages  # type: ignore[union-attr]
    assert hit.vector_rank == 1
    assert colours.asked[-1] == (NEW, "scarlet")


def test_an_agent_keeps_its_old_vectors_until_all_it_said_has_new_ones(
    bench: Bench, colours: Colours
) -> None:
    bench.past.message(bench.thread, "user", "a crimson door")
    bench.sweep()
    bench.past.run("update remanence.agents set next_embedding = %(new)s", new=NEW)
    bench.past.message(bench.thread, "user", "a navy wall")
    colours.down = {NEW}
    bench.sweep()

    assert agent(bench) == (OLD, NEW, 1)
    assert message_models(bench) == [(OLD, 2)]
    colours.down = set()
    bench.past.run("update remanence.conversations set vectors_claimed_until = null")
    bench.sweep()

    assert agent(bench) == (NEW, None, 2)
    assert message_models(bench) == [(NEW, 2)]
    assert bench.sweep() == 0
    assert colours.texts(NEW) == ["user: a crimson door", "user: a navy wall"]
    assert colours.texts(OLD) == ["user: a crimson door", "user: a navy wall"]


def test_what_a_busy_agent_says_meanwhile_does_not_put_its_change_off(
    bench: Bench, colours: Colours
) -> None:
    bench.past.message(bench.thread, "user", "a crimson door")
    bench.sweep()
    bench.past.run("update remanence.agents set next_embedding = %(new)s", new=NEW)
    colours.before = lambda: bench.past.message(bench.thread, "user", "a navy wall")

    bench.sweep()

    assert agent(bench) == (NEW, None, 2)
    assert bench.sweep() == 1
    assert message_models(bench) == [(NEW, 2)]


def agent(bench: Bench) -> tuple[Any, ...]:
    (row,) = bench.past.run("select embedding, next_embedding, version from remanence.agents")
    return tuple(row)


def message_models(bench: Bench) -> list[tuple[Any, ...]]:
    return bench.past.run(
        "select model, count(*) from remanence.message_vectors group by model order by model"
    )


def test_vectors_of_other_organizations_are_out_of_reach(bench: Bench) -> None:
    bench.keep("a crimson door")
    stranger = Past(bench.world.uri, "org-00000000-0000-4000-8000-0000000000ff")

    assert stranger.run("select * from remanence.archive_gaps") == []
    assert value(bench.uri, "select count(*) from remanence.archive_gaps") == 0
