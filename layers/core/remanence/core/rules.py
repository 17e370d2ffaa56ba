"""Tool rules: what may be called next, whether a run may end, and whether a rule set can work.

Pure; a rule set is data of the agent. The nine types and their meaning:

    run_first              one of these is called before anything else
    exit_loop              the run ends after it
    continue_loop          the run goes on after it
    constrain_child_tools  after it, only its children may be called
    parent_last_tool       its children may be called only right after it
    conditional            after it, its return decides which tool comes next
    max_count_per_step     at most so many calls of it in a run
    required_before_exit   the run may not end before it was called
    requires_approval      a person answers before it runs

Source: behaviour of Letta 0.16.8 (tool rule solver).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from remanence.core.exchange import JsonObject
    from remanence.core.types import RuleType, Tool, ToolRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the rules permit in the next step.

    Args:
        names: tools that may be called, in the agent's order.
        forced: the one tool that has to be called, or None.
        must_call: some tool has to be called; plain text would not do.
        prefilled: arguments that a rule sets, by tool name.
    """

    names: tuple[str, ...]
    forced: str | None = None
    must_call: bool = False
    prefilled: Mapping[str, JsonObject] = field(default_factory=dict)


def allowed_tools(
    rules: Sequence[ToolRule],
    called: Sequence[str],
    last_return: str | None,
    available: Sequence[str],
) -> Allowed:
    """What may be called next.

    Args:
        rules: of the agent.
        called: names of the tools this run has called, in order.
        last_return: what the last of them gave back.
        available: names of the agent's tools.

    Invariants:
        With rules that `check_rules` accepts, `names` is empty only when the run may end.
    """
    names = list(available)
    must_call = False
    first = [rule for rule in rules if rule.type == "run_first" and rule.tool_name in available]
    if not called and first:
        names = [name for name in names if name in {rule.tool_name for rule in first}]
        must_call = True
    last = called[-1] if called else None
    children = _children_of(rules, last, last_return)
    if children is not None:
        names = [name for name in names if name in children]
        must_call = bool(names)
    names = [name for name in names if not _is_barred(rules, name, called)]
    return Allowed(
        names=tuple(names),
        forced=names[0] if must_call and len(names) == 1 else None,
        must_call=must_call and bool(names),
        prefilled={rule.tool_name: rule.args for rule in first if rule.args and not called},
    )


def _children_of(
    rules: Sequence[ToolRule], last: str | None, last_return: str | None
) -> set[str] | None:
    """The tools that have to come after `last`, or None when nothing says so."""
    found: set[str] | None = None
    for rule in rules:
        if rule.tool_name != last:
            continue
        if rule.type == "constrain_child_tools":
            found = (found or set()) | set(rule.children)
        elif rule.type == "conditional":
            child = _conditional_child(rule, last_return)
            if child is not None:
                found = (found or set()) | {child}
    return found


def _conditional_child(rule: ToolRule, last_return: str | None) -> str | None:
    """The child that a return selects; None leaves the choice open."""
    said = (last_return or "").strip().strip("\"'").lower()
    for output, child in rule.child_output_mapping.items():
        if str(output).strip().lower() == said:
            return str(child)
    return rule.default_child


def _is_barred(rules: Sequence[ToolRule], name: str, called: Sequence[str]) -> bool:
    last = called[-1] if called else None
    parents = {
        rule.tool_name
        for rule in rules
        if rule.type == "parent_last_tool" and name in rule.children
    }
    if parents and last not in parents:
        return True
    return any(
        rule.type == "max_count_per_step"
        and rule.tool_name == name
        and rule.max_count_limit is not None
        and called.count(name) >= rule.max_count_limit
        for rule in rules
    )


def after_step(
    rules: Sequence[ToolRule], called: Sequence[str]
) -> Literal["continue", "exit", "free"]:
    """What the rules say after a step that called these tools, in order.

    exit: the run ends. continue: it goes on. free: the rules leave it to the agent's type.
    A tool whose children must follow continues, whatever else was called.
    """
    names = set(called)
    if called and _has(rules, "constrain_child_tools", {called[-1]}):
        return "continue"
    if called and _has(rules, "conditional", {called[-1]}):
        return "continue"
    if _has(rules, "exit_loop", names):
        return "exit"
    return "continue" if _has(rules, "continue_loop", names) else "free"


def _has(rules: Sequence[ToolRule], kind: RuleType, names: set[str]) -> bool:
    return any(rule.type == kind and rule.tool_name in names for rule in rules)


