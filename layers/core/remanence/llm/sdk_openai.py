"""The `openai` package, as an Sdk. Importing this module imports the package.

Path: sdk.open_sdk -> open_client -> deadline.bounded_client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2
import openai

from remanence.llm.deadline import bounded_client, within
from remanence.llm.sdk import NO_KEY, Sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remanence.core.exchange import JsonObject
    from remanence.llm.vendors import Provider


def open_client(provider: Provider) -> Sdk:
    """A client for this provider, without the package's own retries."""
    client = openai.OpenAI(
        api_key=provider.api_key or NO_KEY,
        base_url=provider.base_url,
        max_retries=0,
        http_client=bounded_client(),
    )
    if provider.vendor.name != "openai" or provider.is_tenants:
        # The package takes these from the environment; they are nobody else's business.
        client.organization = client.project = None

    def post(path: str, body: JsonObject, headers: Mapping[str, str], seconds: float) -> object:
        return client.post(
            path,
            cast_to=object,
            body=body,
            options={"headers": {**headers}, "timeout": within(seconds)},
        )

    def open_stream(
        path: str, body: JsonObject, headers: Mapping[str, str], seconds: float
    ) -> openai.Stream[object]:
        return client.post(
            path,
            cast_to=object,
            body=body,
            options={"headers": {**headers}, "timeout": within(seconds)},
            stream=True,
            stream_cls=openai.Stream[object],
        )

    def get(path: str, seconds: float) -> object:
        return client.get(path, cast_to=object, options={"timeout": within(seconds)})

    return Sdk(
        post=post,
        open_stream=open_stream,
        get=get,
        close=client.close,
        timeout_errors=(openai.APITimeoutError, httpx2.TimeoutException),
        connection_errors=(openai.APIConnectionError, httpx2.TransportError),
        api_errors=(openai.APIError,),
        errors=(openai.OpenAIError, httpx2.HTTPError, ValueError),
    )
