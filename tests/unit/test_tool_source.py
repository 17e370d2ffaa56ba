"""Tools read from source: what becomes of signatures and docstrings, and what is refused."""

from __future__ import annotations

import textwrap
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remanence.core.docstrings import read_docstring
from remanence.core.ids import ToolId
from remanence.core.tool_source import read_source
from remanence.core.tool_specs import (
    ToolDraft,
    make_tool,
    normalized,
    rank_tools,
    read_requirements,
)
from remanence.errors import InvalidRequest, LimitExceeded

HEAD = """
from __future__ import annotations
import enum, typing as t
from dataclasses import dataclass
from typing import *
class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"
class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2
@dataclass
class Point:
    x: int
    y: float = 0.0
class Options(TypedDict):
    size: int
    name: NotRequired[str]
class Knot(TypedDict):
    again: "Knot"
Alias = list[int]
"""


@dataclass(frozen=True)
class Case:
    annotation: str
    schema: dict[str, Any]


CASES = [
    Case("str", {"type": "string"}),
    Case("int", {"type": "integer"}),
    Case("float", {"type": "number"}),
    Case("bool", {"type": "boolean"}),
    Case("dict", {"type": "object"}),
    Case("list", {"type": "array", "items": {}}),
    Case("Any", {}),
    Case("list[str]", {"type": "array", "items": {"type": "string"}}),
    Case("t.List[int]", {"type": "array", "items": {"type": "integer"}}),
    Case("tuple[int, ...]", {"type": "array", "items": {"type": "integer"}}),
    Case("dict[str, int]", {"type": "object", "additionalProperties": {"type": "integer"}}),
    Case("Optional[int]", {"type": "integer"}),
    Case("int | None", {"type": "integer"}),
    Case("int | str", {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    Case("Union[int, int]", {"type": "integer"}),
    Case(
        "int | str | None",
        {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
    ),
    Case("'str'", {"type": "string"}),
    Case("Literal['a', 'b']", {"type": "string", "enum": ["a", "b"]}),
    Case("Literal[1, 'b']", {"enum": [1, "b"]}),
    Case("Literal[True]", {"type": "boolean", "enum": [True]}),
    Case("Annotated[int, 'more']", {"type": "integer"}),
    Case("Color", {"type": "string", "enum": ["red", "blue"]}),
    Case("Level", {"type": "integer", "enum": [1, 2]}),
    Case("Alias", {"type": "array", "items": {"type": "integer"}}),
    Case(
        "Point",
        {
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {"type": "number"}},
            "required": ["x"],
        },
    ),
    Case(
        "Options",
        {
            "type": "object",
            "properties": {"size": {"type": "integer"}, "name": {"type": "string"}},
            "required": ["size"],
        },
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.annotation)
def test_annotation_becomes_a_schema(case: Case) -> None:
    found = read_source(f"{HEAD}\ndef f(x: {case.annotation}): ...")

    assert found.parameters == {
        "type": "object",
        "properties": {"x": case.schema},
        "required": ["x"],
    }


@pytest.mark.parametrize(
    "annotation",
    ["Thing", "Callable[[int], str]", "Literal[f]", "Knot", "lambda: 1", "'(('", "type"],
)
def test_annotation_without_a_schema_is_refused_by_the_arguments_name(annotation: str) -> None:
    with pytest.raises(InvalidRequest, match="argument 'x' of 'f' has the type"):
        read_source(f"{HEAD}\ndef f(x: {annotation}): ...")


def test_arguments_with_a_default_are_not_required() -> None:
    found = read_source("async def f(a: int, b: int = 1, *, c: str, d: str = ''): ...")

    assert found.parameters["required"] == ["a", "c"]


def test_tool_is_the_last_public_function() -> None:
    source = "def a(): ...\ndef b(): ...\ndef _c(): ...\nclass D:\n    def e(self): ...\n"

    assert read_source(source).name == "b"
    assert read_source(source, name="a").name == "a"
    with pytest.raises(InvalidRequest, match="no function 'e'"):
        read_source(source, name="e")


@pytest.mark.parametrize(
    "line",
    ["import letta", "import letta.agent as x", "from letta.schemas import y", "import remanence"],
)
def test_import_of_the_servers_code_is_refused_wherever_it_stands(line: str) -> None:
    with pytest.raises(InvalidRequest, match="Remove the import"):
        read_source(f"def f():\n    {line}\n")


def test_import_of_a_client_is_not_of_the_server() -> None:
    assert read_source("def f():\n    import letta_client\n").name == "f"


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for source in (text, f"def f(x: {text}):\n    '''{text}'''", f"def f({text}): ..."):
        with suppress(InvalidRequest):
            read_source(source)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 5000,
        "-" * 50_000 + "1",
        f"def f(x: {' | '.join(['int'] * 3000)}): ...",
        "x\0",
        "\ud800",
    ],
    ids=["parentheses", "signs", "union", "nul", "surrogate"],
)
def test_source_that_would_break_a_parser_is_refused(source: str) -> None:
    with pytest.raises(InvalidRequest):
        read_source(source)


def test_docstring_of_google_style_is_taken_apart() -> None:
    doc = read_docstring(
        textwrap.dedent("""\
        Roll dice.

        Fairly.

        Args:
            sides (int): How many sides
                each has: six, mostly.
            times:
                How often.

            **more: The rest.

        Returns:
            str: Nothing of it is kept.
        And so on.
        """)
    )

    assert doc.text == "Roll dice.\n\nFairly.\n\nAnd so on."
    assert doc.arguments == {
        "sides": "How many sides each has: six, mostly.",
        "times": "How often.",
        "more": "The rest.",
    }


@pytest.mark.parametrize("text", ["", "Args:", "Args:\n", "Args:\n  x", "\n\nArgs:\nx: y"])
def test_docstring_that_says_little_is_no_error(text: str) -> None:
    assert read_docstring(text).arguments == {}


SOURCE = 'def f(x: int):\n    """Doc."""\n'


def made(**fields: Any) -> Any:
    return make_tool(ToolId("tool-1"), ToolDraft(**({"source_code": SOURCE} | fields)), {})


def test_description_is_what_was_said_most_directly() -> None:
    schema = {"description": "Schema."}

    assert made().description == "Doc."
    assert made(json_schema=schema).description == "Schema."
    assert made(json_schema=schema, description="Said.").description == "Said."


def test_name_that_providers_refuse_is_refused() -> None:
    for name in ("ünï", "x" * 65):
        with pytest.raises(InvalidRequest, match="64 at most"):
            made(source_code=f"def {name}():\n    'd'")


def test_source_has_a_limit() -> None:
    with pytest.raises(LimitExceeded):
        made(source_code="#" * 200_001)


def test_requirements_are_names_with_and_without_versions() -> None:
    assert read_requirements(" PyYAML, numpy==2.1\nzope.interface ") == {
        "pyyaml": None,
        "numpy": "2.1",
        "zope-interface": None,
    }
    assert read_requirements("") == {}
    assert normalized("A_b..C") == "a-b-c"


def test_search_prefers_the_name() -> None:
    named = made(source_code="def roll_dice():\n    'Plays.'")
    told = made(source_code="def play():\n    'Rolls dice.'")
    other = made()

    found = rank_tools("dice", [told, other, named])

    assert [tool.name for tool, _ in found] == ["roll_dice", "play"]
    assert found[0][1] == 1.0
    assert [tool.name for tool, _ in rank_tools(" ", [told, other])] == ["play", "f"]
