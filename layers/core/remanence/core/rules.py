"""Tool rules: what may be called next, whether a run may end, and whether a rule set can work.

Path: core.context -> allowed_tools, render_rules; core.stopping -> after_step,
missing_before_exit; creating an agent -> check_rules. Pure; a rule set is data of the agent.
The nine types and their meaning:

    run_first              one of these is called before anything else
    exit_loop              the run ends after it (wins over all that would go on)
    continue_loop          the run goes on after it
    constrain_child_tools  after it, one of its children has to be called
    parent_last_tool       the same, and its children may not be called otherwise
    conditional            after it, its return decides which tool has to be called
    max_count_per_step     at most so many calls of it in a run
    required_before_exit   the run may not end before it was called
    requires_approval      a person answers before it runs

Rules of one tool add up: what has to come next satisfies all of them.
Source: behaviour of Letta 0.16.8 (tool rule solver). It failed the run where rules left nothing
to call; here the model then answers, or is given the tools still required.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from remanence.core.rule_order import barred, prefilled, spent, wanted_next
from remanence.core.rule_text import grouped_lines, single_lines

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from remanence.core.exchange import JsonObject
    from remanence.core.types import RuleType, Tool, ToolRule

_ORDERING: frozenset[RuleType] = frozenset(
    {"constrain_child_tools", "parent_last_tool", "conditional"}
)
# How far `check_rules` looks: states of a run, and calls of a tool with a higher limit. Rule sets
# that people write have some dozens of states; 2,000 take about 0.2 s.
_MOST_STATES = 2_000
_HIGHEST_LIMIT = 3
_CONSTRAINT = "[ToolConstraintError] Cannot call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What the rules permit in the next step.

    Args:
        names: tools that may be called, in the agent's order.
        forced: the one tool that has to be called, or None.
        must_call: some tool has to be called; plain text would not do. Never with empty `names`.
        prefilled: arguments that a rule sets, by tool name; they replace the model's.
    """

    names: tuple[str, ...]
    forced: str | None = None
    must_call: bool = False
    prefilled: Mapping[str, JsonObject] = field(default_factory=dict[str, "JsonObject"])


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
        There is always a legal move: a name, or (`must_call` false) an answer.
        With rules that `check_rules` accepts, some order of such moves ends the run.
    """
    first = {rule.tool_name for rule in rules if rule.type == "run_first"} & set(available)
    if first and not called:
        wanted: set[str] | None = first
        refused = spent(rules, called)
    else:
        wanted = wanted_next(rules, called, last_return)
        refused = spent(rules, called) | barred(rules, called)
    names = [
        name for name in available if name not in refused and (wanted is None or name in wanted)
    ]
    must_call = wanted is not None and bool(names)
    if not names:
        missing = missing_before_exit(rules, called)
        names = [name for name in available if name in missing]
        must_call = bool(names)
    return Allowed(
        names=tuple(names),
        forced=names[0] if must_call and len(names) == 1 else None,
        must_call=must_call,
        prefilled=prefilled(rules, called, names),
    )


def allows_parallel_calls(rules: Sequence[ToolRule]) -> bool:
    """Whether one reply may hold several calls: rules on their order need one at a time."""
    return all(rule.type == "requires_approval" for rule in rules)


def after_step(
    rules: Sequence[ToolRule], called: Sequence[str]
) -> Literal["continue", "exit", "free"]:
    """What the rules say after a step that called these tools, in order.

    exit: the run ends. continue: it goes on. free: the rules leave it to the agent's type.
    """
    if _has(rules, {"exit_loop"}, called):
        return "exit"
    if _has(rules, {"continue_loop"}, called) or _has(rules, _ORDERING, called[-1:]):
        return "continue"
    return "free"


def _has(rules: Sequence[ToolRule], kinds: Collection[RuleType], names: Collection[str]) -> bool:
    return any(rule.type in kinds and rule.tool_name in names for rule in rules)


def missing_before_exit(
    rules: Sequence[ToolRule], called: Sequence[str], available: Collection[str] | None = None
) -> tuple[str, ...]:
    """The tools that still have to be called before the run may end.

    Args:
        rules: of the agent.
        called: names of the tools this run has called.
        available: if given, tools that are not among them are not waited for: one that was
            detached since the rules were checked can never be called.
    """
    missing = (
        rule.tool_name
        for rule in rules
        if rule.type == "required_before_exit" and rule.tool_name not in called
    )
    return tuple(dict.fromkeys(name for name in missing if available is None or name in available))


def needs_approval(rules: Sequence[ToolRule], tools: Sequence[Tool], name: str) -> bool:
    """Whether a person has to answer before this tool runs."""
    by_tool = any(tool.name == name and tool.requires_approval for tool in tools)
    return by_tool or _has(rules, {"requires_approval"}, {name})


def constraint_error(name: str, allowed: Allowed) -> str:
    """What the model reads when it calls a tool that it may not call now."""
    return f"{_CONSTRAINT} {name}, valid tools include: {sorted(allowed.names)}."


def is_constraint_error(text: str) -> bool:
    """Whether a call's return is what `constraint_error` says."""
    return text.startswith(_CONSTRAINT)


def render_rules(rules: Sequence[ToolRule]) -> str:
    """The `<tool_usage_rules>` section of the prompt; empty without rules.

    Approvals are not told: the question is put to a person, not to the model. Nor are
    `prompt_template`s: the protocol ignores them.
    """
    lines = [*grouped_lines(rules), *single_lines(rules)]
    if not lines:
        return ""
    return "\n".join(
        ["<tool_usage_rules>", *(f"- {line}" for line in lines), "</tool_usage_rules>"]
    )


