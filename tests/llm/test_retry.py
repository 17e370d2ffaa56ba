"""When a provider is called again, and when not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remanence.errors import (
    ProviderBadReply,
    ProviderError,
    ProviderOverloaded,
    ProviderQuota,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejected,
    ProviderTimeout,
    ProviderTooLong,
)
from remanence.llm.retry import Pace, retrying

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Time that passes by sleeping only."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def pace(self, chance: float = 0.0) -> Pace:
        return Pace(sleep=self.sleep, chance=lambda: chance, clock=lambda: self.now)


def failing(*errors: ProviderError) -> Callable[[], str]:
    left = list(errors)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return attempt


@pytest.mark.parametrize("cls", [ProviderRateLimited, ProviderOverloaded, ProviderTimeout])
def test_failure_that_means_later_is_tried_again(cls: type[ProviderError]) -> None:
    clock = Clock()

    result = retrying(failing(cls("x"), cls("y")), deadline=200.0, pace=clock.pace())

    assert result == "done"
    assert clock.pauses == [0.25, 0.5]


@pytest.mark.parametrize(
    "cls", [ProviderRefusedKey, ProviderQuota, ProviderRejected, ProviderTooLong, ProviderBadReply]
)
def test_failure_that_would_repeat_is_raised_at_once(cls: type[ProviderError]) -> None:
    clock = Clock()

    with pytest.raises(cls):
        retrying(failing(cls("x")), deadline=200.0, pace=clock.pace())

    assert clock.pauses == []


def test_pauses_grow_and_chance_spreads_them() -> None:
    errors = [ProviderOverloaded(str(n)) for n in range(3)]
    clock = Clock()

    retrying(failing(*errors), deadline=200.0, pace=clock.pace(chance=1.0))

    assert clock.pauses == [0.5, 1.0, 2.0]


def test_provider_that_stays_down_is_given_up_after_a_few_tries() -> None:
    errors = [ProviderOverloaded(str(n)) for n in range(9)]
    clock = Clock()

    with pytest.raises(ProviderOverloaded, match="3"):
        retrying(failing(*errors), deadline=1e9, pace=clock.pace())

    assert len(clock.pauses) == 3


def test_pause_that_the_provider_names_is_kept_and_stretched_a_little() -> None:
    for chance, pause in ((0.0, 7.0), (0.5, 7.35)):
        clock = Clock()
        retrying(
            failing(ProviderRateLimited("x", retry_after_s=7.0)),
            deadline=200.0,
            pace=clock.pace(chance),
        )
        assert clock.pauses == pytest.approx([pause])


def test_pause_beyond_the_deadline_is_not_waited_for() -> None:
    clock = Clock()

    with pytest.raises(ProviderRateLimited) as caught:
        retrying(
            failing(ProviderRateLimited("x", retry_after_s=60.0)),
            deadline=150.0,
            pace=clock.pace(),
        )

    assert clock.pauses == []
    assert caught.value.retry_after_s == 60.0
