"""Arguments as models write them: read where the meaning is plain, refused with help where not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remanence.core.arguments import read_arguments
from remanence.core.exchange import ToolCall

if TYPE_CHECKING:
    from remanence.core.exchange import JsonObject

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "loud": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "mode": {"type": "string", "enum": ["any", "all"]},
        "where": {
            "type": "object",
            "properties": {"line": {"type": "integer"}},
            "required": ["line"],
        },
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "free": {},
    },
    "required": ["label"],
}


def read(text: str, schema: JsonObject = SCHEMA) -> JsonObject | str:
    return read_arguments(ToolCall(tool_call_id="c", name="look", arguments=text), schema)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"label": "x"}', {"label": "x"}),
        ('  {"label": "x"}\n', {"label": "x"}),
        ('```json\n{"label": "x"}\n```', {"label": "x"}),
        ('Here you are: {"label": "x"} - done', {"label": "x"}),
        ('{"label": "x",}', {"label": "x"}),
        ('{"label": "x", "tags": ["a", "b",],}', {"label": "x", "tags": ["a", "b"]}),
        ('{"label": "x"}{"label": "y"}', {"label": "x"}),
        ('{}{"label": "y"}', {"label": "y"}),
        ('{"label": "x", "loud": True, "count": None}', {"label": "x", "loud": True}),
        ("{'label': 'it\\'s \"so\"', 'loud': False}", {"label": 'it\'s "so"', "loud": False}),
        ('{"label": "True, None,}"}', {"label": "True, None,}"}),
        ('{"label": "two\nlines"}', {"label": "two\nlines"}),
        ('[{"label": "x"}]', {"label": "x"}),
        (json.dumps('{"label": "x"}'), {"label": "x"}),
        ('{"label": "a\\u0000b\\ud83d\\ude00\\ud83d"}', {"label": "ab😀\ufffd"}),
    ],
)
def test_read_arguments_mends_what_has_one_meaning(text: str, expected: JsonObject) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["", "  ", "{}", "null"])
def test_read_arguments_of_nothing_are_none_given(text: str) -> None:
    assert read(text, {"type": "object", "properties": {"a": {"type": "string"}}}) == {}


@pytest.mark.parametrize(
    ("given_value", "name", "expected"),
    [
        ("3", "count", 3),
        (3.0, "count", 3),
        ("3.0", "count", 3),
        ("0.5", "share", 0.5),
        (2, "share", 2),
        ("true", "loud", True),
        ("False", "loud", False),
        (7, "label", "7"),
        (True, "label", "true"),
        ("one", "tags", ["one"]),
        ('["one", "two"]', "tags", ["one", "two"]),
        ("[not json", "tags", ["[not json"]),
        ("", "tags", []),
        ([1, "b"], "tags", ["1", "b"]),
        ("ALL", "mode", "all"),
        ('{"line": "4"}', "where", {"line": 4}),
        ({"line": 4, "other": 1}, "where", {"line": 4}),
        (None, "maybe", None),
        ("5", "maybe", 5),
        ({"a": [None]}, "free", {"a": [None]}),
    ],
)
def test_read_arguments_coerces_what_is_unambiguous(
    given_value: Any, name: str, expected: Any
) -> None:
    found = read(json.dumps({"label": "x", name: given_value}))

    assert isinstance(found, dict)
    assert found[name] == expected
    assert type(found[name]) is type(expected)


@pytest.mark.parametrize(
    ("given_value", "name", "why"),
    [
        ("three", "count", "must be a whole number"),
        (3.5, "count", "must be a whole number"),
        (True, "count", "must be a whole number"),
        ("much", "share", "must be a number"),
        ("1e999", "share", "must be a number"),
        ("perhaps", "loud", "must be true or false"),
        (1, "loud", "must be true or false"),
        ({"a": 1}, "label", "must be a string"),
        ({"a": 1}, "tags", "must be a list"),
        ([["a"]], "tags", "each must be a string"),
        ("some", "mode", 'must be one of ["any", "all"]'),
        ("x", "where", "must be an object"),
        ({"line": "x"}, "where", "`line` must be a whole number"),
        ({}, "where", "`line` is missing"),
        ("x", "maybe", "must be a whole number or must be null"),
    ],
)
def test_read_arguments_names_the_argument_that_does_not_fit(
    given_value: Any, name: str, why: str
) -> None:
    found = read(json.dumps({"label": "x", name: given_value}))

    assert isinstance(found, str)
    assert f"`{name}`" in found
    assert why in found


def test_read_arguments_tells_what_the_tool_takes() -> None:
    found = read("{}")

    assert found == (
        "look was not run: `label` is missing. It takes: label (string, required), "
        "count (integer), share (number), loud (boolean), tags (list of string), "
        'mode (one of ["any", "all"]), where (object), maybe (integer or null), free (anything).'
    )


def test_read_arguments_lists_all_problems_at_once() -> None:
    found = read('{"count": "x", "loud": "y"}')

    assert isinstance(found, str)
    for name in ("label", "count", "loud"):
        assert f"`{name}`" in found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"label": "a long te', "end too early"),
        ('{"label": "x", "count": ', "end too early"),
        ("hello", "no JSON object"),
        ("[1, 2]", "they are a list"),
        ("3", "they are a number"),
        ("true", "they are true or false"),
        ('"word"', "they are a string"),
        ('{"label": NaN}', "not a JSON number"),
        ('{"label" "x"}', "not valid JSON"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "nested too deeply"),
    ],
)
def test_read_arguments_refuses_what_could_mean_anything(text: str, why: str) -> None:
    found = read(text)

    assert isinstance(found, str)
    assert why in found
    assert "It takes: label (string, required)" in found


def test_read_arguments_drops_unknown_ones_unless_the_schema_allows_them() -> None:
    text = '{"label": "x", "extra": 1}'

    assert read(text) == {"label": "x"}
    assert read(text, {**SCHEMA, "additionalProperties": True}) == {"label": "x", "extra": 1}
    assert read(text, {"type": "object"}) == {"label": "x", "extra": 1}


ODD_TEXT = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", '"', "'", ":", ",", "\\", "\n", "label", "None", "1", "é", "\ud800"]
    ),
    max_size=40,
).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60) | ODD_TEXT)
def test_read_arguments_never_raises_on_any_text(text: str) -> None:
    found = read(text)

    assert isinstance(found, dict | str)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["label", "count", "tags", "maybe", "odd"]), JSON_VALUES),
    st.dictionaries(
        st.sampled_from(["type", "properties", "required", "enum", "anyOf", "items"]), JSON_VALUES
    ),
)
def test_read_arguments_never_raises_on_any_schema(
    arguments: dict[str, Any], schema: dict[str, Any]
) -> None:
    for wanted in (schema, {"properties": {"label": schema, "tags": {"items": schema}}}):
        assert isinstance(read(json.dumps(arguments), wanted), dict | str)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.integers(), st.lists(st.text(max_size=8), max_size=4))
def test_read_arguments_keeps_valid_ones_as_they_are(
    label: str, count: int, tags: list[str]
) -> None:
    clean = label.replace("\0", "")
    tags = [tag.replace("\0", "") for tag in tags]

    found = read(json.dumps({"label": label, "count": count, "tags": tags}))

    assert found == {"label": clean, "count": count, "tags": tags}


def test_read_arguments_of_a_long_odd_text_takes_no_long_time() -> None:
    for text in ('{"' + '\\"' * 100_000, "{" + "'" * 200_001, "{" + ",]" * 100_000):
        assert isinstance(read(text), str)