def check_rules(rules: Sequence[ToolRule], available: Sequence[str]) -> list[str]:
    """Why a rule set cannot work: one sentence per reason, empty when it can.

    Args:
        rules: as they are to be stored.
        available: names of the agent's tools.
    """
    problems = [
        f"{rule.type} names the tool {name!r}, which the agent does not have"
        for rule in rules
        for name in dict.fromkeys((rule.tool_name, *rule.children, *_mapped(rule)))
        if name not in available
    ]
    problems += [problem for rule in rules for problem in _misshaped(rule)]
    return problems or _traps(rules, available)


def _mapped(rule: ToolRule) -> list[str]:
    mapped = [str(child) for child in rule.child_output_mapping.values()]
    return mapped if rule.default_child is None else [*mapped, rule.default_child]


def _misshaped(rule: ToolRule) -> list[str]:
    if rule.type in ("constrain_child_tools", "parent_last_tool") and not rule.children:
        return [f"{rule.type} of {rule.tool_name!r} needs children"]
    if rule.type == "conditional" and not rule.child_output_mapping:
        return [f"conditional of {rule.tool_name!r} needs child_output_mapping"]
    if rule.type == "max_count_per_step" and (rule.max_count_limit or 0) < 1:
        return [f"max_count_per_step of {rule.tool_name!r} needs max_count_limit of at least 1"]
    return []


_Key: TypeAlias = tuple[str, str | None, tuple[int, ...], frozenset[str], bool]


@dataclass(frozen=True, slots=True)
class _Run:
    """A run as far as rules see it: the calls made, and what the last returned."""

    called: tuple[str, ...] = ()
    last_return: str | None = None

    def key(self, rules: Sequence[ToolRule]) -> _Key:
        """Equal for runs from which the same is possible."""
        last = self.called[-1] if self.called else ""
        return (
            last if _has(rules, _ORDERING, {last}) else "",
            self.last_return,
            tuple(
                min(self.called.count(rule.tool_name), rule.max_count_limit)
                for rule in rules
                if rule.max_count_limit is not None
            ),
            frozenset(missing_before_exit(rules, self.called)),
            not self.called,
        )

    def calls(self, rules: Sequence[ToolRule], name: str) -> Iterator[_Run]:
        """The runs after one more call, one for each return that rules tell apart."""
        outcomes: list[str | None] = [
            output
            for rule in rules
            if rule.type == "conditional" and rule.tool_name == name
            for output in (*rule.child_output_mapping, "\0 something else")
        ]
        for outcome in dict.fromkeys(outcomes or [None]):
            yield _Run((*self.called, name), outcome)

    def may_end(self, rules: Sequence[ToolRule]) -> bool:
        """Whether the run ends with its last call."""
        ends = after_step(rules, self.called[-1:]) == "exit"
        return ends and not missing_before_exit(rules, self.called)


def _traps(rules: Sequence[ToolRule], available: Sequence[str]) -> list[str]:
    """The shortest run from which no order of calls reaches an end, if there is one.

    Looks at every state a run can come to, in which tools that no rule names are alike.
    """
    rules = [
        rule
        if rule.max_count_limit is None
        else replace(rule, max_count_limit=min(rule.max_count_limit, _HIGHEST_LIMIT))
        for rule in rules
    ]
    named = {name for rule in rules for name in (rule.tool_name, *rule.children, *_mapped(rule))}
    others = [name for name in available if name not in named][:1]
    names = [name for name in available if name in named or name in others]
    runs: dict[_Key, _Run] = {_Run().key(rules): _Run()}
    before: dict[_Key, list[_Key]] = {}
    ends: set[_Key] = set()
    queue = deque(runs)
    while queue and len(runs) < _MOST_STATES:
        at = queue.popleft()
        if _ends_here(rules, names, runs[at]):
            ends.add(at)
        for after in _next_runs(rules, names, runs[at]):
            if after.may_end(rules):
                ends.add(at)
                continue
            key = after.key(rules)
            before.setdefault(key, []).append(at)
            if key not in runs:
                runs[key] = after
                queue.append(key)
    if queue:
        return []  # too many to look through
    good = _leading_to(ends, before)
    stuck = next((run for key, run in runs.items() if key not in good), None)
    return [] if stuck is None else [_told(rules, stuck)]


def _ends_here(rules: Sequence[ToolRule], names: Sequence[str], run: _Run) -> bool:
    """Whether the model may answer now and so end the run."""
    allowed = allowed_tools(rules, run.called, run.last_return, names)
    return not allowed.must_call and not missing_before_exit(rules, run.called)


def _next_runs(rules: Sequence[ToolRule], names: Sequence[str], run: _Run) -> Iterator[_Run]:
    for name in allowed_tools(rules, run.called, run.last_return, names).names:
        yield from run.calls(rules, name)


def _leading_to(ends: set[_Key], before: Mapping[_Key, Sequence[_Key]]) -> set[_Key]:
    found = set(ends)
    stack = list(ends)
    while stack:
        for key in before.get(stack.pop(), ()):
            if key not in found:
                found.add(key)
                stack.append(key)
    return found


def _told(rules: Sequence[ToolRule], run: _Run) -> str:
    where = f"after calling {', then '.join(run.called)}" if run.called else "from its beginning"
    missing = missing_before_exit(rules, run.called)
    why = (
        f"{' and '.join(missing)} must be called first, and the other rules never let it be"
        if missing
        else "each call demands another"
    )
    return f"{where}, a run could not end any more: {why}"
