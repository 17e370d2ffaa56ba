"""Tool rules in words, for the model. Part of core.rules, which puts them into the prompt. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from remanence.core.types import RuleType, ToolRule

_GROUPED: Mapping[RuleType, str] = {
    "run_first": "Before anything else, call {}.",
    "exit_loop": "Your turn ends when you call {}.",
    "continue_loop": "You go on (call another tool, or answer) after {}.",
    "required_before_exit": "Before you finish your turn, call {}.",
}


def grouped_lines(rules: Sequence[ToolRule]) -> Iterator[str]:
    """One line for all rules of a type that says the same of each of its tools."""
    for kind, sentence in _GROUPED.items():
        names = dict.fromkeys(rule.tool_name for rule in rules if rule.type == kind)
        if names:
            between = " and " if kind == "required_before_exit" else " or "
            yield sentence.format(between.join(names))


def single_lines(rules: Sequence[ToolRule]) -> Iterator[str]:
    """One line for each rule that stands for itself."""
    for rule in rules:
        name, children = rule.tool_name, " or ".join(rule.children)
        match rule.type:
            case "constrain_child_tools":
                yield f"Right after {name}, call {children}."
            case "parent_last_tool":
                yield f"Right after {name}, call {children}; never at another time."
            case "conditional":
                yield _conditional_line(rule)
            case "max_count_per_step":
                yield f"In one turn, call {name} at most {rule.max_count_limit} times."
            case _:
                pass  # grouped, or not for the model


def _conditional_line(rule: ToolRule) -> str:
    ways = [f"{child} if it was {output}" for output, child in rule.child_output_mapping.items()]
    if rule.default_child is not None:
        ways.append(f"{rule.default_child} otherwise")
    return f"What {rule.tool_name} returns decides what you call right after it: {', '.join(ways)}."
