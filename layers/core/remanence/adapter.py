"""What the Lambda Web Adapter says of a request, and nobody else may say.

Beside the main path, like `correlation`: `aws/observe.py` keeps these headers or drops them before
anything reads them. The adapter of version 1 puts its two headers in the place of any that a caller
sent, earlier ones wrote theirs behind the caller's. Where it does not run they can only be a
caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# API Gateway's request context and Lambda's context of the invocation, both as JSON.
REQUEST_CONTEXT = "x-amzn-request-context"
LAMBDA_CONTEXT = "x-amzn-lambda-context"
_OURS = {REQUEST_CONTEXT.encode(), LAMBDA_CONTEXT.encode()}

# Lambda alone sets the first (functions cannot), and starts the adapter by the second.
_PROOFS = ("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_EXEC_WRAPPER")

Header = tuple[bytes, bytes]


def is_adapted(env: Mapping[str, str]) -> bool:
    """Whether every request comes through the adapter: this is Lambda, and it started us."""
    return all(env.get(name) for name in _PROOFS)


def believed(headers: Iterable[Header], *, is_adapted: bool) -> list[Header]:
    """Headers of a request, in order, without those of the adapter that it did not set.

    Args:
        headers: names in lower case, as ASGI has them.
        is_adapted: behind the adapter the last of each is its own; elsewhere none is.
    """
    kept = list(headers)
    last = {name: at for at, (name, _) in enumerate(kept)} if is_adapted else {}
    return [
        header
        for at, header in enumerate(kept)
        if header[0] not in _OURS or last.get(header[0]) == at
    ]
