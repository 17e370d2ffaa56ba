"""A summariser that misbehaves, over the sweep: users see nothing of it, and everything is stored.

While it is asked, twenty messages arrive at the conversation that it is to summarise. Its time is
scripted: 120 seconds pass on the sweep's clock, none on ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from support.coverage import check_coverage
from support.world import World, an_agent, ended, history, stored, value

from remanence.core.exchange import Finish, Reply, Request, Text
from remanence.core.history import is_note
from remanence.engine.sweep import sweep
from remanence.errors import ProviderOverloaded, ProviderTimeout

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.pg import Database

ROOMS = 8
ARRIVING = 20
NOTED = Reply(parts=(Text(text="Noted."),), finish="stop")


Answer = Callable[[Request], Reply]


def saying(text: str, finish: Finish = "stop") -> Answer:
    return lambda _: Reply(parts=(Text(text=text),), finish=finish)


def failing(error: Exception) -> Answer:
    def fail(request: Request) -> Reply:
        raise error

    return fail


def naming_all(request: Request) -> Reply:
    codes = sorted({*re.findall(r"room \d is 47\d\d", str(request.turns[0].parts[0]))})
    return Reply(parts=(Text(text=f"The code of {', of '.join(codes)}."),), finish="stop")


class Talk:
    """An agent with a history to summarise, its user, and a sweep with a clock of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.agent_id = an_agent(database.admin_uri, context_window_limit=5_500)
        self.user = World.over(database.app_uri, [NOTED] * 99)
        self.told: list[str] = []
        self.now_s = 1_000.0
        for number in range(ROOMS):
            self.say(f"Turn {number}: the code of room {number} is {4700 + number}. " * 32)

    def say(self, text: str) -> None:
        """Say something; the user gets an answer, and sees nothing else."""
        before = len(self.user.scripted.requests)
        events = self.user.say(self.agent_id, text)
        self.told.append(text)
        assert (ended(events).stop_reason, ended(events).error) == ("end_turn", None)
        shown = [m.role for m in stored(events) if m.role != "user" and not is_note(m)]
        assert shown == ["assistant"]
        assert len(self.user.scripted.requests) == before + 1, "no model is asked for memory"

    def sweep(self, answer: Answer, *, takes_s: float) -> None:
        """A sweep whose summariser answers so, after that time; messages arrive meanwhile."""
        asked = []

        def slowly(request: Request) -> Reply:
            if not asked:
                for number in range(ARRIVING):
                    self.say(f"And one more thing: {number}.")
            asked.append(request)
            self.now_s += takes_s
            return answer(request)

        sweeper = World.over(
            self.database.app_uri, [slowly] * 9, monotonic=lambda: self.now_s, sleep=self._pass
        )
        try:
            report = sweep(sweeper.deps, share=0.3, deadline=self.now_s + 800)
        finally:
            sweeper.close()
        assert report.compacted == 1

    def _pass(self, seconds: float) -> None:
        self.now_s += seconds

    def close(self) -> None:
        self.user.close()


@pytest.fixture
def talk(fresh_database: Database) -> Generator[Talk]:
    talk = Talk(fresh_database)
    yield talk
    talk.close()


@pytest.mark.parametrize(
    ("answer", "takes_s", "author"),
    [
        pytest.param(failing(ProviderOverloaded("down")), 1, "extractive", id="fails"),
        pytest.param(saying(""), 1, "extractive", id="returns nothing"),
        pytest.param(saying("I am summarising.\n" * 40), 1, "extractive", id="repeats"),
        pytest.param(saying("Rosa Luxemburg has 9999."), 1, "extractive", id="lies about names"),
        pytest.param(saying("The rooms have the co", "length"), 1, "extractive", id="is cut off"),
        pytest.param(naming_all, 120, "scripted/model", id="takes 120 s"),
        pytest.param(failing(ProviderTimeout("slow")), 120, "extractive", id="takes too long"),
    ],
)
def test_users_see_nothing_of_a_bad_summariser_and_everything_is_stored(
    talk: Talk, answer: Answer, takes_s: float, author: str
) -> None:
    talk.sweep(answer, takes_s=takes_s)
    talk.say("Which code does room 0 have?")

    uri = talk.database.admin_uri
    said = [text for role, text in history(uri, talk.agent_id) if role == "user"]
    assert said == talk.told
    assert check_coverage(uri) == 1
    assert value(uri, "select model from remanence.summaries") == author
    opening = talk.user.scripted.requests[-1].turns[0].parts[0]
    assert isinstance(opening, Text)
    assert "4700" in opening.text, "what has left the view is in the summary"
    assert "Luxemburg" not in opening.text
    assert f"thing: {ARRIVING - 1}." in str(talk.user.scripted.requests[-1].turns), "still in view"
