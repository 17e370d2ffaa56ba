"""What the demonstration says about itself and when there is nothing to remember. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remanence.demo.understand import Topic

NAME = "remanence-demo"
_WHAT_IT_IS = (
    f"I am {NAME}, a scripted demonstration and not a language model: rules choose my "
    "words, but the memory behind them is real and stays when everything is closed."
)
_REAL_MODEL = (
    "For a real model, set OPENAI_API_KEY, ANTHROPIC_API_KEY or OLLAMA_BASE_URL and start again."
)
_WHAT_IT_DOES = (
    'Tell me things ("my name is Ada", "I moved to Porto", "my sister\'s birthday is 3 May", '
    '"remember that the meeting is at nine"), ask for them later ("where do I live?", "what do '
    'you know about me?"), or have them removed ("forget my address").'
)
_SAID: dict[Topic, str] = {
    "identity": f"{_WHAT_IT_IS} {_REAL_MODEL}",
    "help": f"{_WHAT_IT_IS} {_WHAT_IT_DOES} {_REAL_MODEL}",
    "thanks": "You are welcome.",
    "farewell": "Goodbye. What you told me stays; ask me about it next time.",
    "agreed": "Good.",
    "unknown": (
        'I have no rule for that, so I stored nothing. Try "my name is Ada", "remember that '
        'the meeting is at nine" or "what do you know about me?".'
    ),
}


def greeting(name: str | None) -> str:
    """A greeting that says at once who, or what, is speaking."""
    return f"Hello{', ' + name if name else ''}! {_WHAT_IT_IS} {_REAL_MODEL}"


def remark(topic: Topic) -> str:
    """What there is to say to a sentence that asks for nothing."""
    return _SAID[topic]


NO_IMAGES = "I cannot see images; I only read words."
