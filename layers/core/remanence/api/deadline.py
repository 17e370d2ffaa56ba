"""How long this request may be worked on, as Lambda says it.

Under the Lambda Web Adapter each request carries the context of its invocation in a header, which
the adapter sets itself. Anywhere else a caller could send it, so there it is not looked at
(`remanence/adapter.py`).
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from remanence.adapter import LAMBDA_CONTEXT

# What is kept of an invocation's time to commit, ring again and answer.
MARGIN_S = 10.0


def deadline_in(
    headers: Mapping[str, str], *, now: Callable[[], datetime], monotonic: Callable[[], float]
) -> float | None:
    """When to be done, in seconds of `monotonic`; None when the header does not say.

    The header is JSON; its `deadline` is in milliseconds since 1970.
    """
    try:
        deadline_ms = json.loads(headers.get(LAMBDA_CONTEXT, "null"))["deadline"]
        left_s = float(deadline_ms) / 1000 - now().timestamp()
    except (ValueError, TypeError, KeyError):
        return None
    return monotonic() + left_s - MARGIN_S
