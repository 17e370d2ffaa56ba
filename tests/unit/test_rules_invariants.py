"""No checked rule set leaves a run without a legal move, or without a way to its end."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remanence.core.rules import after_step, allowed_tools, check_rules, missing_before_exit
from remanence.core.types import ToolRule

TOOLS = ("a", "b", "c", "d")
NAMES = st.sampled_from(TOOLS)
CHILDREN = st.lists(NAMES, min_size=1, max_size=3, unique=True).map(tuple)
RETURNS = ("yes", "no", "else")

RULES = st.one_of(
    st.builds(
        ToolRule,
        type=st.sampled_from(["run_first", "exit_loop", "continue_loop", "required_before_exit"]),
        tool_name=NAMES,
    ),
    st.builds(
        ToolRule,
        type=st.sampled_from(["constrain_child_tools", "parent_last_tool"]),
        tool_name=NAMES,
        children=CHILDREN,
    ),
    st.builds(
        ToolRule,
        type=st.just("conditional"),
        tool_name=NAMES,
        child_output_mapping=st.dictionaries(st.sampled_from(["yes", "no"]), NAMES, min_size=1),
        default_child=st.none() | NAMES,
        require_output_mapping=st.booleans(),
    ),
    st.builds(
        ToolRule,
        type=st.just("max_count_per_step"),
        tool_name=NAMES,
        max_count_limit=st.integers(1, 2),
    ),
)
RULE_SETS = st.lists(RULES, max_size=5)


@settings(max_examples=150, deadline=None)
@given(RULE_SETS, st.lists(NAMES, max_size=4), st.sampled_from(RETURNS))
def test_there_is_always_a_legal_move_even_with_unchecked_rules(
    rules: list[ToolRule], called: list[str], last_return: str
) -> None:
    allowed = allowed_tools(rules, called, last_return, TOOLS)

    assert allowed.names or not allowed.must_call
    assert allowed.forced is None or allowed.names == (allowed.forced,)
    assert set(allowed.names) <= set(TOOLS)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(RULE_SETS, st.data())
def test_a_run_under_checked_rules_can_always_end(
    rules: list[ToolRule], data: st.DataObject
) -> None:
    if check_rules(rules, TOOLS):
        return
    called: tuple[str, ...] = ()
    last_return: str | None = None
    for _ in range(data.draw(st.integers(0, 5))):
        names = allowed_tools(rules, called, last_return, TOOLS).names
        if not names or ended(rules, called):
            break
        called = (*called, data.draw(st.sampled_from(names)))
        last_return = data.draw(st.sampled_from(RETURNS))

    assert ended(rules, called) or can_end(rules, called, last_return)


def ended(rules: list[ToolRule], called: tuple[str, ...]) -> bool:
    exits = bool(called) and after_step(rules, called[-1:]) == "exit"
    return exits and not missing_before_exit(rules, called)


def can_end(rules: list[ToolRule], called: tuple[str, ...], last_return: str | None) -> bool:
    """Whether some moves from here end the run, searched over real histories, breadth first."""
    level = [(called, last_return)]
    for _ in range(9):
        following: dict[tuple[object, ...], tuple[tuple[str, ...], str | None]] = {}
        for history, returned in level:
            allowed = allowed_tools(rules, history, returned, TOOLS)
            if not allowed.must_call and not missing_before_exit(rules, history):
                return True
            for name in allowed.names:
                after = (*history, name)
                if ended(rules, after):
                    return True
                counts = tuple(min(after.count(tool), 2) for tool in TOOLS)
                for outcome in RETURNS:
                    following[(name, outcome, counts)] = (after, outcome)
        level = list(following.values())
    return False
