"""The connection breaks at each statement: before the server has it, or after it has done it.

A worker sends again what may be sent again. Nothing is stored twice, and no model is asked twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.fault_bench import Bench
from support.lossy_proxy import LossyProxy
from support.plays import PLAYS

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.fault_bench import Play
    from support.lossy_proxy import When
    from support.pg import Database


@pytest.fixture(scope="module")
def proxy(pooled_database: tuple[Database, str]) -> Generator[LossyProxy]:
    _, uri = pooled_database
    lossy = LossyProxy(uri)
    yield lossy
    lossy.close()


@pytest.fixture(scope="module")
def bench(pooled_database: tuple[Database, str], proxy: LossyProxy) -> Generator[Bench]:
    database, _ = pooled_database
    made = Bench(None, database.admin_uri, proxy.uri)
    yield made
    made.close()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name)
def test_play_ends_the_same_whichever_answer_is_lost(
    bench: Bench, proxy: LossyProxy, play: Play, when: When
) -> None:
    proxy.arm(0, when)
    peaceful = bench.play(play)
    statements, asked = len(proxy.traffic.statements), bench.asked
    assert peaceful.problems == []

    for place in range(1, statements + 1):
        proxy.arm(place, when)

        struck = bench.play(play)

        assert proxy.broken is not None
        assert struck == peaceful, f"{when} {proxy.broken}, statement {place}"
        assert bench.asked == asked
