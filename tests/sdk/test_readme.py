"""The README's Python, run as it is printed against a running server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from support.server import Server

README = Path(__file__).parents[2] / "README.md"
ADDRESS = "http://127.0.0.1:8283"


def test_python_of_the_readme_runs_as_printed(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    program = "\n".join(snippets)
    assert program.count(ADDRESS) == 2
    names: dict[str, Any] = {}

    exec(program.replace(ADDRESS, server.base_url), names)  # noqa: S102  our own text

    printed = capsys.readouterr().out.splitlines()
    assert printed
    assert all(line.strip() for line in printed)
    attached = [tool.name for tool in server.client().agents.tools.list(names["agent"].id)]
    assert "roll" in attached
