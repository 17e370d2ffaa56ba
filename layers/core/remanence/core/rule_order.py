"""What each tool rule says about the next call. Part of core.rules, which adds them up. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.core.exchange import JsonObject
    from remanence.core.types import ToolRule


def wanted_next(
    rules: Sequence[ToolRule], called: Sequence[str], last_return: str | None
) -> set[str] | None:
    """The tools of which one has to come next, or None when no rule says so."""
    wanted: set[str] | None = None
    adopted: set[str] = set()
    for rule in rules:
        if not called or rule.tool_name != called[-1]:
            continue
        if rule.type == "parent_last_tool":
            adopted |= set(rule.children)
            continue
        children = _children(rule, last_return)
        if children is not None:
            wanted = children if wanted is None else wanted & children
    if not adopted:
        return wanted
    return adopted if wanted is None else wanted & adopted


def _children(rule: ToolRule, last_return: str | None) -> set[str] | None:
    if rule.type == "constrain_child_tools":
        return set(rule.children)
    if rule.type != "conditional":
        return None
    said = _outcome(last_return or "")
    for output, child in rule.child_output_mapping.items():
        if _outcome(output) == said:
            return {str(child)}
    if rule.default_child is not None:
        return {rule.default_child}
    return set() if rule.require_output_mapping else None


def _outcome(text: str) -> str:
    """A return in the form in which it is compared: True is "true", "3" is 3.0."""
    said = text.strip().strip("\"'").lower()
    try:
        return str(float(said))
    except ValueError:
        return said


def barred(rules: Sequence[ToolRule], called: Sequence[str]) -> set[str]:
    """Children that may not be called because the last call was not one of their parents'."""
    parents = [rule for rule in rules if rule.type == "parent_last_tool"]
    children = {child for rule in parents for child in rule.children}
    for rule in parents:
        if called and called[-1] == rule.tool_name:
            children -= set(rule.children)
    return children


def spent(rules: Sequence[ToolRule], called: Sequence[str]) -> set[str]:
    """Tools that were called as often as a rule lets them."""
    return {
        rule.tool_name
        for rule in rules
        if rule.type == "max_count_per_step"
        and rule.max_count_limit is not None
        and called.count(rule.tool_name) >= rule.max_count_limit
    }


def prefilled(
    rules: Sequence[ToolRule], called: Sequence[str], names: Sequence[str]
) -> dict[str, JsonObject]:
    """Arguments set by the rules in force.

    A run_first rule's `args` are those of its tool; a constrain_child_tools rule's are objects of
    arguments by child (the protocol's child_arg_nodes).
    """
    found: dict[str, JsonObject] = {}
    for rule in rules:
        if not rule.args:
            continue
        if rule.type == "run_first" and not called:
            found[rule.tool_name] = found.get(rule.tool_name, {}) | rule.args
        elif rule.type == "constrain_child_tools" and called and called[-1] == rule.tool_name:
            for child, given in rule.args.items():
                if isinstance(given, dict):
                    found[child] = found.get(child, {}) | given
    return {name: found[name] for name in names if name in found}
