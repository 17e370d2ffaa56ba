"""One conversation that moves from provider to provider with its thoughts and tool calls."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from dataclasses import replace

from support.conversations import SEARCH, a_request, assistant, call, returned, returns, user
from support.wire_oddities import GeminiServer, OllamaServer
from support.wires import (
    AnthropicServer,
    BedrockServer,
    ResponsesServer,
    a_reply,
)

from remanence.core.exchange import Reasoning, Reply
from remanence.llm.models import Models
from remanence.llm.vendors import VENDORS, Provider

# The journey: there and back to those who have thoughts of their own in it.
STOPS = (
    "openai/gpt-5.5",
    "anthropic/claude-sonnet-4-5",
    "gemini/gemini-3-flash",
    "ollama/qwen3",
    "bedrock/us.anthropic.claude-sonnet-4-5-v1:0",
    "openai/gpt-5.5",
    "anthropic/claude-sonnet-4-5",
)


def test_conversation_moves_between_providers_and_every_request_is_accepted(
    aws_credentials: None,
) -> None:
    vendors = {vendor.name: vendor for vendor in VENDORS}
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(cls())
            for name, cls in {
                "openai": ResponsesServer,
                "anthropic": AnthropicServer,
                "gemini": GeminiServer,
                "ollama": OllamaServer,
                "bedrock": BedrockServer,
            }.items()
        }
        models = Models(
            [
                Provider(vendor=vendors[name], base_url=server.base_url, api_key="k", region="r")
                for name, server in servers.items()
            ]
        )
        request = a_request(user("Who?"), tools=(SEARCH,), thinking_budget_tokens=2000)
        for place, handle in enumerate(STOPS):
            server = servers[handle.partition("/")[0]]
            thought = Reasoning(text=f"thought {place}", signature=f"sig-{place}")
            server.answers += [
                a_reply(thought, call(f"call_{place}"), finish="tool_calls"),
                a_reply(f"answer {place}"),
            ]
            for _ in range(2):
                request = replace(request, handle=handle)
                *_, reply = models.call(request, stream=True, deadline=time.monotonic() + 60)
                assert isinstance(reply, Reply)
                turns = (*request.turns, assistant(*reply.parts))
                if reply.tool_calls:
                    turns += (returns(returned(reply.tool_calls[0].tool_call_id)),)
                else:
                    turns += (user("And then?"),)
                request = replace(request, turns=turns)
        models.close()

    assert [problem for server in servers.values() for problem in server.problems] == []
    last = json.dumps(servers["anthropic"].bodies[-1])
    back = json.dumps(servers["openai"].bodies[-1])
    at_bedrock = json.dumps(servers["bedrock"].bodies[-1])
    # Anthropic's signatures hold at every cloud that serves its models.
    assert ("sig-1" in at_bedrock, "sig-4" in at_bedrock, "sig-0" in at_bedrock) == (
        True,
        True,
        False,
    )
    assert ("sig-1" in last, "sig-4" in last, "sig-6" in last) == (True, True, True)
    assert "openai:" not in last
    assert ('"sig-0"' in back, '"sig-5"' in back, "sig-1" in back) == (True, True, False)
    for name in ("gemini", "ollama"):
        assert not re.search(r"\bsig-", json.dumps(servers[name].bodies))
