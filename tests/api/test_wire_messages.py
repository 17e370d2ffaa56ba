from datetime import UTC, datetime, timedelta, timezone

import pytest
from letta_client.types.agents.message import Message as SdkMessage
from pydantic import TypeAdapter

from remanence.api.wire.messages import View, to_wire
from remanence.api.wire.speech import Speech
from remanence.core.exchange import (
    Approval,
    Image,
    Reasoning,
    StoredPart,
    Text,
    ToolCall,
    ToolReturn,
)
from remanence.core.types import Message, MessageRole

MESSAGE_ID = "message-75db1e9c-c728-479c-b12d-07ef33b74c5f"
UUID = "75db1e9c-c728-479c-b12d-07ef33b74c"
COMMON = {
    "id", "date", "name", "message_type", "otid",
    "sender_id", "step_id", "is_err", "seq_id", "run_id",
}  # fmt: skip


def a_message(role: MessageRole, *parts: StoredPart, **values: object) -> Message:
    created_at = datetime(2026, 11, 22, 7, 19, 17, 193037, tzinfo=UTC)
    return Message(
        **{"id": MESSAGE_ID, "role": role, "parts": parts, "created_at": created_at, **values}
    )


def only(message: Message, view: View | None = None) -> dict[str, object]:
    (wire,) = to_wire(message, view or View())
    # Every shape must be one that the official SDK reads back as it was sent.
    TypeAdapter(SdkMessage).validate_python(wire)
    return wire


def test_user_message_of_one_text_has_a_string_content_and_all_common_keys() -> None:
    wire = only(
        a_message(
            "user",
            Text(text="hi"),
            name="bob",
            otid="o-1",
            sender_id="s-1",
            run_id="run-1",
            step_id="step-1",
        )
    )

    assert wire == {
        "id": MESSAGE_ID,
        "date": "2026-11-22T07:19:17+00:00",
        "name": "bob",
        "message_type": "user_message",
        "otid": "o-1",
        "sender_id": "s-1",
        "step_id": "step-1",
        "is_err": None,
        "seq_id": None,
        "run_id": "run-1",
        "content": "hi",
    }


def test_date_in_another_zone_is_sent_as_utc() -> None:
    moment = datetime(2026, 11, 22, 9, 0, tzinfo=timezone(timedelta(hours=2)))

    assert only(a_message("user", Text(text="x"), created_at=moment))["date"] == (
        "2026-11-22T07:00:00+00:00"
    )


def test_user_message_of_several_parts_keeps_them() -> None:
    wire = only(
        a_message(
            "user",
            Text(text="look"),
            Image(url="https://example.org/cat.png"),
            Image(media_type="image/png", data="AAAA", detail="low"),
        )
    )

    assert wire["content"] == [
        {"type": "text", "text": "look", "signature": None},
        {"type": "image", "source": {"type": "url", "url": "https://example.org/cat.png"}},
        {
            "type": "image",
            "source": {
                "type": "base64",
                "media_type": "image/png",
                "data": "AAAA",
                "detail": "low",
            },
        },
    ]


def test_assistant_message_becomes_one_wire_message_per_part_with_numbered_otids() -> None:
    wires = to_wire(
        a_message(
            "assistant",
            Reasoning(text="hm", signature="sig"),
            Text(text="Let me see."),
            ToolCall(tool_call_id="call_1", name="lookup", arguments='{"q": 1}'),
            ToolCall(tool_call_id="call_2", name="lookup", arguments="{}"),
        ),
        View(),
    )

    assert [(wire["message_type"], wire["id"], wire["otid"]) for wire in wires] == [
        ("reasoning_message", MESSAGE_ID, f"{UUID}00"),
        ("assistant_message", MESSAGE_ID, f"{UUID}01"),
        ("tool_call_message", MESSAGE_ID, f"{UUID}02"),
        ("tool_call_message", MESSAGE_ID, f"{UUID}03"),
    ]
    assert wires[0]["reasoning"] == "hm"
    assert wires[0]["signature"] == "sig"
    assert wires[0]["source"] == "reasoner_model"
    assert wires[1]["content"] == "Let me see."
    call = {"name": "lookup", "arguments": '{"q": 1}', "tool_call_id": "call_1"}
    assert wires[2]["tool_call"] == call
    assert wires[2]["tool_calls"] == [call]


def test_redacted_reasoning_is_hidden() -> None:
    wire = only(a_message("assistant", Reasoning(text="", redacted="opaque")))

    assert wire["message_type"] == "hidden_reasoning_message"
    assert wire["state"] == "redacted"
    assert wire["hidden_reasoning"] == "opaque"


def test_tool_message_gives_one_return_each_under_the_name_of_its_tool() -> None:
    wires = to_wire(
        a_message(
            "tool",
            ToolReturn(tool_call_id="call_1", name="one", text="fine", stdout=("line",)),
            ToolReturn(tool_call_id="call_2", name="two", text="bad", status="error"),
        ),
        View(),
    )

    assert wires[0]["message_type"] == "tool_return_message"
    assert (wires[0]["name"], wires[1]["name"]) == ("one", "two")
    returned = {
        "tool_return": "fine",
        "status": "success",
        "tool_call_id": "call_1",
        "stdout": ["line"],
        "stderr": None,
    }
    assert {key: wires[0][key] for key in returned} == returned
    assert wires[0]["tool_returns"] == [{"type": "tool", **returned}]
    assert wires[1]["status"] == "error"
    assert wires[1]["otid"] == f"{UUID}01"


