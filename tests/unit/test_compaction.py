from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from support.states import CLOCK, NOON, Ids, a_state, called, returned, said

from remanence.core.compaction import apply_eviction, evict, plan_cut
from remanence.core.extract import extract_summary, said_in, sentences
from remanence.core.plan import plan_step
from remanence.core.summaries import FAN_OUT
from remanence.core.tokens import predict

if TYPE_CHECKING:
    from remanence.core.types import Message, State


def a_window(kinds: str, size: int = 40) -> tuple[Message, ...]:
    """u: user, a: assistant, c: a call, r: its return."""
    made: list[Message] = []
    for seq, kind in enumerate(kinds, start=1):
        text = f"number {seq} " + "word " * size
        if kind in "ua":
            made.append(said(text, seq, "user" if kind == "u" else "assistant"))
        elif kind == "c":
            made.append(called("conversation_search", '{"query":"x"}', seq, f"call-{seq}"))
        else:
            made.append(returned("conversation_search", text, seq, f"call-{seq - 1}"))
    return tuple(made)


turns = st.lists(st.sampled_from(["u", "a", "ua", "ucra", "ucrcra"]), min_size=1, max_size=12).map(
    "".join
)


@settings(max_examples=60, deadline=None)
@given(kinds=turns, budget=st.integers(0, 2_000))
def test_plan_cut_keeps_a_suffix_and_never_parts_a_call_from_its_return(
    kinds: str, budget: int
) -> None:
    window = a_window(kinds)

    cut = plan_cut(window, budget)

    assert cut.leaving + cut.staying == window
    assert cut.staying
    assert cut.staying[0].role != "tool"
    assert plan_cut(cut.staying, budget).leaving == ()


@settings(max_examples=60, deadline=None)
@given(kinds=turns, budget=st.integers(0, 2_000))
def test_plan_cut_stays_within_the_budget_when_the_newest_exchange_does(
    kinds: str, budget: int
) -> None:
    cut = plan_cut(a_window(kinds), budget)

    kept = sum(message.tokens for message in cut.staying)
    starts = [place for place, message in enumerate(cut.staying) if message.role != "tool"]
    assert kept <= budget or len(starts) == 1


@settings(max_examples=30, deadline=None)
@given(pieces=st.lists(turns, min_size=2, max_size=FAN_OUT + 4))
def test_evict_again_and_again_covers_every_message_exactly_once(pieces: list[str]) -> None:
    new_id = Ids()
    state: State = a_state(window=())
    for piece in pieces:
        state = _longer(state, piece)
        cut = plan_cut(state.window, 60)
        if cut.leaving:
            state = apply_eviction(state, evict(state, cut, now=NOON, new_id=new_id))

    covered = [
        seq for summary in state.summaries for seq in range(summary.from_seq, summary.to_seq + 1)
    ]
    assert covered == list(range(1, state.conversation.window_from_seq))
    assert [message.seq for message in state.window] == list(
        range(state.conversation.window_from_seq, state.conversation.next_seq)
    )
    levels = [summary.level for summary in state.summaries]
    assert levels == sorted(levels, reverse=True)
    assert all(levels.count(level) <= FAN_OUT for level in levels)


def _longer(state: State, kinds: str) -> State:
    first = state.conversation.next_seq
    added = tuple(
        replace(message, seq=first + place, id=f"message-{first + place}")
        for place, message in enumerate(a_window(kinds))
    )
    conversation = replace(state.conversation, next_seq=first + len(added))
    return replace(state, window=(*state.window, *added), conversation=conversation)


@settings(max_examples=40, deadline=None)
@given(kinds=turns, size=st.integers(1, 900))
def test_plan_step_is_predicted_to_fit_the_window_whenever_anything_can_leave(
    kinds: str, size: int
) -> None:
    state = a_state(window=a_window(kinds, size), agent_context_window_limit=4_000)

    plan = plan_step(state, clock=CLOCK, new_id=Ids())

    predicted = predict(state.conversation.anchor, plan.context.estimate_tokens)
    assert predicted <= 4_000 or len(plan.state.window) <= 2


def test_evict_in_the_middle_of_a_turn_carries_the_request_into_the_summary() -> None:
    window = a_window("u" + "cr" * 8)
    window = (said("Find the contract of Ms Weber, number 4711.", 1), *window[1:])
    cut = plan_cut(window, 120)

    eviction = evict(a_state(window=window), cut, now=NOON, new_id=Ids())

    assert not any(message.role == "user" for message in cut.staying)
    assert "4711" in eviction.written[0].text


def test_extract_summary_keeps_what_carries_names_and_numbers() -> None:
    chatter = "Well, that is how it goes sometimes. " * 30
    window = (said(f"{chatter}My locker code is 8823 at Gym Nord. {chatter}", 1),)

    summary = extract_summary(window, 30)

    assert "8823" in summary
    assert len(summary) < 300


def test_extract_summary_of_something_short_is_all_of_it() -> None:
    assert extract_summary((said("Short. And sweet.", 1),), 100) == "user: Short.\nuser: And sweet."


def test_notes_of_ours_are_no_history() -> None:
    note = said("Core memory was changed: 4711.", 1, "system", step_id="step-1")

    assert extract_summary((note, said("Hello.", 2)), 100) == "user: Hello."
    assert extract_summary((note,), 100) == "(nothing was said)"
    assert said_in((note, said("Hello.", 2))) == "Hello."


def test_sentences_end_at_cjk_stops_too() -> None:
    assert sentences("我喜欢茶。你呢？好") == ["我喜欢茶。", "你呢？", "好"]  # noqa: RUF001
