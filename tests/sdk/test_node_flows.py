"""The official Node SDK: runs that nobody waits for, approvals, tools of the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.node import run_node
from support.server import MODEL

if TYPE_CHECKING:
    from support.server import Server


@pytest.fixture(scope="module")
def flows(server: Server) -> dict[str, Any]:
    """What all the flows got."""
    return run_node("flows.mjs", server.base_url, MODEL)


def test_node_resumes_a_background_run_in_another_process(
    server: Server, flows: dict[str, Any]
) -> None:
    first = flows["first"]
    rest = run_node("flows.mjs", server.base_url, "resume", first["run_id"], str(first["seq_id"]))

    kinds = [event["message_type"] for event in rest if event["message_type"] != "ping"]
    assert first["message_type"] == "tool_call_message"
    assert kinds[:2] == ["tool_return_message", "assistant_message"]
    assert rest[-2]["stop_reason"] == "end_turn"


def test_node_starts_a_run_and_asks_for_it_later(flows: dict[str, Any]) -> None:
    assert flows["run"] == {
        "status": "completed",
        "stop_reason": "end_turn",
        "said": ["user_message", "assistant_message"],
    }


def test_node_cancels_a_run_while_it_streams(flows: dict[str, Any]) -> None:
    assert flows["cancelled"] == {
        "kinds": ["tool_call_message", "tool_return_message", "stop_reason"],
        "stop": "cancelled",
    }


def test_node_answers_requests_for_approval(flows: dict[str, Any]) -> None:
    approval = flows["approval"]

    assert approval["request"] == "approval_request_message"
    assert approval["meanwhile"] == {"isConflict": True, "status": 409}
    assert approval["wrong"] == {"isConflict": False, "status": 422}
    assert approval["denied"]["status"] == "error"
    assert "too private" in approval["denied"]["tool_return"]
    assert approval["afterDenial"] == "Name: Ada"
    assert approval["given"] == ["tool_return_message", "assistant_message"]
    assert "Likes tea" in approval["afterApproval"]


def test_node_runs_a_tool_of_its_own(flows: dict[str, Any]) -> None:
    assert flows["clientTool"] == {
        "asked": "approval_request_message",
        "served": ["assistant_message"],
    }


def test_node_sends_the_same_message_twice_and_gets_one_answer(flows: dict[str, Any]) -> None:
    first, second = flows["same"]

    assert first == second
