"""What is mended in a request, and how the model and the receipt see it."""

from __future__ import annotations

import json
from datetime import UTC

import pytest
from support.states import returned, said

from remanence.core.exchange import Image, Reasoning, Text, ToolCall, ToolReturn
from remanence.core.history import turns_of
from remanence.core.mending import sendable_arguments


@pytest.mark.parametrize(
    "arguments",
    ["{}", '{"a": [1, {"b": null}]}', '{"a": "\\u00e9\\ud83d\\ude00"}', '{"a":1,"a":2}'],
)
def test_arguments_that_can_be_sent_stay_as_the_model_wrote_them(arguments: str) -> None:
    assert sendable_arguments(arguments) == arguments


@pytest.mark.parametrize(
    "arguments",
    [
        "{",
        "null",
        "[1]",
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1e999}',
        '{"a": "\\ud800"}',
        "[" * 100_000,
        '{"a":' * 100 + "1" + "}" * 100,
        '{"a": ' + "9" * 5_000 + "}",
    ],
)
def test_arguments_that_no_provider_takes_are_quoted(arguments: str) -> None:
    sent = json.loads(sendable_arguments(arguments))

    assert sent == {"unreadable_arguments": arguments}


def test_call_without_arguments_has_empty_ones_and_needs_no_repair() -> None:
    call = ToolCall(tool_call_id="a", name="tick", arguments="")
    window = (said("", 1, "assistant", parts=(call,)), returned("tick", "tock", 2, "a"))

    turns, repairs = turns_of(window, UTC, 8_000)

    assert turns[0].parts == (ToolCall(tool_call_id="a", name="tick", arguments="{}"),)
    assert repairs == ()


def test_call_id_that_is_used_again_gets_another_one_with_its_return() -> None:
    def exchange(seq: int) -> tuple[object, object]:
        call = ToolCall(tool_call_id="call_1", name="tick", arguments="{}")
        return said("", seq, "assistant", parts=(call,)), returned(
            "tick", f"tock {seq}", seq + 1, "call_1"
        )

    turns, repairs = turns_of((*exchange(1), *exchange(3)), UTC, 8_000)

    ids = [part.tool_call_id for turn in turns for part in turn.parts]  # type: ignore[union-attr]
    assert ids == ["call_1", "call_1", "call_1-2", "call_1-2"]
    answers = [part.text for part in turns[3].parts if isinstance(part, ToolReturn)]
    assert "tock 3" in answers[0]
    assert [repair.kind for repair in repairs] == ["call id that is used twice"]


def test_name_that_no_provider_takes_is_spelled_as_one() -> None:
    call = ToolCall(tool_call_id="a", name="my tool (v2)", arguments="{}")

    turns, repairs = turns_of((said("", 1, "assistant", parts=(call,)),), UTC, 8_000)

    assert [part.name for turn in turns for part in turn.parts] == [  # type: ignore[union-attr]
        "my_tool__v2_",
        "my_tool__v2_",
    ]
    assert [repair.kind for repair in repairs] == ["name that is none", "call without a return"]


def test_image_in_a_reply_is_told_in_words_and_one_without_content_is_left_out() -> None:
    window = (
        said("", 1, parts=(Text(text="look"), Image(url=""))),
        said("", 2, "assistant", parts=(Image(url="https://example.org/a.png"),)),
    )

    turns, repairs = turns_of(window, UTC, 8_000)

    assert turns[0].parts == (Text(text="look"),)
    assert turns[1].parts == (Text(text="[An image that was made here.]"),)
    assert [repair.kind for repair in repairs] == ["image without content"]


def test_thought_stays_before_what_it_led_to_and_leaves_when_it_led_to_nothing() -> None:
    thought = Reasoning(text="hm", signature="signed")
    window = (said("", 1, "assistant", parts=(thought, Text(text="so"), thought)),)

    turns, _ = turns_of(window, UTC, 8_000)

    assert turns[0].parts == (thought, Text(text="so"))
