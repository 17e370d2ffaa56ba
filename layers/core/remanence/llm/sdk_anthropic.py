"""The `anthropic` package, as an Sdk. Importing this module imports the package.

Path: sdk.open_sdk -> open_client -> deadline.bounded_client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anthropic
import httpx2

from remanence.llm.deadline import bounded_client, within
from remanence.llm.sdk import NO_KEY, Sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.core.exchange import JsonObject
    from remanence.llm.vendors import Provider


def open_client(provider: Provider) -> Sdk:
    """A client for this provider, without the package's own retries."""
    client = anthropic.Anthropic(
        api_key=provider.api_key or NO_KEY,
        base_url=provider.base_url,
        max_retries=0,
        http_client=bounded_client(),
        default_headers=_older_header(provider),
    )

    def post(path: str, body: JsonObject, headers: Mapping[str, str], seconds: float) -> object:
        return client.post(
            path,
            cast_to=object,
            body=body,
            options={"headers": {**headers}, "timeout": within(seconds)},
        )

    def open_stream(
        path: str, body: JsonObject, headers: Mapping[str, str], seconds: float
    ) -> anthropic.Stream[object]:
        return client.post(
            path,
            cast_to=object,
            body=body,
            options={"headers": {**headers}, "timeout": within(seconds)},
            stream=True,
            stream_cls=anthropic.Stream[object],
        )

    def get(path: str, seconds: float) -> object:
        return client.get(path, cast_to=object, options={"timeout": within(seconds)})

    return Sdk(
        post=post,
        open_stream=open_stream,
        get=get,
        close=client.close,
        timeout_errors=(anthropic.APITimeoutError, httpx2.TimeoutException),
        connection_errors=(anthropic.APIConnectionError, httpx2.TransportError),
        api_errors=(anthropic.APIError,),
        errors=(anthropic.AnthropicError, httpx2.HTTPError, ValueError),
    )


def _older_header(provider: Provider) -> dict[str, str]:
    """Gateways and servers of one's own may still read the key where it was before 2.0."""
    is_own = provider.base_url == provider.vendor.default_base_url
    return {} if is_own or not provider.api_key else {"x-api-key": provider.api_key}
