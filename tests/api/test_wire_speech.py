import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remanence.api.wire.speech import GrowingText, Speech, whole

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def grown(text: str, cuts: list[int]) -> str:
    growing = GrowingText("message")
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return "".join(growing.feed(text[start:end]) for start, end in pairwise(places))


@given(
    st.text(),
    st.dictionaries(st.text().filter(lambda key: key != "message"), JSON, max_size=3),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 400)),
)
def test_growing_text_however_the_json_is_cut_gives_the_whole_field(
    message: str, others: dict[str, object], ascii_only: bool, first: bool, cuts: list[int]
) -> None:
    values = {"message": message, **others} if first else {**others, "message": message}
    text = json.dumps(values, ensure_ascii=ascii_only, indent=1 if first else None)

    assert grown(text, cuts) == message


@given(JSON.filter(lambda value: not isinstance(value, str)), st.lists(st.integers(0, 200)))
def test_growing_text_of_another_type_gives_nothing(value: object, cuts: list[int]) -> None:
    assert grown(json.dumps({"message": value}), cuts) == ""


@given(st.text(alphabet='{}[]",:\\u0d8message '), st.lists(st.integers(0, 200)))
def test_growing_text_of_broken_json_never_raises(text: str, cuts: list[int]) -> None:
    grown(text, cuts)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\ud83d!", "\ufffd!"),
        (r"\ud83d", "\ufffd"),
        (r"\ude00", "\ufffd"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\uzzzz", "\ufffd"),
        (r"a\/b\\c\"d\n", 'a/b\\c"d\n'),
    ],
)
def test_growing_text_with_escapes_reads_them(written: str, read: str) -> None:
    text = '{"message": "' + written + '"}'

    assert grown(text, list(range(len(text)))) == read


def test_growing_text_ignores_the_same_key_deeper_down() -> None:
    text = '{"other": {"message": "no", "list": ["message", "no"]}, "message": "yes"}'

    assert grown(text, []) == "yes"


def test_said_reads_the_argument_of_the_speaking_tool() -> None:
    speech = Speech()

    assert speech.said("send_message", '{"message": "hi", "request_heartbeat": false}') == "hi"
    assert speech.said("memory_insert", '{"message": "hi"}') is None
    assert speech.said("send_message", '{"message": 3}') is None
    assert speech.said("send_message", "not json") is None
    assert Speech(tool_name=None).said("send_message", '{"message": "hi"}') is None
    assert Speech(tool_name="talk", argument="words").said("talk", '{"words": "hi"}') == "hi"


def test_whole_replaces_surrogates_without_their_half() -> None:
    assert whole("a\ud83d b \U0001f600") == "a\ufffd b \U0001f600"
