"""How much of each request repeats the one before it: what a provider's prefix cache discounts.

Real runs over a real database; what is counted is the JSON that is sent, in the order in which its
provider reads it. In the same run, for each request, what compiling at every step would have sent.

`make perf ARGS='tests/engine/test_prefix_share.py -s'` prints the table of 200 turns.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from support.repeated_prefix import (
    OPENAI,
    Conversation,
    anthropic_blocks,
    marked_prefixes,
    share_on_anthropic,
    share_on_openai,
)

from remanence.llm import openai_request

if TYPE_CHECKING:
    from support.pg import Database

WIRES = {"OpenAI": share_on_openai, "Anthropic": share_on_anthropic}


def played(database: Database, *, window: int, turns: int) -> Conversation:
    talk = Conversation(database, window=window)
    try:
        talk.play(turns)
    finally:
        talk.close()
    return talk


def shares(talk: Conversation) -> dict[str, tuple[float, float]]:
    """By wire: what repeats as it is, and compiled at every step."""
    return {name: (share(talk.sent), share(talk.afresh)) for name, share in WIRES.items()}


def test_requests_repeat_95_percent_of_the_one_before_while_memory_is_edited(
    fresh_database: Database,
) -> None:
    talk = played(fresh_database, window=32_000, turns=40)

    assert talk.edits == {"the agent": 4, "the API": 2, "another agent": 2}
    for ours, afresh in shares(talk).values():
        assert ours >= 0.95
        assert ours > afresh + 0.1


@pytest.mark.perf
@pytest.mark.parametrize(
    ("window", "least"), [(8_000, 0.9), (16_000, 0.95), (32_000, 0.95), (128_000, 0.95)]
)
def test_requests_of_200_turns_with_40_edits_repeat_95_percent(
    fresh_database: Database, window: int, least: float
) -> None:
    talk = played(fresh_database, window=window, turns=200)

    found = shares(talk)
    print(f"\n{window} tokens, {len(talk.sent)} requests, {talk.compactions} compactions:")
    for name, (ours, afresh) in found.items():
        print(f"    {name}: {ours:.1%}, compiled at every step {afresh:.1%}")
    assert talk.edits == {"the agent": 20, "the API": 10, "another agent": 10}
    for ours, afresh in found.values():
        assert ours >= least
        assert ours > afresh + 0.1


def test_marks_and_key_for_the_cache_follow_the_conversation(fresh_database: Database) -> None:
    talk = played(fresh_database, window=32_000, turns=12)

    for before, after in itertools.pairwise(talk.sent):
        marks = [place for place, (_, marked) in enumerate(anthropic_blocks(after)) if marked]
        assert len(marks) <= 4
        assert marks[-1] == len(anthropic_blocks(after)) - 1, "the next request reads it again"
        assert marked_prefixes(before)[-1] in marked_prefixes(after), "where the one before ended"
    bodies = [openai_request.to_body(request, OPENAI, stream=True) for request in talk.sent]
    assert {body["prompt_cache_key"] for body in bodies} == {talk.conversation_id}
