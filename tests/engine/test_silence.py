"""A provider that says nothing, while somebody cancels the run that waits for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.wires import AnthropicServer, Failure, OpenAIServer, a_reply
from support.world import World, an_agent, ended, history

from remanence.core.ids import DEFAULT_ORG_ID
from remanence.engine.pauses import with_pauses
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.pg import Database

VENDOR = {vendor.name: vendor for vendor in VENDORS}
SERVERS: dict[str, Any] = {"groq": OpenAIServer, "anthropic": AnthropicServer}


@pytest.mark.parametrize("kind", ["hang", "stall"])
@pytest.mark.parametrize("vendor", SERVERS)
def test_run_is_cancelled_while_its_provider_is_silent(
    database: Database, vendor: str, kind: str
) -> None:
    agent_id = an_agent(database.admin_uri, model=f"{vendor}/model")
    with SERVERS[vendor]() as server:
        provider = Provider(vendor=VENDOR[vendor], base_url=server.base_url, api_key="key")
        models = Models([provider], pace=Pace())
        world = World.over(database.app_uri, models=models, cancel_look_s=0.1)
        canceller = World.over(database.app_uri)
        server.answers += [Failure(kind), a_reply("still here")]

        def cancel() -> None:
            while not server.bodies:
                time.sleep(0.01)
            canceller.engine.cancel(DEFAULT_ORG_ID, agent_id=agent_id)

        friend = threading.Thread(target=cancel)
        friend.start()
        events = world.say(agent_id, "hello")
        friend.join()
        after = world.say(agent_id, "and now?")
        for each in (world, canceller, models):
            each.close()

    assert ended(events).stop_reason == "cancelled"
    assert ended(after).stop_reason == "end_turn"
    assert [text for _, text in history(database.admin_uri, agent_id)] == [
        "hello",
        "and now?",
        "still here",
    ]


def test_pause_is_told_and_the_items_still_come_in_order() -> None:
    gate = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert gate.wait(10)
        yield 2

    seen: list[int | None] = []
    for item in with_pauses(items(), lambda: 0.01):
        seen.append(item)
        if item is None:
            gate.set()

    assert [item for item in seen if item is not None] == [1, 2]
    assert seen[1] is None


def test_what_the_items_raise_is_raised_where_they_are_waited_for() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("lost")

    waited = with_pauses(items(), lambda: 10)

    assert next(waited) == 1
    with pytest.raises(LookupError, match="lost"):
        next(waited)


def test_items_that_nobody_wants_any_more_are_closed() -> None:
    closed, more = threading.Event(), threading.Event()

    def items() -> Iterator[int]:
        try:
            yield 1
            assert more.wait(10)
            yield 2
            yield 3
        finally:
            closed.set()

    waited = with_pauses(items(), lambda: 10)
    next(waited)
    waited.close()
    more.set()

    assert closed.wait(10)