def missing_before_exit(rules: Sequence[ToolRule], called: Sequence[str]) -> tuple[str, ...]:
    """The tools that still have to be called before the run may end."""
    return tuple(
        rule.tool_name
        for rule in rules
        if rule.type == "required_before_exit" and rule.tool_name not in called
    )


def needs_approval(rules: Sequence[ToolRule], tools: Sequence[Tool], name: str) -> bool:
    """Whether a person has to answer before this tool runs."""
    by_tool = any(tool.name == name and tool.requires_approval for tool in tools)
    return by_tool or _has(rules, "requires_approval", {name})


def constraint_error(name: str, allowed: Allowed) -> str:
    """What the model reads when it calls a tool that it may not call now."""
    return (
        f"[ToolConstraintError] Cannot call {name}, "
        f"valid tools include: [{', '.join(allowed.names)}]"
    )


def render_rules(rules: Sequence[ToolRule]) -> str:
    """The `<tool_usage_rules>` section of the prompt; empty without rules."""
    lines = [line for rule in rules if (line := rule.prompt_template or _sentence(rule))]
    if not lines:
        return ""
    return "\n".join(
        ["<tool_usage_rules>", *(f"- {line}" for line in lines), "</tool_usage_rules>"]
    )


def _sentence(rule: ToolRule) -> str:
    name = rule.tool_name
    children = ", ".join(rule.children)
    return {
        "run_first": f"Call {name} before any other tool.",
        "exit_loop": f"Your turn ends when you call {name}.",
        "continue_loop": f"After {name} you go on: call another tool or answer.",
        "constrain_child_tools": f"After {name} you have to call one of: {children}.",
        "parent_last_tool": f"These can only be called right after {name}: {children}.",
        "conditional": f"What {name} returns decides which tool you have to call next.",
        "max_count_per_step": f"Call {name} at most {rule.max_count_limit} times in a turn.",
        "required_before_exit": f"Call {name} before you finish your turn.",
        "requires_approval": "",  # the model need not know: the question is put to a person
    }[rule.type]


def check_rules(rules: Sequence[ToolRule], available: Sequence[str]) -> list[str]:
    """Why a rule set cannot work: one sentence per reason, empty when it can.

    Args:
        rules: as they are to be stored.
        available: names of the agent's tools.
    """
    problems = [
        f"{rule.type} names the tool {name!r}, which the agent does not have"
        for rule in rules
        for name in (rule.tool_name, *rule.children, *_mapped(rule))
        if name not in available
    ]
    problems += [problem for rule in rules for problem in _misshaped(rule)]
    return problems or _deadlocks(rules, available)


def _mapped(rule: ToolRule) -> list[str]:
    mapped = [str(child) for child in rule.child_output_mapping.values()]
    return [*mapped, rule.default_child] if rule.default_child else mapped


def _misshaped(rule: ToolRule) -> list[str]:
    if rule.type in ("constrain_child_tools", "parent_last_tool") and not rule.children:
        return [f"{rule.type} of {rule.tool_name!r} needs children"]
    if rule.type == "conditional" and not rule.child_output_mapping:
        return [f"conditional of {rule.tool_name!r} needs child_output_mapping"]
    if rule.type == "max_count_per_step" and (rule.max_count_limit or 0) < 1:
        return [f"max_count_per_step of {rule.tool_name!r} needs max_count_limit of at least 1"]
    return []


def _deadlocks(rules: Sequence[ToolRule], available: Sequence[str]) -> list[str]:
    problems: list[str] = []
    first = allowed_tools(rules, (), None, available)
    if any(rule.type == "run_first" for rule in rules) and not first.names:
        problems.append("the tools of run_first can never be called first: other rules bar them")
    for name in available:
        children = _children_of(rules, name, None)
        if children is not None and not allowed_tools(rules, (name,), None, available).names:
            problems.append(
                f"after {name!r} a child has to be called, and other rules bar them all"
            )
    reachable = _reachable(rules, available)
    problems += [
        f"required_before_exit names {rule.tool_name!r}, which other rules never let be called"
        for rule in rules
        if rule.type == "required_before_exit" and rule.tool_name not in reachable
    ]
    return problems


def _reachable(rules: Sequence[ToolRule], available: Sequence[str]) -> set[str]:
    """The tools that some order of calls leads to."""
    found: set[str] = set()
    frontier: list[tuple[str, ...]] = [()]
    while frontier:
        called = frontier.pop()
        if called and after_step(rules, called[-1:]) == "exit":
            continue
        for name in allowed_tools(rules, called, None, available).names:
            if name not in found:
                found.add(name)
                frontier.append((name,))
    return found
