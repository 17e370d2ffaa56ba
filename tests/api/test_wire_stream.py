import asyncio
import itertools
import json
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from remanence.api.wire.messages import View, to_wire_all
from remanence.api.wire.pace import paced
from remanence.api.wire.speech import Speech
from remanence.api.wire.stream import StreamOptions, to_answer, to_sse
from remanence.core.events import (
    Event,
    RunEnded,
    RunError,
    RunHandedOver,
    RunStarted,
    StepStarted,
    StepStored,
    Streamed,
)
from remanence.core.exchange import (
    Delta,
    Part,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolReturn,
    Usage,
)
from remanence.core.types import Message, StopReason

NOW = datetime(2026, 11, 22, 7, 19, 17, 5, tzinfo=UTC)
SAID = "message-00000000-0000-4000-8000-0000000000aa"
RETURNED = "message-00000000-0000-4000-8000-0000000000bb"
STARTED = RunStarted(run_id="run-1", agent_id="agent-1", conversation_id="conv-1")
STEP = StepStarted(step_id="step-1", step_no=1, message_id=SAID, started_at=NOW)
ENDED = RunEnded(
    run_id="run-1",
    stop_reason=StopReason.END_TURN,
    usage=Usage(prompt_tokens=10, completion_tokens=2, cached_input_tokens=4),
    step_count=1,
    context_tokens=10,
)


@pytest.fixture
def silent_threads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """Takes what a thread dies of, instead of printing it; waits for it, and returns it."""
    died: queue.SimpleQueue[object] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda args: died.put(args.exc_value))
    return lambda: died.get(timeout=10)


def stored(*parts: Part, returns: tuple[Part, ...] = ()) -> StepStored:
    messages = [
        Message(id=SAID, role="assistant", parts=parts, created_at=NOW, step_id="step-1", seq=7)
    ]
    if returns:
        messages.append(
            Message(
                id=RETURNED, role="tool", parts=returns, created_at=NOW, step_id="step-1", seq=8
            )
        )
    return StepStored(step_id="step-1", messages=tuple(messages))


def streamed(*deltas: tuple[int, Delta]) -> list[Event]:
    return [
        Streamed(step_id="step-1", message_id=SAID, seq=7, part_index=index, delta=delta)
        for index, delta in deltas
    ]


def options(**values: object) -> StreamOptions:
    defaults = {
        "view": View(),
        "tokens": False,
        "pings": True,
        "now": lambda: NOW,
        "new_id": lambda kind: f"{kind}-00000000-0000-4000-8000-0000000000ff",
    }
    return StreamOptions(**(defaults | values))


def given(events: Iterable[Event]) -> Generator[Event]:
    yield from events


