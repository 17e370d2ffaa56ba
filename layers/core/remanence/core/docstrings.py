"""Docstrings in Google style: what a tool does, and what each of its arguments is. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Examples?|Notes?)\s*:\s*$"
)
_ARGUMENTS = frozenset({"Args", "Arguments", "Parameters", "Params"})
_ARGUMENT = re.compile(r"^\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """`text` is what stands before and between sections; `arguments` their texts, by name."""

    text: str
    arguments: dict[str, str]


def read_docstring(docstring: str) -> Docstring:
    """Read a docstring whose indentation was removed (as `ast.get_docstring` gives it)."""
    text: list[str] = []
    arguments: dict[str, str] = {}
    section: str | None = None
    body: list[str] = []
    for line in [*docstring.splitlines(), "Returns:"]:
        heading = _SECTION.match(line)
        if heading is None and (section is None or not _leaves(line)):
            (text if section is None else body).append(line)
            continue
        if section in _ARGUMENTS:
            arguments |= _arguments(body)
        section, body = (heading.group(1), []) if heading else (None, [])
        if heading is None:
            text.append(line)
    return Docstring(text=_joined(text), arguments=arguments)


def _leaves(line: str) -> bool:
    """Whether a line is outside of the section it follows."""
    return bool(line.strip()) and not line[0].isspace()


def _arguments(lines: list[str]) -> dict[str, str]:
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        indent = len(line) - len(line.lstrip())
        entry = _ARGUMENT.match(line.strip()) if indent == min(indents, default=0) else None
        if entry:
            name = entry.group(1)
            found[name] = entry.group(2).strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return {name: text for name, text in found.items() if text}


def _joined(lines: list[str]) -> str:
    """The lines as paragraphs."""
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip())
    return "\n\n".join(paragraph.strip() for paragraph in paragraphs if paragraph.strip())
