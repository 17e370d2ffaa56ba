"""What the doctor has found, as values, and how they are shown.

Path: every check makes findings, `examine.py` collects them, `command.py` prints them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.errors import AppError

_LABEL_CHARS = 12


class Status(StrEnum):
    """How good a finding is. Only `FAIL` makes the URL unfit."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    # An earlier finding stands in the way.
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line, and one remedy where something is to be done."""

    check: str
    status: Status
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check=check, status=Status.OK, text=text)


def warn(check: str, text: str, remedy: str) -> Finding:
    """It works, and could be better."""
    return Finding(check=check, status=Status.WARN, text=text, remedy=remedy)


def fail(check: str, text: str, remedy: str) -> Finding:
    """It will not do."""
    return Finding(check=check, status=Status.FAIL, text=text, remedy=remedy)


def skip(check: str, text: str) -> Finding:
    """It could not be looked at."""
    return Finding(check=check, status=Status.SKIP, text=text)


def fail_by(check: str, exc: AppError) -> Finding:
    """An error of ours: what happened stands before its first semicolon, the remedy behind it."""
    text, _, remedy = exc.message.partition("; ")
    return fail(check, text, remedy or "see what the server's own log says")


def is_fit(findings: Sequence[Finding]) -> bool:
    """Whether nothing failed."""
    return all(finding.status is not Status.FAIL for finding in findings)


def as_text(findings: Sequence[Finding]) -> str:
    """A line for each finding, and one for its remedy below."""
    lines: list[str] = []
    for found in findings:
        status = found.status.upper() if found.status is Status.FAIL else found.status
        lines.append(f"{status:<6}{found.check:<{_LABEL_CHARS}}{found.text}")
        if found.remedy:
            lines.append(f"{'':<{_LABEL_CHARS + 6}}-> {found.remedy}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """The same for programs."""
    return json.dumps(
        {"fit": is_fit(findings), "checks": [asdict(found) for found in findings]}, indent=2
    )
