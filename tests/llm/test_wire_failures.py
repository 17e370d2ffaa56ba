"""Every way in which a provider fails, through the real packages, to one class of errors."""

from __future__ import annotations

import logging
import socket
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from support.conversations import a_request
from support.wires import (
    AnthropicServer,
    BedrockServer,
    Failure,
    OpenAIServer,
    ResponsesServer,
    WireServer,
    a_reply,
)

from remanence.core.exchange import Reply, TextDelta
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
from remanence.llm.models import Models
from remanence.llm.retry import Pace
from remanence.llm.vendors import VENDORS, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR = {vendor.name: vendor for vendor in VENDORS}
KEY = "sk-a-key-that-nobody-may-see"
NO_RETRIES = Pace(clock=lambda: float("inf"))


class Bench:
    """A server and models that call it, without retries."""

    def __init__(self, handle: str, server: WireServer) -> None:
        self.server = server
        vendor = VENDOR[handle.partition("/")[0]]
        self.provider = Provider(
            vendor=vendor, base_url=server.base_url, api_key=KEY, region="eu-west-1"
        )
        self.models = Models([self.provider], pace=NO_RETRIES)
        self.handle = handle

    def call(self, *, stream: bool, seconds: float = 10) -> list[Any]:
        request = a_request(handle=self.handle)
        deadline = time.monotonic() + seconds
        return list(self.models.call(request, stream=stream, deadline=deadline))

    def failure(self, kind: str, *, stream: bool, seconds: float = 10, **options: Any) -> Any:
        self.server.answers.append(Failure(kind, **options))
        with pytest.raises(ProviderError) as caught:
            self.call(stream=stream, seconds=seconds)
        return caught.value


SERVERS: dict[str, type[WireServer]] = {
    "openai/some-model": OpenAIServer,
    "openai/gpt-5.5": ResponsesServer,
    "anthropic/some-model": AnthropicServer,
    "bedrock/some-model": BedrockServer,
}


@pytest.fixture(params=SERVERS)
def bench(request: pytest.FixtureRequest, aws_credentials: None) -> Iterator[Bench]:
    with SERVERS[request.param]() as server:
        made = Bench(request.param, server)
        yield made
        made.models.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("400", ProviderRejected),
        ("401", ProviderRefusedKey),
        ("403", ProviderRefusedKey),
        ("404", ProviderRejected),
        ("429", ProviderRateLimited),
        ("quota", ProviderQuota),
        ("500", ProviderOverloaded),
        ("503", ProviderOverloaded),
        ("529", ProviderOverloaded),
        ("too_long", ProviderTooLong),
        ("malformed", ProviderBadReply),
        ("drop", ProviderOverloaded),
    ],
)
def test_failure_of_a_provider_is_one_class(
    bench: Bench, kind: str, cls: type[ProviderError], stream: bool
) -> None:
    error = bench.failure(kind, stream=stream)

    assert type(error) is cls
    assert bench.server.base_url in error.message


def test_rate_limit_says_how_long_to_wait(bench: Bench) -> None:
    assert bench.failure("429", stream=True, retry_after="7").retry_after_s == 7.0
    assert bench.failure("429", stream=True).retry_after_s is None
    assert bench.failure("429", stream=True, retry_after="Wed, 21 Oct 2026").retry_after_s is None


def test_broken_stream_is_a_bad_reply_and_a_whole_answer_cut_off_is_unreachable(
    bench: Bench,
) -> None:
    assert type(bench.failure("cut", stream=True)) is ProviderBadReply
    assert type(bench.failure("cut", stream=False)) is ProviderOverloaded


def test_error_inside_a_stream_is_told_by_its_code(bench: Bench) -> None:
    assert type(bench.failure("stream_error", stream=True)) is ProviderOverloaded


def test_fragments_before_a_break_were_handed_on(bench: Bench) -> None:
    bench.server.answers.append(Failure("cut"))
    items = bench.models.call(
        a_request(handle=bench.handle), stream=True, deadline=time.monotonic() + 10
    )

    assert next(items) == TextDelta(text="one")
    with pytest.raises(ProviderBadReply):
        list(items)


@pytest.mark.parametrize(
    ("kind", "stream"), [("hang", True), ("hang", False), ("stall", True), ("drip", True)]
)
def test_provider_that_does_not_end_is_left_at_the_deadline(
    bench: Bench, kind: str, stream: bool
) -> None:
    bench.call(stream=False)  # the packages' import is not what is measured
    started = time.monotonic()

    error = bench.failure(kind, stream=stream, seconds=0.4)

    assert type(error) is ProviderTimeout
    assert 0.3 < time.monotonic() - started < 2.0


def test_answer_that_drips_without_being_streamed_is_left_at_the_deadline(bench: Bench) -> None:
    bench.call(stream=False)
    started = time.monotonic()

    error = bench.failure("drip", stream=False, seconds=0.4)

    assert type(error) is ProviderTimeout
    assert time.monotonic() - started < 2.0


def test_call_after_a_timeout_works(bench: Bench) -> None:
    bench.call(stream=False)
    bench.failure("stall", stream=True, seconds=0.3)

    assert bench.call(stream=True)[-1].text == "ok"


def test_deadline_in_the_past_calls_nobody(bench: Bench) -> None:
    with pytest.raises(ProviderTimeout, match="no time is left"):
        bench.call(stream=True, seconds=-1)

    assert bench.server.received == []


@pytest.mark.parametrize("kind", ["401", "403", "400", "429", "500"])
def test_key_is_in_no_message_and_no_traceback(
    bench: Bench, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    error = bench.failure(kind, stream=True, quotes_key=True)

    shown = "".join(traceback.format_exception(error))
    assert KEY not in shown
    assert "sk-a" not in shown
    assert KEY not in caplog.text
    assert KEY not in repr(VENDOR) + repr(bench.models)


def test_nobody_listening_is_unreachable(aws_credentials: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for name in ("openai", "anthropic", "bedrock"):
        url = f"http://127.0.0.1:{port}"
        provider = Provider(vendor=VENDOR[name], base_url=url, api_key="k", region="eu-west-1")
        models = Models([provider], pace=NO_RETRIES)

        with pytest.raises(ProviderOverloaded, match="cannot be reached"):
            list(
                models.call(
                    a_request(handle=f"{name}/m"), stream=True, deadline=time.monotonic() + 5
                )
            )
        models.close()


def test_busy_provider_is_called_again_before_anything_was_said(bench: Bench) -> None:
    pauses: list[float] = []
    models = Models([bench.provider], pace=Pace(sleep=pauses.append, chance=lambda: 0.0))
    bench.server.answers += [Failure("529"), Failure("429", retry_after="3"), a_reply("at last")]

    items = list(
        models.call(a_request(handle=bench.handle), stream=True, deadline=time.monotonic() + 30)
    )
    models.close()

    assert isinstance(items[-1], Reply)
    assert items[-1].text == "at last"
    assert pauses == [0.25, 3.0]
    assert len(bench.server.bodies) == 3
