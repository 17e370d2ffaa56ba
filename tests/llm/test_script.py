"""The language of the scripted model."""

from __future__ import annotations

import pytest

from remanence.errors import InvalidRequest
from remanence.llm.script import Call, Count, Delay, End, Fail, Say, Think, parse_script


def test_steps_and_actions_are_read_in_order() -> None:
    steps = parse_script(
        'Hello. [[script: think Hm.]] [[and: call save {"a": [[1, 2]], "b": "]]"}]]\n'
        "[[then: say Saved. Really.]] [[THEN:error too_long times=2]]"
    )

    assert steps == (
        (
            Think(text="Hm."),
            Call(name="save", arguments='{"a": [[1, 2]], "b": "]]"}'),
        ),
        (Say(text="Saved. Really."),),
        (Fail(kind="too_long", times=2),),
    )


@pytest.mark.parametrize(
    ("directive", "action"),
    [
        ("delay 0.5", Delay(seconds=0.5)),
        ("finish length", End(finish="length")),
        ("usage 100/20", Count(prompt_tokens=100, completion_tokens=20)),
        ("error rate_limit retry_after=3", Fail(kind="rate_limit", retry_after_s=3.0)),
        ("call now", Call(name="now", arguments="{}")),
        ('call save {"a": ', Call(name="save", arguments='{"a":')),
        ("call save not json", Call(name="save", arguments="not json")),
        ("say", Say(text="")),
    ],
)
def test_every_action_can_be_written(directive: str, action: object) -> None:
    assert parse_script(f"[[script: {directive}]]") == ((action,),)


@pytest.mark.parametrize(
    "text",
    ["", "Hello.", "[[script: say x]] and then words", "[[fact: x]]", "see [[other]]"],
)
def test_text_that_does_not_end_with_a_script_is_none(text: str) -> None:
    assert parse_script(text) == ()


def test_script_that_was_quoted_before_other_words_does_not_count() -> None:
    text = "You said [[script: say a]] before. [[script: say b]]"

    assert parse_script(text) == ((Say(text="b"),),)


@pytest.mark.parametrize(
    "text",
    [
        "[[script: dance]]",
        "[[script: delay soon]]",
        "[[script: usage many]]",
        "[[script: finish bored]]",
        "[[script: error x y=1]]",
        "[[script: error x times]]",
        "[[script: say never closed",
        "[[script: call]]",
        "[[script: call x {",
    ],
)
def test_script_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="script"):
        parse_script(text)