def test_send_message_is_an_assistant_message_and_its_return_is_not_shown() -> None:
    call = ToolCall(tool_call_id="c", name="send_message", arguments='{"message": "Hello"}')
    sent = ToolReturn(tool_call_id="c", name="send_message", text="Sent message successfully.")

    assert only(a_message("assistant", call))["content"] == "Hello"
    assert to_wire(a_message("tool", sent), View()) == []


def test_send_message_that_failed_shows_its_return() -> None:
    refused = ToolReturn(tool_call_id="c", name="send_message", text="no", status="error")

    assert only(a_message("tool", refused))["status"] == "error"


def test_send_message_that_cannot_be_read_stays_a_tool_call() -> None:
    call = ToolCall(tool_call_id="c", name="send_message", arguments="{")

    assert only(a_message("assistant", call))["message_type"] == "tool_call_message"


def test_send_message_without_assistant_messages_stays_a_tool_call_with_its_return() -> None:
    view = View(speech=Speech(tool_name=None))
    call = ToolCall(tool_call_id="c", name="send_message", arguments='{"message": "Hello"}')
    sent = ToolReturn(tool_call_id="c", name="send_message", text="Sent message successfully.")

    assert only(a_message("assistant", call), view)["message_type"] == "tool_call_message"
    assert only(a_message("tool", sent), view)["message_type"] == "tool_return_message"


def test_system_summary_and_approval_messages_have_their_own_types() -> None:
    summary = only(a_message("summary", Text(text="they met")))
    call = ToolCall(tool_call_id="c", name="pay", arguments="{}")
    request = only(a_message("approval", call))

    assert only(a_message("system", Text(text="be kind")))["content"] == "be kind"
    assert summary["message_type"] == "summary_message"
    assert summary["summary"] == "they met"
    assert request["message_type"] == "approval_request_message"
    assert request["otid"] == request["id"]
    assert request["tool_call"] == request["tool_calls"][0]


def test_approval_request_holds_all_calls_after_what_was_said() -> None:
    wires = to_wire(
        a_message(
            "approval",
            Text(text="May I?"),
            ToolCall(tool_call_id="c1", name="pay", arguments="{}"),
            ToolCall(tool_call_id="c2", name="look", arguments="{}"),
        ),
        View(),
    )

    assert [wire["message_type"] for wire in wires] == [
        "assistant_message",
        "approval_request_message",
    ]
    assert [call["name"] for call in wires[1]["tool_calls"]] == ["pay", "look"]


def test_approval_response_keeps_every_answer() -> None:
    denied = Approval(tool_call_id="c1", approve=False, reason="too dear")
    ran = ToolReturn(tool_call_id="c2", name="look", text="a cat")

    one = only(a_message("approval", denied))
    two = only(a_message("approval", denied, ran))

    answer = {"type": "approval", "tool_call_id": "c1", "approve": False, "reason": "too dear"}
    assert one["message_type"] == "approval_response_message"
    assert (one["approve"], one["reason"], one["approvals"]) == (False, "too dear", [answer])
    assert two["approve"] is None
    assert two["approvals"][0] == answer
    assert two["approvals"][1]["type"] == "tool"
    assert two["approvals"][1]["tool_return"] == "a cat"


def test_view_with_message_types_leaves_out_the_others() -> None:
    message = a_message("assistant", Reasoning(text="hm"), Text(text="hi"))

    wires = to_wire(message, View(message_types=frozenset({"assistant_message"})))

    assert [wire["content"] for wire in wires] == ["hi"]
    assert wires[0]["otid"] == f"{UUID}01"


@pytest.mark.parametrize(
    "message",
    [
        a_message("assistant", Image(url="https://example.org/x")),
        a_message("user", Reasoning(text="x"), Text(text="y")),
        a_message("tool", Text(text="x")),
        a_message("system", Image(url="https://example.org/x")),
        a_message("approval", Text(text="x")),
    ],
    ids=lambda message: str(message.role),
)
def test_part_out_of_place_raises(message: Message) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        to_wire(message, View())


def test_every_wire_message_has_all_common_keys() -> None:
    messages = [
        a_message("user", Text(text="x")),
        a_message("system", Text(text="x")),
        a_message("summary", Text(text="x")),
        a_message("assistant", Reasoning(text="x"), Text(text="y")),
        a_message("assistant", ToolCall(tool_call_id="c", name="n", arguments="{}")),
        a_message("tool", ToolReturn(tool_call_id="c", name="n", text="x")),
        a_message("approval", ToolCall(tool_call_id="c", name="n", arguments="{}")),
    ]

    for message in messages:
        for wire in to_wire(message, View()):
            assert set(wire) >= COMMON
