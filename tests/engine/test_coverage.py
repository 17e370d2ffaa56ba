"""Random lives of a conversation: whatever happens to it, every message stays covered once."""

from __future__ import annotations

import random
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from support.coverage import check_coverage
from support.world import World, an_agent, value

from remanence.core.exchange import Reply, Request, Text
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.summaries import CompactionSettings
from remanence.db.history import History
from remanence.db.queries import Queries
from remanence.engine.sweep import sweep
from remanence.errors import AgentBusy, ProviderOverloaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.pg import Database

FOREVER = float("inf")
EVENTS = 35


class Life:
    """One agent, two servers, and a summariser that does what chance tells it."""

    def __init__(self, database: Database, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311  a test that can be repeated
        self.database = database
        window = self.chance.choice([3_000, 4_500, 9_000])
        fan_out = self.chance.choice([2, 3, 6])
        self.agent_id = an_agent(
            database.admin_uri,
            context_window_limit=window,
            compaction_settings={"fan_out": fan_out},
        )
        self.conversation_id: str = value(
            database.admin_uri,
            "select id from remanence.conversations where agent_id = %s",
            self.agent_id,
        )
        self.talker = World.over(database.app_uri, [self.answer] * 1_000)
        self.sweeper = World.over(database.app_uri, [self.summarise] * 1_000)
        self.said = 0

    def answer(self, _request: Request) -> Reply:
        words = "and so on it goes " * self.chance.randrange(1, 60)
        return Reply(parts=(Text(text=f"Number {self.said}. {words}"),), finish="stop")

    def summarise(self, request: Request) -> Reply:
        """A summary, or one of the things that models do instead."""
        if self.chance.random() < 0.3:
            self.say()  # somebody speaks meanwhile
        if self.chance.random() < 0.05:
            self.reset()
        kind = self.chance.choice(["good", "good", "good", "fails", "empty", "cut", "lies"])
        numbers = re.findall(r"code \d+", str(request.turns))
        match kind:
            case "fails":
                raise ProviderOverloaded("down")
            case "empty":
                return Reply(parts=(), finish="stop")
            case "cut":
                return Reply(parts=(Text(text="They talked"),), finish="length")
            case "lies":
                return Reply(parts=(Text(text="They met Rosa Luxemburg, 99999."),), finish="stop")
            case _:
                return Reply(parts=(Text(text=", ".join(numbers[:40])),), finish="stop")

    def say(self) -> None:
        self.said += 1
        filler = "one more thing to say. " * self.chance.randrange(1, 60)
        self.talker.say(self.agent_id, f"The code {1_000 + self.said} is for {self.said}. {filler}")

    def sweep(self) -> None:
        share = self.chance.choice([0.2, 0.5, 0.7])
        calls = self.chance.choice([0, 1, 2, 50])
        sweep(self.sweeper.deps, share=share, deadline=FOREVER, model_calls=calls)

    def compact(self) -> None:
        mode = self.chance.choice(["all", "sliding_window", "self_compact_all"])
        settings = CompactionSettings(mode=mode, fan_out=self.chance.choice([2, 6]))  # type: ignore[arg-type]
        with suppress(AgentBusy):  # its history was emptied while the summary was written
            self.sweeper.engine.compact(
                DEFAULT_ORG_ID, self.conversation_id, lambda _settings: settings
            )

    def reset(self) -> None:
        History(Queries(self.talker.connections)).reset_messages(DEFAULT_ORG_ID, self.agent_id)

    def events(self) -> list[Callable[[], None]]:
        most = [self.say] * 30 + [self.sweep] * 9 + [self.compact] * 5
        return [self.chance.choice(most) for _ in range(EVENTS)]

    def close(self) -> None:
        self.talker.close()
        self.sweeper.close()


@pytest.mark.parametrize("seed", range(4))
def test_every_message_is_covered_exactly_once_at_every_moment(
    fresh_database: Database, seed: int
) -> None:
    life = Life(fresh_database, seed)
    try:
        for event in life.events():
            event()
            check_coverage(fresh_database.admin_uri)
        for _ in range(40):
            life.say()
        assert check_coverage(fresh_database.admin_uri) > 0
    finally:
        life.close()