async def collected(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [chunk async for chunk in stream]


def frames(events: Iterable[Event], **values: object) -> list[tuple[str | None, object]]:
    """The stream as (event name, data) pairs; a comment is ("comment", text)."""
    found: list[tuple[str | None, object]] = []
    for chunk in asyncio.run(collected(to_sse(given(events), options(**values)))):
        text = chunk.decode()
        assert text.endswith("\n\n")
        name = None
        for line in text.rstrip("\n").split("\n"):
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
                found.append((name, data if data == "[DONE]" else json.loads(data)))
            else:
                found.append(("comment", line))
    return found


def kinds(events: Iterable[Event], **values: object) -> list[object]:
    return [
        data["message_type"] if isinstance(data, dict) else data
        for _, data in frames(events, **values)
    ]


def test_stream_of_steps_has_ping_messages_stop_reason_usage_and_done_in_this_order() -> None:
    events = [
        STARTED,
        STEP,
        stored(
            Reasoning(text="hm"),
            ToolCall(tool_call_id="c", name="look", arguments="{}"),
            returns=(ToolReturn(tool_call_id="c", name="look", text="ok"),),
        ),
        stored(Text(text="Hello")),
        ENDED,
    ]

    got = frames(events)

    assert all(name is None for name, _ in got)
    assert kinds(events) == [
        "ping",
        "reasoning_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
        "[DONE]",
    ]
    ping = got[0][1]
    assert ping == {
        "id": "ping-00000000-0000-4000-8000-0000000000ff",
        "date": "2026-11-22T07:19:17+00:00",
        "name": None,
        "message_type": "ping",
        "otid": None,
        "sender_id": None,
        "step_id": None,
        "is_err": None,
        "seq_id": None,
        "run_id": "run-1",
    }
    assert got[1][1]["run_id"] == "run-1"
    assert got[-3][1] == {"message_type": "stop_reason", "stop_reason": "end_turn"}
    assert got[-2][1] == {
        "message_type": "usage_statistics",
        "completion_tokens": 2,
        "prompt_tokens": 10,
        "total_tokens": 12,
        "step_count": 1,
        "run_ids": None,
        "cached_input_tokens": 4,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "context_tokens": 10,
    }


def test_stream_without_pings_starts_with_the_first_message() -> None:
    assert kinds([STARTED, STEP, stored(Text(text="Hi")), ENDED], pings=False)[0] == (
        "assistant_message"
    )


def test_stream_of_steps_leaves_fragments_out() -> None:
    events = [STARTED, STEP, *streamed((0, TextDelta(text="H"))), stored(Text(text="Hi")), ENDED]

    contents = [data["content"] for _, data in frames(events) if "content" in data]

    assert contents == ["Hi"]


def test_stream_of_tokens_sends_fragments_under_the_ids_of_the_stored_parts() -> None:
    parts = (Reasoning(text="hm so"), Text(text="Hello you"))
    stored_step = stored(*parts)
    events = [
        STARTED,
        STEP,
        *streamed(
            (0, ReasoningDelta(text="hm")),
            (0, ReasoningDelta(text=" so")),
            (1, TextDelta(text="Hello")),
            (1, TextDelta(text=" you")),
        ),
        stored_step,
        ENDED,
    ]

    got = [data for _, data in frames(events, tokens=True, pings=False)[:-3]]

    joined: dict[tuple[str, str], str] = {}
    for data in got:
        key = (data["id"], data["otid"])
        joined[key] = joined.get(key, "") + str(data.get("content", data.get("reasoning")))
    history = to_wire_all(stored_step.messages, View())
    assert joined == {
        (data["id"], data["otid"]): data.get("content", data.get("reasoning")) for data in history
    }
    assert [data["message_type"] for data in got] == [
        "reasoning_message",
        "reasoning_message",
        "assistant_message",
        "assistant_message",
    ]
    assert all(data["step_id"] == "step-1" and data["run_id"] == "run-1" for data in got)


def test_stream_of_tokens_repeats_nothing_of_a_text_that_outgrows_its_places() -> None:
    pieces = [letter * 400_000 for letter in "abcd"]
    whole = stored(Text(text="".join(pieces)))
    events = [STARTED, STEP, *streamed(*((0, TextDelta(text=each)) for each in pieces)), whole]

    got = [data for _, data in frames([*events, ENDED], tokens=True, pings=False)[:-3]]

    assert "".join(data["content"] for data in got) == "".join(pieces)
    assert [len(data["content"]) for data in got] == [400_000, 400_000, 800_000]
    for seen, data in enumerate(got, start=1):
        resumed = frames([STARTED, whole, ENDED], pings=False, after=data["seq_id"])[:-3]
        rest = "".join(later["content"] for _, later in resumed)
        assert rest == "".join(each["content"] for each in got[seen:])


def test_stream_of_tokens_sends_a_tool_call_as_deltas_with_the_same_object_twice() -> None:
    events = [
        STARTED,
        STEP,
        *streamed(
            (0, ToolCallDelta(tool_call_id="c", name="look")),
            (0, ToolCallDelta(tool_call_id="c", arguments='{"q"')),
            (0, ToolCallDelta(tool_call_id="c", arguments=": 1}")),
        ),
        stored(
            ToolCall(tool_call_id="c", name="look", arguments='{"q": 1}'),
            returns=(ToolReturn(tool_call_id="c", name="look", text="ok"),),
        ),
        ENDED,
    ]

    got = [data for _, data in frames(events, tokens=True, pings=False)]

    deltas = [data["tool_call"] for data in got[:3]]
    assert deltas == [
        {"name": "look", "tool_call_id": "c"},
        {"arguments": '{"q"', "tool_call_id": "c"},
        {"arguments": ": 1}", "tool_call_id": "c"},
    ]
    assert all(data["tool_calls"] == data["tool_call"] for data in got[:3])
    assert got[3]["message_type"] == "tool_return_message"
    assert got[3]["tool_returns"][0]["tool_return"] == "ok"


def test_stream_of_tokens_sends_whole_what_the_provider_did_not_stream() -> None:
    events = [
        STARTED,
        STEP,
        *streamed((1, TextDelta(text="Hi"))),
        stored(Reasoning(text="", redacted="opaque"), Text(text="Hi")),
        ENDED,
    ]

    assert kinds(events, tokens=True, pings=False)[:2] == [
        "assistant_message",
        "hidden_reasoning_message",
    ]


def test_stream_of_tokens_shows_speech_through_a_tool_as_growing_text() -> None:
    arguments = '{"message": "Hello \\u00e9", "request_heartbeat": false}'
    events = [
        STARTED,
        STEP,
        *streamed(
            (0, ToolCallDelta(tool_call_id="c", name="send_message")),
            *((0, ToolCallDelta(tool_call_id="c", arguments=char)) for char in arguments),
        ),
        stored(
            ToolCall(tool_call_id="c", name="send_message", arguments=arguments),
            returns=(ToolReturn(tool_call_id="c", name="send_message", text="Sent."),),
        ),
        ENDED,
    ]

    got = [data for _, data in frames(events, tokens=True, pings=False)[:-3]]

    assert {data["message_type"] for data in got} == {"assistant_message"}
    assert "".join(str(data["content"]) for data in got) == "Hello é"
    assert kinds(events, tokens=True, pings=False, view=View(speech=Speech(tool_name=None)))[
        -4
    ] == ("tool_return_message")


def test_stream_of_tokens_with_unreadable_speech_shows_the_call_when_it_is_stored() -> None:
    events = [
        STARTED,
        STEP,
        *streamed(
            (0, ToolCallDelta(tool_call_id="c", name="send_message")),
            (0, ToolCallDelta(tool_call_id="c", arguments="{]")),
        ),
        stored(ToolCall(tool_call_id="c", name="send_message", arguments="{]")),
        ENDED,
    ]

    assert kinds(events, tokens=True, pings=False)[0] == "tool_call_message"


def waiting_reply(*, is_streamed_as_waiting: bool) -> list[Event]:
    calls = (
        ToolCall(tool_call_id="a", name="look", arguments='{"q": 1}'),
        ToolCall(tool_call_id="c", name="pay", arguments='{"sum": 5}', waits=True),
    )
    request = Message(
        id=SAID, role="approval", parts=(Text(text="May I?"), *calls), created_at=NOW, seq=7
    )
    fragments = streamed(
        (0, TextDelta(text="May I?")),
        (1, ToolCallDelta(tool_call_id="a", name="look")),
        (1, ToolCallDelta(tool_call_id="a", arguments='{"q": 1}')),
        (2, ToolCallDelta(tool_call_id="c", name="pay")),
        (2, ToolCallDelta(tool_call_id="c", arguments='{"sum": 5}')),
    )
    return [
        STARTED,
        STEP,
        *(
            replace(event, waits=is_streamed_as_waiting and event.part_index == 2)
            for event in fragments
        ),
        StepStored(step_id="step-1", messages=(request,)),
        ENDED,
    ]


def test_stream_of_steps_shows_the_calls_that_wait_as_one_request() -> None:
    events = waiting_reply(is_streamed_as_waiting=True)

    got = [data for _, data in frames(events, pings=False)[:3]]

    assert [data["message_type"] for data in got] == [
        "assistant_message",
        "tool_call_message",
        "approval_request_message",
    ]
    assert got[2]["otid"] == SAID
    assert [call["tool_call_id"] for call in got[2]["tool_calls"]] == ["c"]


def test_stream_of_tokens_shows_a_request_for_approval_as_deltas_and_repeats_nothing() -> None:
    events = waiting_reply(is_streamed_as_waiting=True)

    got = [data for _, data in frames(events, tokens=True, pings=False)[:-3]]

    assert [data["message_type"] for data in got] == [
        "assistant_message",
        "tool_call_message",
        "tool_call_message",
        "approval_request_message",
        "approval_request_message",
    ]
    assert {data["otid"] for data in got[3:]} == {SAID}
    assert [data["tool_call"] for data in got[3:]] == [
        {"name": "pay", "tool_call_id": "c"},
        {"arguments": '{"sum": 5}', "tool_call_id": "c"},
    ]


def test_stream_of_tokens_tells_of_a_wait_that_the_fragments_did_not_know_of() -> None:
    events = waiting_reply(is_streamed_as_waiting=False)

    assert kinds(events, tokens=True, pings=False)[-4] == "approval_request_message"


def test_stream_with_wanted_types_filters_messages_but_keeps_the_frame() -> None:
    events = [
        STARTED,
        STEP,
        *streamed((0, ReasoningDelta(text="hm")), (1, TextDelta(text="Hi"))),
        stored(Reasoning(text="hm"), Text(text="Hi")),
        ENDED,
    ]
    view = View(message_types=frozenset({"assistant_message"}))

    for tokens in (False, True):
        assert kinds(events, tokens=tokens, view=view) == [
            "ping",
            "assistant_message",
            "stop_reason",
            "usage_statistics",
            "[DONE]",
        ]


def test_stream_of_a_failed_run_says_so_in_a_named_event() -> None:
    failed = RunEnded(
        run_id="run-1",
        stop_reason=StopReason.LLM_API_ERROR,
        usage=Usage(),
        step_count=0,
        error=RunError(type="llm_rate_limit", message="slow down"),
    )

    got = frames([STARTED, STEP, failed], pings=False)

    assert got == [
        (None, {"message_type": "stop_reason", "stop_reason": "llm_api_error"}),
        (
            "error",
            {
                "message_type": "error_message",
                "run_id": "run-1",
                "error_type": "llm_rate_limit",
                "message": "slow down",
                "detail": None,
                "seq_id": None,
            },
        ),
        (None, "[DONE]"),
    ]


def test_stream_of_a_run_that_goes_on_elsewhere_says_where_to_read_it() -> None:
    handed_over = RunHandedOver(run_id="run-1", usage=Usage(), step_count=3)

    got = frames([STARTED, STEP, stored(Text(text="Hi")), handed_over], pings=False)

    assert [name for name, _ in got] == [None, "error", None]
    assert got[1][1]["error_type"] == "stream_incomplete"
    assert got[1][1]["seq_id"] == got[0][1]["seq_id"]
    assert "/v1/runs/run-1/stream" in got[1][1]["message"]
    assert to_answer([STARTED, handed_over], View()).ended is handed_over


def test_stream_of_a_cancelled_run_ends_without_usage() -> None:
    cancelled = RunEnded(
        run_id="run-1", stop_reason=StopReason.CANCELLED, usage=Usage(), step_count=0
    )

    assert kinds([STARTED, cancelled], pings=False) == ["stop_reason", "[DONE]"]


def test_stream_keeps_line_separators_inside_one_line() -> None:
    text = "a\u2028b\u2029c\u0085d\r\ne"
    events = given([STARTED, STEP, stored(Text(text=text)), ENDED])
    chunks = asyncio.run(collected(to_sse(events, options())))

    assert len(chunks[1].decode().splitlines()) == 2
    assert json.loads(chunks[1].removeprefix(b"data: "))["content"] == text


def waiting(events: list[Event], gate: threading.Event) -> Generator[Event]:
    yield events[0]
    gate.wait(5)
    yield from events[1:]


async def opened_after_three(**values: object) -> list[bytes]:
    """The stream of a run that is silent until three chunks have come."""
    gate = threading.Event()
    stream = to_sse(waiting([STARTED, STEP, ENDED], gate), options(**values))
    chunks = [await anext(stream) for _ in range(3)]
    gate.set()
    return chunks + [chunk async for chunk in stream]


def test_stream_of_a_silent_run_gets_keepalives_with_its_run_id() -> None:
    chunks = asyncio.run(opened_after_three(keepalive_s=0.01))

    for chunk in chunks[:3]:
        ping = json.loads(chunk.removeprefix(b"data: "))
        assert (ping["message_type"], ping["run_id"]) == ("ping", "run-1")
    assert chunks[-1] == b"data: [DONE]\n\n"


def test_stream_without_pings_of_a_silent_run_gets_comments() -> None:
    chunks = asyncio.run(opened_after_three(keepalive_s=0.01, pings=False))

    assert all(chunk.startswith(b":") for chunk in chunks[:3])
    assert not any(chunk.startswith(b":") for chunk in chunks[-3:])


def test_paced_left_early_closes_the_source_at_its_next_value() -> None:
    closed = threading.Event()

    def numbers() -> Generator[int]:
        try:
            for number in itertools.count():
                time.sleep(0.001)
                yield number
        finally:
            closed.set()

    async def leave_early() -> None:
        pace = paced(numbers(), 5)
        await anext(pace)
        await pace.aclose()

    asyncio.run(leave_early())

    assert closed.wait(5)


def test_stream_whose_reader_dies_ends_with_an_error(silent_threads: Callable[[], object]) -> None:
    def broken() -> Generator[Event]:
        yield STARTED
        raise RuntimeError("bug")

    got = frames(broken(), pings=False)

    assert [name for name, _ in got] == [None, "error", None]
    assert got[1][1]["error_type"] == "stream_incomplete"
    assert isinstance(silent_threads(), RuntimeError)


def test_response_holds_messages_stop_reason_and_usage() -> None:
    answer = to_answer(
        iter(
            [
                STARTED,
                STEP,
                stored(Text(text="Hello")),
                StepStored(
                    step_id="step-1",
                    messages=(
                        Message(
                            id=RETURNED, role="user", parts=(Text(text="go on"),), created_at=NOW
                        ),
                    ),
                ),
                ENDED,
            ]
        ),
        View(),
    )

    response = answer.to_wire(ENDED)
    assert answer.ended is ENDED
    assert [wire["content"] for wire in response["messages"]] == ["Hello"]
    assert response["messages"][0]["run_id"] == "run-1"
    assert response["stop_reason"] == {"message_type": "stop_reason", "stop_reason": "end_turn"}
    assert response["usage"]["total_tokens"] == 12
    assert set(response) == {"messages", "stop_reason", "usage", "logprobs", "turns"}
