"""The official packages behind one shape, imported when a provider is first called.

Path: client.Client -> open_sdk -> sdk_openai / sdk_anthropic / sdk_bedrock -> the package.
The packages do HTTP, authentication and the reading of event streams. What is sent and what
comes back are JSON objects (`cast_to=object`), because the mapping is ours: no object of theirs
is built per fragment, and fields they do not know (`reasoning_content`) are not lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.errors import NotSupported

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from remanence.core.exchange import JsonObject
    from remanence.llm.vendors import Provider

# The packages insist on a key; servers of one's own want none.
NO_KEY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdk:
    """A client of one of the packages, and what it raises.

    `post`, `open_stream` and `get` take a path, (a body, headers,) and the seconds they have.
    Errors are tried in the order of the fields; `errors` holds all of the others, and
    ValueError, which the packages let out when an answer is not JSON.
    """

    post: Callable[[str, JsonObject, Mapping[str, str], float], object]
    open_stream: Callable[
        [str, JsonObject, Mapping[str, str], float], AbstractContextManager[Iterator[object]]
    ]
    get: Callable[[str, float], object]
    close: Callable[[], None]
    timeout_errors: tuple[type[Exception], ...]
    connection_errors: tuple[type[Exception], ...]
    api_errors: tuple[type[Exception], ...]
    errors: tuple[type[Exception], ...]


def open_sdk(provider: Provider) -> Sdk:
    """Import the package of the provider's wire and make a client; nothing is connected yet."""
    # Late on purpose: importing a package costs 0.5 to 4 CPU seconds, and most processes call
    # one provider or none.
    if provider.vendor.wire == "openai":
        from remanence.llm import sdk_openai  # noqa: PLC0415

        return sdk_openai.open_client(provider)
    if provider.vendor.wire == "bedrock":
        return _open_bedrock(provider)
    from remanence.llm import sdk_anthropic  # noqa: PLC0415

    return sdk_anthropic.open_client(provider)


def _open_bedrock(provider: Provider) -> Sdk:
    try:
        from remanence.llm import sdk_bedrock  # noqa: PLC0415  as above
    except ModuleNotFoundError as exc:
        raise NotSupported(
            "bedrock is called through boto3, which is not installed: install remanence[aws]"
        ) from exc
    return sdk_bedrock.open_client(provider)
