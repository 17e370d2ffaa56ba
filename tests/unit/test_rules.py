"""Tool rules: a truth table of all nine types and of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from remanence.core.builtin import DEFAULT_RULES_BY_AGENT_TYPE, DEFAULT_TOOLS_BY_AGENT_TYPE
from remanence.core.rules import (
    Allowed,
    after_step,
    allowed_tools,
    allows_parallel_calls,
    check_rules,
    constraint_error,
    missing_before_exit,
    needs_approval,
    render_rules,
)
from remanence.core.types import Tool, ToolRule

if TYPE_CHECKING:
    from remanence.core.types import RuleType

TOOLS = ("a", "b", "c", "d")


def rule(kind: RuleType, name: str, *children: str, **more: Any) -> ToolRule:
    return ToolRule(type=kind, tool_name=name, children=children, **more)


def limit(name: str, count: int) -> ToolRule:
    return rule("max_count_per_step", name, max_count_limit=count)


def decide(name: str, mapping: dict[str, str], **more: Any) -> ToolRule:
    return rule("conditional", name, child_output_mapping=mapping, **more)


@dataclass(frozen=True)
class Case:
    """`called` is space-separated; a name after `!` in `expected` is the one forced."""

    id: str
    rules: tuple[ToolRule, ...]
    called: str
    expected: str
    must_call: bool = False
    last_return: str | None = None


FIRST = rule("run_first", "b")
AFTER_A = rule("constrain_child_tools", "a", "b", "c")
PARENT = rule("parent_last_tool", "a", "b")
ON_RETURN = decide("a", {"yes": "b", "3": "c", "true": "d"})

CASES = [
    Case("no rules, no calls", (), "", "a b c d"),
    Case("no rules, some calls", (), "a b", "a b c d"),
    Case("run_first before any call", (FIRST,), "", "!b", must_call=True),
    Case("run_first of two", (FIRST, rule("run_first", "c")), "", "b c", must_call=True),
    Case("run_first after the first call", (FIRST,), "b", "a b c d"),
    Case("run_first wins over its parent", (rule("run_first", "b"), PARENT), "", "!b", True),
    Case("run_first of a tool that is not there", (rule("run_first", "z"),), "", "a b c d"),
    Case("children after their tool", (AFTER_A,), "a", "b c", must_call=True),
    Case("children at another time", (AFTER_A,), "b", "a b c d"),
    Case("children before any call", (AFTER_A,), "", "a b c d"),
    Case(
        "children of two rules must satisfy both",
        (AFTER_A, rule("constrain_child_tools", "a", "c", "d")),
        "a",
        "!c",
        must_call=True,
    ),
    Case("a parent's child at another time", (PARENT,), "c", "a c d"),
    Case("a parent's child before any call", (PARENT,), "", "a c d"),
    Case("a parent's child after the parent", (PARENT,), "a", "!b", must_call=True),
    Case(
        "a child of two parents after either",
        (PARENT, rule("parent_last_tool", "d", "b")),
        "d",
        "!b",
        must_call=True,
    ),
    Case("conditional by a word", (ON_RETURN,), "a", "!b", True, last_return="Yes"),
    Case("conditional by a quoted word", (ON_RETURN,), "a", "!b", True, last_return='"yes"'),
    Case("conditional by a number", (ON_RETURN,), "a", "!c", True, last_return="3.0"),
    Case("conditional by a truth value", (ON_RETURN,), "a", "!d", True, last_return="True"),
    Case("conditional without a match", (ON_RETURN,), "a", "a b c d", last_return="no"),
    Case("conditional at another time", (ON_RETURN,), "b", "a b c d", last_return="yes"),
    Case(
        "conditional with a default",
        (decide("a", {"yes": "b"}, default_child="d"),),
        "a",
        "!d",
        True,
        last_return="no",
    ),
    Case(
        "conditional that requires a match",
        (decide("a", {"yes": "b"}, require_output_mapping=True),),
        "a",
        "",
        last_return="no",
    ),
    Case("a limit not reached", (limit("a", 2),), "a b", "a b c d"),
    Case("a limit reached", (limit("a", 2),), "a b a", "b c d"),
    Case("a limit on the only child", (rule("constrain_child_tools", "a", "b"), limit("b", 1)),
         "a b a", ""),
    Case(
        "a limit on the only child while a tool is required",
        (
            rule("constrain_child_tools", "a", "b"),
            limit("b", 1),
            rule("required_before_exit", "d"),
        ),
        "a b a",
        "!d",
        must_call=True,
    ),
    Case("the rules that only end, go on or ask", tuple(
        rule(kind, "a")
        for kind in ("exit_loop", "continue_loop", "required_before_exit", "requires_approval")
    ), "a", "a b c d"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_allowed_tools_follow_the_truth_table(case: Case) -> None:
    allowed = allowed_tools(case.rules, case.called.split(), case.last_return, TOOLS)

    expected = case.expected.split()
    assert allowed.names == tuple(name.lstrip("!") for name in expected)
    assert allowed.forced == next((name[1:] for name in expected if name.startswith("!")), None)
    assert allowed.must_call == case.must_call


def test_allowed_tools_of_an_agent_without_tools_lets_it_answer() -> None:
    assert allowed_tools((FIRST, AFTER_A), (), None, ()) == Allowed(names=())


def test_allowed_tools_prefill_the_first_call_only() -> None:
    rules = (rule("run_first", "b", args={"topic": "x"}),)

    assert allowed_tools(rules, (), None, TOOLS).prefilled == {"b": {"topic": "x"}}
    assert allowed_tools(rules, ("b",), None, TOOLS).prefilled == {}


def test_allowed_tools_prefill_children_after_their_tool() -> None:
    rules = (rule("constrain_child_tools", "a", "b", "c", args={"b": {"n": 1}, "d": {"n": 2}}),)

    assert allowed_tools(rules, ("a",), None, TOOLS).prefilled == {"b": {"n": 1}}
    assert allowed_tools(rules, ("b",), None, TOOLS).prefilled == {}


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), "free"),
        (("exit_loop",), "exit"),
        (("continue_loop",), "continue"),
        (("exit_loop", "continue_loop"), "exit"),
        (("constrain_child_tools",), "continue"),
        (("parent_last_tool",), "continue"),
        (("conditional",), "continue"),
        (("exit_loop", "constrain_child_tools"), "exit"),
        (("run_first",), "free"),
        (("max_count_per_step",), "free"),
        (("required_before_exit",), "free"),
        (("requires_approval",), "free"),
    ],
)
def test_after_step_follows_the_truth_table(kinds: tuple[RuleType, ...], expected: str) -> None:
    rules = [rule(kind, "a", "b") for kind in kinds]

    assert after_step(rules, ["a"]) == expected
    assert after_step(rules, ["c"]) == "free"
    assert after_step(rules, []) == "free"


def test_after_step_of_several_calls_ends_with_any_that_ends() -> None:
    assert after_step([rule("exit_loop", "a")], ["a", "b"]) == "exit"


def test_missing_before_exit_lists_what_was_not_called() -> None:
    rules = [rule("required_before_exit", name) for name in ("a", "b", "b")]

    assert missing_before_exit(rules, ["a"]) == ("b",)
    assert missing_before_exit(rules, ["b", "a"]) == ()


def test_missing_before_exit_does_not_wait_for_a_detached_tool() -> None:
    rules = [rule("required_before_exit", name) for name in ("a", "b")]

    assert missing_before_exit(rules, [], ["b", "c"]) == ("b",)


def test_needs_approval_by_rule_or_by_tool() -> None:
    asking = a_tool("a", requires_approval=True)

    assert needs_approval([], [asking], "a")
    assert needs_approval([rule("requires_approval", "b")], [a_tool("b")], "b")
    assert not needs_approval([rule("requires_approval", "b")], [a_tool("a")], "a")


def a_tool(name: str, *, requires_approval: bool = False) -> Tool:
    return Tool(
        id=f"tool-{name}",  # type: ignore[arg-type]  # any text is an id here
        name=name,
        description="",
        tool_type="custom",
        parameters={},
        requires_approval=requires_approval,
    )


def test_parallel_calls_are_only_free_of_rules_on_order() -> None:
    assert allows_parallel_calls(())
    assert allows_parallel_calls([rule("requires_approval", "a")])
    assert not allows_parallel_calls([rule("requires_approval", "a"), limit("a", 2)])


def test_constraint_error_names_what_may_be_called() -> None:
    text = constraint_error("x", Allowed(names=("memory_insert", "archival_memory_insert")))

    assert text == (
        "[ToolConstraintError] Cannot call x, valid tools include: "
        "['archival_memory_insert', 'memory_insert']."
    )


def test_render_rules_without_rules_is_empty() -> None:
    assert render_rules([]) == ""
    assert render_rules([rule("requires_approval", "a")]) == ""


def test_render_rules_tells_each_rule_once() -> None:
    rules = [
        rule("exit_loop", "send_message"),
        rule("continue_loop", "a"),
        rule("continue_loop", "b"),
        rule("run_first", "look"),
        rule("required_before_exit", "save"),
        AFTER_A,
        PARENT,
        decide("a", {"yes": "b"}, default_child="d"),
        limit("c", 2),
    ]

    assert render_rules(rules).splitlines() == [
        "<tool_usage_rules>",
        "- Before anything else, call look.",
        "- Your turn ends when you call send_message.",
        "- You go on (call another tool, or answer) after a or b.",
        "- Before you finish your turn, call save.",
        "- Right after a, call b or c.",
        "- Right after a, call b; never at another time.",
        "- What a returns decides what you call right after it: b if it was yes, d otherwise.",
        "- In one turn, call c at most 2 times.",
        "</tool_usage_rules>",
    ]


@pytest.mark.parametrize("agent_type", DEFAULT_RULES_BY_AGENT_TYPE)
def test_check_rules_accepts_the_default_rules(agent_type: str) -> None:
    rules = DEFAULT_RULES_BY_AGENT_TYPE[agent_type]

    assert check_rules(rules, DEFAULT_TOOLS_BY_AGENT_TYPE[agent_type]) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_check_rules_accepts_the_truth_table(case: Case) -> None:
    if "not there" not in case.id:
        assert check_rules(case.rules, TOOLS) == []


@dataclass(frozen=True)
class Bad:
    id: str
    rules: tuple[ToolRule, ...]
    reason: str


BAD = [
    Bad("unknown tool", (rule("exit_loop", "z"),), "exit_loop names the tool 'z'"),
    Bad("unknown child", (rule("parent_last_tool", "a", "z"),), "names the tool 'z'"),
    Bad("unknown mapped child", (decide("a", {"yes": "z"}),), "names the tool 'z'"),
    Bad("unknown default", (decide("a", {"x": "b"}, default_child="z"),), "names the tool 'z'"),
    Bad("no children", (rule("constrain_child_tools", "a"),), "needs children"),
    Bad("no mapping", (decide("a", {}),), "needs child_output_mapping"),
    Bad("no limit", (rule("max_count_per_step", "a"),), "needs max_count_limit"),
    Bad(
        "a circle without an end",
        (
            rule("run_first", "a"),
            rule("constrain_child_tools", "a", "b"),
            rule("constrain_child_tools", "b", "a"),
        ),
        "from its beginning, a run could not end any more: each call demands another",
    ),
    Bad(
        "a trap that calls lead into",
        (rule("constrain_child_tools", "b", "b"),),
        "after calling b, a run could not end",
    ),
    Bad(
        "a required tool whose parent is spent",
        (
            rule("required_before_exit", "b"),
            rule("parent_last_tool", "a", "b", "c"),
            limit("a", 1),
        ),
        "after calling a, then c, a run could not end any more: b must be called first",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.id)
def test_check_rules_refuses_what_cannot_work(bad: Bad) -> None:
    problems = check_rules(bad.rules, TOOLS)

    assert len(problems) == 1
    assert bad.reason in problems[0]


def test_check_rules_accepts_a_circle_with_a_way_out() -> None:
    circle = (
        rule("run_first", "a"),
        rule("constrain_child_tools", "a", "b", "d"),
        rule("constrain_child_tools", "b", "a"),
    )

    assert check_rules(circle, TOOLS) == []
    assert check_rules((*circle[:1], *circle[2:], limit("a", 5)), TOOLS) == []
