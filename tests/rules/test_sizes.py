"""The house's sizes: what well-kept code bases stay within, so that a reader can too."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = sorted(
    [*(ROOT / "layers/core/remanence").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
)
FILE_LINES = 400
FUNCTION_LINES = 60
HANDLER_LINES = 40


def functions(path: Path) -> list[tuple[int, str]]:
    return [
        (node.end_lineno - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]


def test_file_sizes_stay_readable() -> None:
    sizes = sorted(((len(path.read_text().splitlines()), path) for path in CODE), reverse=True)

    print(f"largest file: {sizes[0][0]} lines, {sizes[0][1].relative_to(ROOT)}")
    assert [f"{n} lines: {path}" for n, path in sizes if n > FILE_LINES] == []


def test_function_sizes_stay_readable() -> None:
    sizes = sorted((size for path in CODE for size in functions(path)), reverse=True)

    print(f"largest function: {sizes[0][0]} lines, {sizes[0][1]}")
    assert [size for size in sizes if size[0] > FUNCTION_LINES] == []


def test_handlers_hold_no_logic() -> None:
    handlers = sorted((ROOT / "functions").glob("*/app.py"))

    assert handlers
    for path in handlers:
        text = path.read_text()
        assert len(text.splitlines()) <= HANDLER_LINES, path
        assert "environ" not in text, path


def test_imports_form_no_cycle() -> None:
    graph = {module_of(path): imports_of(path) for path in CODE if "layers" in path.parts}

    cycle = longest_cycle(graph)

    print(f"largest import cycle: {len(cycle)} modules")
    assert cycle == []


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "layers/core").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """The modules of ours that are imported when the module is: not in functions or type checks."""
    tree = ast.parse(path.read_text())
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("remanence"):
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("remanence")}
    return found - {module_of(path)}


def longest_cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules that can reach themselves, or []."""
    reach = {module: set(targets) & set(graph) for module, targets in graph.items()}
    changed = True
    while changed:
        wider = {
            module: targets.union(*(reach[target] for target in targets))
            for module, targets in reach.items()
        }
        changed = wider != reach
        reach = wider
    # A package is imported before its modules, so `package -> module` alone is no cycle.
    return sorted(module for module, targets in reach.items() if module in targets)
