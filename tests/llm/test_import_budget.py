"""What importing the models costs: no provider's package until it is called."""

from __future__ import annotations

import subprocess
import sys

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
