"""Twelve facts told early, and hundreds of turns and dozens of compactions after them.

The retired server's second summary overwrote its first, and ten of twelve facts were gone. Here the
summariser is as bad as one can be and still be believed: it keeps nothing but a phrase.
"""

from __future__ import annotations

import random
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from support.coverage import check_coverage
from support.world import World, an_agent, ended, value

from remanence.core.context import compile_context
from remanence.core.exchange import Reply, Request, Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.engine.sweep import sweep
from remanence.errors import AgentBusy

if TYPE_CHECKING:
    from support.pg import Database

FACTS = [
    ("My dog is called Biscuit.", "What is my dog called?", "Biscuit"),
    ("The locker code at the gym is 8823.", "What is the locker code at the gym?", "8823"),
    ("My sister lives in Ljubljana.", "Where does my sister live?", "Ljubljana"),
    ("I am allergic to walnuts.", "What am I allergic to?", "walnuts"),
    ("The invoice to pay is INV-2231.", "Which invoice do I have to pay?", "INV-2231"),
    ("Our wedding is on 2027-06-12.", "When is our wedding?", "2027-06-12"),
    ("My car is a green Saab.", "What car do I have?", "Saab"),
    ("The landlord is Mr Okafor.", "Who is the landlord?", "Okafor"),
    ("I take my coffee with oat milk.", "How do I take my coffee?", "oat milk"),
    ("The wifi password is plum-tree-9.", "What is the wifi password?", "plum-tree-9"),
    ("My first school was Lindenhof.", "What was my first school?", "Lindenhof"),
    ("I play the bassoon on Thursdays.", "Which instrument do I play?", "bassoon"),
]
TOPICS = "the weather, a film, the garden, some bread, the train, a walk, the news, an old song"


def chatter(chance: random.Random, chars: int) -> str:
    topics = TOPICS.split(", ")
    said = [f"We spoke of {chance.choice(topics)} and of {chance.choice(topics)}."]
    while sum(map(len, said)) < chars:
        said.append(f"Then it was {chance.choice(topics)} again, for a while.")
    return " ".join(said)


def bad_summary(request: Request) -> Reply:
    return Reply(parts=(Text(text="They talked about this and that."),), finish="stop")


class Talk:
    """An agent that is told the facts and then talked to; a server, and a sweep that may run."""

    def __init__(self, database: Database, *, window: int) -> None:
        self.database = database
        self.chance = random.Random(12)  # noqa: S311  a test that can be repeated
        self.agent_id = an_agent(database.admin_uri, context_window_limit=window)
        self.conversation_id: str = value(
            database.admin_uri,
            "select id from remanence.conversations where agent_id = %s",
            self.agent_id,
        )
        answers = [Reply(parts=(Text(text="I see."),), finish="stop")]
        self.talker = World.over(database.app_uri, answers * 600)
        self.sweeper = World.over(database.app_uri, [bad_summary] * 2_000)
        self.compactions = 0

    def turn(self, text: str) -> None:
        end = ended(self.talker.say(self.agent_id, text))
        assert end.stop_reason == "end_turn"

    def compact(self) -> None:
        """What the schedule does; and a caller, when the window is not full enough for it."""
        report = sweep(self.sweeper.deps, share=0.5, deadline=float("inf"))
        if report.compacted:
            self.compactions += 1
            return
        try:
            done = self.sweeper.engine.compact(DEFAULT_ORG_ID, self.conversation_id, lambda s: s)
        except AgentBusy:
            return
        self.compactions += done.after < done.before

    def where_facts_are(self) -> dict[str, str]:
        """Each fact: in the context, found by a search with the obvious question, or lost."""
        state = self.talker.deps.store.peek_state(DEFAULT_ORG_ID, self.conversation_id)
        request = compile_context(state, UTC).request
        seen = request.system + "".join(
            part.text for turn in request.turns for part in turn.parts if isinstance(part, Text)
        )
        return {
            answer: "context" if answer in seen else self._search(question, answer)
            for _, question, answer in FACTS
        }

    def _search(self, question: str, answer: str) -> str:
        hits = self.talker.deps.recall.search_messages(
            DEFAULT_ORG_ID,
            agent_id=self.agent_id,
            query=question,
            roles=("user", "assistant"),
            limit=10,
            start=None,
            end=None,
        )
        return "search" if any(answer in str(hit) for hit in hits) else "lost"

    def close(self) -> None:
        self.talker.close()
        self.sweeper.close()


@pytest.mark.parametrize(
    ("window", "turns"),
    [
        (4_000, 160),
        pytest.param(4_000, 500, marks=pytest.mark.perf),
        pytest.param(8_000, 500, marks=pytest.mark.perf),
        pytest.param(32_000, 500, marks=pytest.mark.perf),
    ],
)
def test_facts_of_the_first_turns_are_in_view_or_found_after_forty_compactions(
    fresh_database: Database, window: int, turns: int
) -> None:
    talk = Talk(fresh_database, window=window)
    try:
        for fact, _, _ in FACTS:
            talk.turn(f"{fact} {chatter(talk.chance, 120)}")
        for number in range(turns - len(FACTS)):
            talk.turn(chatter(talk.chance, window // 40))
            if number % (turns // 44) == 0:
                talk.compact()
        places = talk.where_facts_are()
        print(f"\n{window} tokens, {turns} turns, {talk.compactions} compactions: {places}")

        assert talk.compactions >= 40
        assert "lost" not in places.values()
        assert check_coverage(fresh_database.admin_uri) >= 40
        assert len(talk.talker.scripted.requests) == turns  # none of them was for a summary
    finally:
        talk.close()


@pytest.mark.parametrize("turns", [120, pytest.param(500, marks=pytest.mark.perf)])
def test_without_a_sweep_no_turn_is_blocked_and_no_model_is_asked_for_memory(
    fresh_database: Database, turns: int
) -> None:
    talk = Talk(fresh_database, window=4_000)
    try:
        for fact, _, _ in FACTS:
            talk.turn(f"{fact} {chatter(talk.chance, 120)}")
        for _ in range(turns - len(FACTS)):
            talk.turn(chatter(talk.chance, 300))

        assert len(talk.talker.scripted.requests) == turns
        assert check_coverage(fresh_database.admin_uri) > turns // 20
        assert "lost" not in talk.where_facts_are().values()
    finally:
        talk.close()
