"""The list of fallback models through the official SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import letta_client
import pytest
from support.server import MODEL

if TYPE_CHECKING:
    from support.server import Server


def test_fallback_models_read_back_and_one_that_nobody_serves_is_refused(server: Server) -> None:
    settings: Any = {"provider_type": "openai", "fallback_models": [MODEL, "openai/gpt-4o"]}
    with server.client() as client:
        agent = client.agents.create(model=MODEL, model_settings=settings)
        read = _settings(client, agent.id)
        client.agents.update(agent.id, model_settings=read)
        again = _settings(client, agent.id)
        settings["fallback_models"] = ["nobody/none"]
        with pytest.raises(letta_client.NotFoundError, match="nobody/none"):
            client.agents.update(agent.id, model_settings=settings)

    assert read["fallback_models"] == [MODEL, "openai/gpt-4o"]
    assert again == read


def _settings(client: letta_client.Letta, agent_id: str) -> Any:
    raw: Any = client.get(f"/v1/agents/{agent_id}", cast_to=object)
    return raw["model_settings"]
