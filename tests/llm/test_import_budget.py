"""What importing the models costs: no provider's package until it is called."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from support.wires import AnthropicServer, BedrockServer, OpenAIServer

SDKS = ("openai", "anthropic", "boto3")
HEAVY = ("openai", "anthropic", "boto3", "httpx2", "pydantic")
PROBE = f"""
import sys
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm
from remanence.llm.vendors import configured
env = {{"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "BEDROCK_REGION": "eu-west-1"}}
models = Models(configured(env))
models.context_window("openai/gpt-4o")
models.close()
print(sorted(set({HEAVY!r}) & set(sys.modules)))
"""


def test_models_are_made_without_importing_a_providers_package() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


CALL = f"""
import sys, time
from remanence.core.exchange import ModelSettings, Request, Text, Turn
from remanence.llm.models import Models
from remanence.llm.vendors import configured
import os
models = Models(configured(os.environ))
turn = Turn(role="user", parts=(Text(text="hi"),))
request = Request(handle=sys.argv[1], system="", turns=(turn,), tools=(), settings=ModelSettings())
*_, reply = models.call(request, stream=True, deadline=time.monotonic() + 60)
models.close()
print(reply.text, sorted(set({SDKS!r}) & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("server_of", "variable", "handle", "sdk"),
    [
        (OpenAIServer, "OPENAI_BASE_URL", "openai/llama", "openai"),
        (OpenAIServer, "OLLAMA_BASE_URL", "ollama/llama", "openai"),
        (AnthropicServer, "ANTHROPIC_BASE_URL", "anthropic/claude-haiku-4-5", "anthropic"),
        (
            BedrockServer,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
            "bedrock/amazon.nova-lite-v1:0",
            "boto3",
        ),
    ],
)
def test_call_of_one_provider_loads_its_package_and_no_other(
    server_of: Any, variable: str, handle: str, sdk: str
) -> None:
    with server_of() as server:
        env = os.environ | {
            "OPENAI_API_KEY": "key",
            "ANTHROPIC_API_KEY": "key",
            "GROQ_API_KEY": "key",
            "BEDROCK_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "secret",
            variable: server.base_url,
        }
        done = subprocess.run(
            [sys.executable, "-c", CALL, handle],
            capture_output=True,
            text=True,
            check=True,
            env=env,
        )

    assert done.stdout.strip() == f"ok ['{sdk}']"
