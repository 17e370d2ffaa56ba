"""How much of each request repeats the one before it: what a provider's prefix cache can discount.

The same conversation is compiled in two ways in one run: by epochs, and afresh at every step (as
the retired server's successors and most frameworks do). `pytest -s` prints both figures.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from support.states import CLOCK, IDS, Ids, a_block, a_state, said

from remanence.core.calls import read_calls
from remanence.core.exchange import Reply, Request, Text, ToolCall
from remanence.core.plan import Plan, plan_step
from remanence.core.step import advance, apply_reply

if TYPE_CHECKING:
    from remanence.core.types import State

TURNS = 200
CHATTER = "We talked about the garden, the weather in the hills, and what to cook on Sunday. "


def bytes_of(request: Request) -> bytes:
    """The request in the order providers read it: tools, system, turns."""
    tools = json.dumps([asdict(tool) for tool in request.tools])
    turns = "".join(json.dumps(asdict(turn)) for turn in request.turns)
    return f"{tools}{request.system}{turns}".encode()


def shared(before: bytes, after: bytes) -> int:
    """Length of the common prefix."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[:middle] == after[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def share_of_repeated_prefix(*, by_epochs: bool) -> float:
    state = a_state(
        window=(),
        agent_context_window_limit=32_000,
        agent_system="You remember. " * 60,
        blocks=(a_block(limit=20_000), a_block("team", "Ada, Bob", limit=20_000)),
    )
    sent: list[bytes] = []
    for turn in range(TURNS):
        state = _said(state, f"{turn}: {CHATTER * 3}")
        if turn % 10 == 5:  # the API (every other time: another agent, on the shared block)
            state = _edited_outside(state, turn)
        replies = [_edit(turn)] if turn % 10 == 0 else []
        for reply in [*replies, Reply(parts=(Text(text=f"Noted. {CHATTER}"),), finish="stop")]:
            plan = _plan(state, by_epochs=by_epochs)
            sent.append(bytes_of(plan.context.request))
            state = _stepped(plan, reply)
    repeated = sum(shared(a, b) for a, b in itertools.pairwise(sent))
    return repeated / sum(len(request) for request in sent[1:])


def _plan(state: State, *, by_epochs: bool) -> Plan:
    if not by_epochs:
        state = replace(state, conversation=replace(state.conversation, epoch=None))
    return plan_step(state, clock=CLOCK, new_id=Ids())


def _said(state: State, text: str) -> State:
    message = said(text, state.conversation.next_seq)
    conversation = replace(state.conversation, next_seq=state.conversation.next_seq + 1)
    return replace(state, window=(*state.window, message), conversation=conversation)


def _edited_outside(state: State, turn: int) -> State:
    place = turn // 10 % 2
    block = state.blocks[place]
    changed = replace(block, value=f"{block.value}\noutside {turn}", version=block.version + 1)
    return replace(state, blocks=tuple(changed if b.id == block.id else b for b in state.blocks))


def _edit(turn: int) -> Reply:
    arguments = json.dumps({"label": "human", "new_string": f"Fact {turn}."})
    call = ToolCall(tool_call_id=f"call-{turn}", name="memory_insert", arguments=arguments)
    return Reply(parts=(call,), finish="tool_calls")


def _stepped(plan: Plan, reply: Reply) -> State:
    calls = read_calls(reply, plan.state, CLOCK)
    outcome = apply_reply(plan, reply, calls, {}, ids=IDS, clock=CLOCK, new_id=Ids())
    next_seq = plan.state.conversation.next_seq + len(outcome.messages)
    return advance(plan.state, outcome, next_seq=next_seq)


def test_prefix_of_requests_repeats_by_95_percent_over_a_conversation_with_40_edits() -> None:
    ours = share_of_repeated_prefix(by_epochs=True)
    afresh = share_of_repeated_prefix(by_epochs=False)

    print(f"repeated prefix: {ours:.1%} by epochs, {afresh:.1%} compiled afresh at every step")
    assert ours >= 0.95
    assert ours > afresh
