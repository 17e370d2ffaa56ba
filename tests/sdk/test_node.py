"""The official Node SDK: the same server, another language's idea of what an answer is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.node import run_node
from support.server import MODEL

from remanence import __version__

if TYPE_CHECKING:
    from support.server import Server


@pytest.fixture(scope="module")
def result(server: Server) -> dict[str, Any]:
    """What the quickstart got."""
    return run_node("quickstart.mjs", server.base_url, MODEL)


def test_node_makes_an_agent_with_two_blocks(result: dict[str, Any]) -> None:
    blocks = result["agent"]["blocks"]

    assert [(block["label"], block["value"]) for block in blocks] == [
        ("human", "Name: Ada"),
        ("persona", "I am a kind companion."),
    ]
    assert set(result["tools"]) == {
        "conversation_search",
        "memory_insert",
        "memory_replace",
        "archival_memory_insert",
        "archival_memory_search",
    }
    assert result["agents"] == [result["agent"]["id"]]


def test_node_sends_a_message_and_sees_the_memory_change(result: dict[str, Any]) -> None:
    kinds = [message["message_type"] for message in result["response"]["messages"]]

    assert kinds == ["tool_call_message", "tool_return_message", "assistant_message"]
    assert result["response"]["messages"][-1]["content"] == "Noted."
    assert result["response"]["stop_reason"]["stop_reason"] == "end_turn"
    assert "Lives in Ulm." in result["human"]["value"]


def test_node_streams_tokens(result: dict[str, Any]) -> None:
    texts = [e["content"] for e in result["streamed"] if e["message_type"] == "assistant_message"]

    assert len(texts) > 1
    assert "".join(texts) == "Ulm on the Danube"
    assert [event["message_type"] for event in result["streamed"][-2:]] == [
        "stop_reason",
        "usage_statistics",
    ]


def test_node_stores_and_finds_a_passage(result: dict[str, Any]) -> None:
    (passage,) = result["passages"]

    assert passage["text"] == "Ada keeps bees behind the cathedral."
    assert result["search"]["count"] == 1
    assert result["search"]["results"][0]["content"] == passage["text"]
    assert result["search"]["results"][0]["tags"] == ["hobby"]


def test_node_reads_the_history_page_by_page(result: dict[str, Any]) -> None:
    assert result["history"] == [
        "user_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "user_message",
        "assistant_message",
    ]


def test_node_meets_errors_of_its_own_classes(result: dict[str, Any]) -> None:
    assert result["missing"]["isNotFound"] is True
    assert "does not exist" in result["missing"]["detail"]
    assert result["unserved"] == {"isAPIError": True, "status": 501}


def test_node_deletes_and_asks_for_health(result: dict[str, Any]) -> None:
    assert "successfully deleted" in result["deleted"]["message"]
    assert result["health"] == {"version": __version__, "status": "ok"}
