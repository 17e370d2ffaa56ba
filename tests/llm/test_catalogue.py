"""What a model's name says about it."""

from __future__ import annotations

import pytest

from remanence.llm.catalogue import (
    claude_traits,
    is_chat,
    is_embedding,
    known_dim,
    known_window,
    openai_traits,
)


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("gpt-4", 8_192),
        ("gpt-4o-mini-2024-07-18", 128_000),
        ("GPT-4.1-mini", 1_047_576),
        ("openai/gpt-5-mini", 272_000),
        ("claude-sonnet-4-5-20250929", 200_000),
        ("claude-opus-5-5", 1_000_000),
        ("gemini-2.5-flash", 1_048_576),
        ("llama3.2", None),
    ],
)
def test_longest_prefix_tells_the_window(model: str, window: int | None) -> None:
    assert known_window(model) == window


def test_embedding_models_are_told_from_the_others() -> None:
    assert is_embedding("text-embedding-3-small")
    assert is_embedding("BAAI/bge-m3")
    assert not is_embedding("gpt-4o")
    assert known_dim("nomic-embed-text:latest") == 768
    assert known_dim("BAAI/bge-m3") == 1_024
    assert known_dim("own-embed") is None


def test_models_that_cannot_drive_an_agent_are_told_from_the_others() -> None:
    names = ["gpt-4o", "o3", "gpt-3.5-turbo", "moonshotai/kimi-k2-instruct", "gemini-2.5-flash"]
    others = ["whisper-1", "gpt-4o-realtime", "dall-e-3", "gpt-3.5-turbo-instruct", "bge-m3"]

    assert [name for name in names + others if is_chat(name)] == names


def test_unknown_names_are_treated_like_the_newest_of_their_vendor() -> None:
    assert claude_traits("claude-opus-9") == claude_traits("claude-opus-5-5")
    assert claude_traits("claude-sonnet-4-5-20250929").thinking == "budget"
    assert openai_traits("my-finetune").temperature
    assert openai_traits("gpt-6.2-sol").effort_with_tools == "none"
