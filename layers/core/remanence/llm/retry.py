"""Calling a provider again: the only place where that happens.

Path: models.Models -> retrying -> one attempt of a wire.
Only failures that mean "later" are tried again, and only before anything of a reply was handed
on. Bounded by the deadline that is passed down, and by a few tries, so that a person who waits
for a dead server hears of it soon.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from remanence.errors import ProviderOverloaded, ProviderRateLimited, ProviderTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")

_MAX_TRIES = 4
_FIRST_PAUSE_S = 0.5
_MAX_PAUSE_S = 8.0
# A pause that the provider named is stretched by up to this share, so that many workers which
# were told the same moment do not come back in the same moment.
_SPREAD = 0.1


def _random_share() -> float:
    return random.random()  # noqa: S311  spreads load, keeps no secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Where time and chance come from. `chance` is in [0, 1)."""

    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = _random_share
    clock: Callable[[], float] = time.monotonic


def retrying(attempt: Callable[[], _Result], *, deadline: float, pace: Pace) -> _Result:
    """The result of `attempt`, which may be made several times.

    Args:
        attempt: one call, which has had no effect when it fails.
        deadline: seconds of `pace.clock` by which the last attempt has to begin.
        pace: time and chance.

    Raises:
        ProviderError: the last attempt's, at once when another try is useless or too late.

    Source: exponential backoff with (half) jitter, AWS Architecture Blog, 2015.
    """
    tries = 1
    while True:
        try:
            return attempt()
        except (ProviderRateLimited, ProviderOverloaded, ProviderTimeout) as error:
            pause_s = _pause_s(error, tries, pace.chance())
            if tries >= _MAX_TRIES or pace.clock() + pause_s >= deadline:
                raise
        pace.sleep(pause_s)
        tries += 1


def _pause_s(error: Exception, tries: int, chance: float) -> float:
    """Seconds to wait after the `tries`-th failure."""
    if isinstance(error, ProviderRateLimited) and error.retry_after_s is not None:
        return error.retry_after_s * (1 + _SPREAD * chance)
    return min(_MAX_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (tries - 1)) * (0.5 + 0.5 * chance)
