"""Hostile queries through every route that searches: results, or a refusal in a sentence."""

from __future__ import annotations

import json
import random
import urllib.parse
from typing import TYPE_CHECKING

import httpx
import pytest
from support.server import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.server import Server

# Each is put into a route in the place of a query: escaped as JSON or in an address.
PIECES = [
    *("'", "''", '"', '"unclosed', "\\", "\\'", "%", "_", "(", "(((", ")", "!", "&", "|", "<->"),
    *(":*", "a:*b", "a & | b", "!!", "-", "--", "/*", "$$", "${x}", "{{x}}", "%s", "%(query)s"),
    *("' or 1=1 --", "'; drop table remanence.messages; --", "select pg_sleep(9)", "NULL", "\\x00"),
    *("😀", "👩‍👩‍👧", "e\u0301", "\u202eevil", "שלום", "مرحبا", "汉字", "ไทย", "\ufeff", "\u200b"),
    *("\ufffe", "\uffff", "\U0010ffff", "\n", "\t", "\r\n", "\x1b[31m", "\x7f", " ", "", "a" * 500),
    *("*", "?", "[a-z]+", "(?:a+)+$", "<script>", "tea", "OR", "AND NOT", "near/3", "1e309"),
]
# What Python's own strings hold and neither JSON nor Postgres does.
UNSTORABLE = ["\0", "a\0b", "\ud800", "tea \udfff"]
LONG = ["a" * 1_000_000, "tea " * 250_000, "(" * 1_000_000, "汉" * 330_000]


class Searches:
    """Every route that searches, called with a query."""

    def __init__(self, server: Server) -> None:
        self.http = httpx.Client(base_url=server.base_url, timeout=60)
        with server.client() as client:
            agent = client.agents.create(model=MODEL)
            client.agents.passages.create(agent.id, text="Ada likes tea.", tags=["taste"])
            client.agents.messages.create(agent.id, input="tea [[script: say tea]]")
        self.agent_id = agent.id

    def answers(self, query: str) -> Iterator[httpx.Response]:
        """What each of them answers."""
        one = {"agent_id": self.agent_id}
        yield self.post("/v1/messages/search", {"query": query} | one)
        yield self.post("/v1/passages/search", {"query": query} | one)
        yield self.post("/v1/tools/search", {"query": query})
        if len(query) < 10_000:  # no server reads a longer address
            # A half of a character has bytes too, which are no text.
            word = urllib.parse.quote(query.encode("utf-8", "surrogatepass"))
            archival = f"/v1/agents/{self.agent_id}/archival-memory"
            for path in (
                f"{archival}/search?query={word}",
                f"{archival}?search={word}",
                f"/v1/agents/?query_text={word}",
                f"/v1/blocks/?value_search={word}",
                f"/v1/blocks/?label_search={word}",
                f"/v1/tools/?search={word}",
                f"/v1/tags/?query_text={word}",
                f"/v1/conversations/?agent_id={self.agent_id}&summary_search={word}",
            ):
                yield self.http.get(path)

    def post(self, path: str, body: dict[str, str]) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return self.http.post(path, content=json.dumps(body).encode(), headers=headers)

    def faults(self, queries: Iterable[str]) -> list[str]:
        """What is neither an answer nor a refusal that says why."""
        return [
            f"{answer.request.url.path}: {answer.status_code} {query[:40]!r}"
            for query in queries
            for answer in self.answers(query)
            if not _is_clear(answer)
        ]


def _is_clear(answer: httpx.Response) -> bool:
    if answer.status_code == 422:
        return bool(answer.json()["detail"])
    return answer.status_code == 200


@pytest.fixture(scope="module")
def searches(server: Server) -> Iterator[Searches]:
    searches = Searches(server)
    yield searches
    searches.http.close()


def test_hostile_queries_are_answered_or_refused(searches: Searches) -> None:
    together = ["".join(PIECES[start : start + 4]) for start in range(0, len(PIECES), 4)]

    assert searches.faults(together) == []


def test_queries_that_are_no_text_are_refused_where_they_arrive(searches: Searches) -> None:
    for query in UNSTORABLE:
        statuses = {answer.status_code for answer in searches.answers(query)}
        assert searches.faults([query]) == []
        assert 422 in statuses


def test_queries_of_a_megabyte_are_answered_or_refused(searches: Searches) -> None:
    assert searches.faults(LONG) == []


def test_server_still_finds_what_is_there(searches: Searches) -> None:
    answer = searches.post("/v1/messages/search", {"query": "tea", "agent_id": searches.agent_id})

    assert "tea" in answer.text


@pytest.mark.fuzz
def test_ten_thousand_hostile_queries_are_answered_or_refused(searches: Searches) -> None:
    chance = random.Random(4)  # noqa: S311 - the same at each try
    queries = PIECES + [
        "".join(chance.choices(PIECES, k=chance.randint(1, 6)))
        for _ in range(10_000 // 11 + 1)  # each goes to eleven routes
    ]

    assert searches.faults(queries) == []
