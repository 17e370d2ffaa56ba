"""No request that the OpenAPI document allows is answered against it, and none by a 5xx."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.fuzzing import fuzz

if TYPE_CHECKING:
    from support.server import Server


# The server of the test draws random numbers in threads of its own, which looks to hypothesis as if
# a strategy had done so.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
)


def test_document_seeded_requests_are_answered_as_it_says(server: Server) -> None:
    report = fuzz(server, examples=4, random_seed=4)

    assert report.requests > 300
    assert not report.faults, str(report)


@pytest.mark.fuzz
def test_document_ten_thousand_requests_are_answered_as_it_says(server: Server) -> None:
    report = fuzz(server, examples=120, random_seed=1)

    print(report)
    assert report.requests >= 10_000
    assert not report.faults, str(report)
