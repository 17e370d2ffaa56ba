"""What Bedrock's models take, by their names.

Path: bedrock_request, bedrock_settings and bedrock_wire look models up here.
Pure. A name is `anthropic.claude-...`; a region (`us.`, `global.`) may stand before it, and all of
it may be the end of an ARN.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

# The region of an inference profile and the maker: what stands before a model's own name.
_BEFORE = re.compile(r"(?:[a-z]+(?:-[a-z]+)*\.)?[a-z0-9]+\.(?=[a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class BedrockTraits:
    """What Converse accepts for a model.

    `forces`: which kinds of tool choice beside `auto`. `caches`: takes cache points.
    `claude`: the name by which catalogue.claude_traits knows it; "" for all others.
    """

    forces: frozenset[Literal["any", "tool"]] = frozenset()
    caches: bool = False
    claude: str = ""


def plain_name(model: str) -> str:
    """The model's own name, as other vendors call it."""
    return _BEFORE.sub("", model.rpartition("/")[2], count=1)


def bedrock_traits(model: str) -> BedrockTraits:
    """What Converse accepts for this model; nothing special for one that nobody knows.

    Source: the tables of supported models in the user guide (tool use, prompt caching).
    """
    name = plain_name(model)
    match name.partition("-")[0]:
        case "claude":
            old = name.startswith("claude-3-") and not name.startswith(
                ("claude-3-5-h", "claude-3-7")
            )
            return BedrockTraits(forces=frozenset({"any", "tool"}), caches=not old, claude=name)
        case "nova":
            return BedrockTraits(forces=frozenset({"any", "tool"}), caches=True)
        case "mistral" | "pixtral":
            return BedrockTraits(forces=frozenset({"any"}))
        case _:
            return BedrockTraits()
