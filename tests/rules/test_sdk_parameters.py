"""Every parameter of the SDK is applied, refused, or said to be without effect, with the reason."""

from __future__ import annotations

from itertools import groupby

import pytest
from support.sdk_parameters import INFRA, Parameter, parameters

TABLE = INFRA / "PARAMETERS.md"
_INTRODUCTION = """\
# Parameters of the Letta SDK

What becomes of each parameter of the operations that are served (OPERATIONS.md), as the SDK's
`letta-client` 1.12.1 names it. Written by `tests/rules/test_sdk_parameters.py` from the SDK's own
signatures and the OpenAPI document; a parameter that the document does not know fails it, and
`make golden` writes the table anew.

applied: does what it says. refused: an error with the reason when something is asked for by it.
without effect: taken, so that a client which always sends it works, and the reason.
"""


@pytest.fixture(scope="module")
def known() -> list[Parameter]:
    return parameters()


def rendered(known: list[Parameter]) -> str:
    outcomes = ("applied", "refused", "without effect")
    counts = [f"{sum(each.outcome == it for each in known)} {it}" for it in outcomes]
    lines = [_INTRODUCTION, f"{len(known)} parameters: {', '.join(counts)}."]
    for outcome in reversed(outcomes):
        lines += [
            "",
            f"## {outcome}",
            "",
            "| parameter | of | what becomes of it |",
            "|---|---|---|",
        ]
        rows = sorted((each for each in known if each.outcome == outcome), key=_row)
        for (name, words), group in groupby(rows, key=lambda each: (each.name, each.words)):
            whose = ", ".join(each.operation for each in group)
            lines.append(f"| {name} | {whose} | {words} |")
    return "\n".join(lines) + "\n"


def _row(parameter: Parameter) -> tuple[str, str, str]:
    return parameter.name, parameter.words, parameter.operation


def test_every_parameter_is_known(known: list[Parameter]) -> None:
    unknown = [f"{each.operation}: {each.name}" for each in known if not each.words]

    assert len(known) > 500
    assert unknown == []


def test_what_is_without_effect_says_why(known: list[Parameter]) -> None:
    silent = {
        f"{each.name}: {each.words}"
        for each in known
        if each.outcome == "without effect" and ":" not in each.words and ";" not in each.words
    }

    assert silent == set()


def test_what_the_sdk_may_send_as_null_is_taken_as_null(known: list[Parameter]) -> None:
    refused = [
        f"{each.operation}: {each.name}"
        for each in known
        if each.is_in_body and each.may_be_null and not each.takes_null
    ]

    assert refused == []


def test_table_says_what_the_document_says(known: list[Parameter], rewrite: bool) -> None:
    text = rendered(known)
    if rewrite:
        TABLE.write_text(text)
    assert TABLE.read_text() == text, "run `make golden` and review the diff"
