"""Deciding what to do next: more tool calls, or the words that end the turn.

Path: demo.model -> decide. Pure: equal requests give equal decisions. First everything is
written, then searched, then told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from remanence.demo.asking import SEARCH_TOOLS, ask
from remanence.demo.keeping import INSERT, Progress, error_line, keep
from remanence.demo.learning import learn, swap
from remanence.demo.memory import MEMORY_TOOLS, Planned
from remanence.demo.recall import entries_of_blocks
from remanence.demo.removing import forget
from remanence.demo.talk import NO_IMAGES, greeting, remark
from remanence.demo.understand import Ask, Forget, Intent, Learn, Note, Swap, Talk, understand
from remanence.demo.using import forced_call, named_arguments, named_tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remanence.demo.situation import Situation
    from remanence.demo.understand import Topic

SEND = "send_message"
# Tools that the rules know how to use; any other is called when the user names it.
_KNOWN_TOOLS = MEMORY_TOOLS | SEARCH_TOOLS | {INSERT, SEND}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Tool calls to make, or what to say; neither when the turn has been answered already."""

    calls: tuple[Planned, ...] = ()
    text: str = ""


def decide(situation: Situation, tool_choice: str, *, one_call: bool) -> Decision:
    """The next move in `situation`.

    Args:
        situation: read from the request.
        tool_choice: of the request; a forced tool is called whatever the rules would do.
        one_call: whether only one tool may be called at a time.
    """
    progress = _pursue(situation)
    planned = {call.name: call for call in reversed(progress.calls)}
    if tool_choice in situation.tools:
        tool = situation.tools[tool_choice]
        forced = planned.get(tool_choice) or _sent(progress, situation, tool_choice)
        return Decision(calls=(forced or forced_call(tool, situation.message),))
    if progress.calls and tool_choice != "none":
        # A call that writes a whole block would undo its neighbours.
        is_lonely = one_call or "memory_rethink" in planned
        return Decision(calls=tuple(progress.calls[:1] if is_lonely else progress.calls))
    return _answered(progress, situation, must_call=tool_choice == "required")


def _answered(progress: Progress, situation: Situation, *, must_call: bool) -> Decision:
    """The end of a turn: what a notice demands, then the words, through send_message if offered."""
    done = {attempt.name for attempt in situation.attempts if attempt.is_ok}
    for name in situation.must_call:
        if name in situation.tools and name not in done:
            return Decision(calls=(forced_call(situation.tools[name], situation.message),))
    sent = _sent(progress, situation, SEND)
    if sent is not None:
        return Decision() if SEND in done and not must_call else Decision(calls=(sent,))
    if must_call and situation.tools:
        unused = [name for name in situation.tools if name not in done] or list(situation.tools)
        first = min(unused, key=lambda name: name not in SEARCH_TOOLS)
        return Decision(calls=(forced_call(situation.tools[first], situation.message),))
    return Decision(text=_joined(progress.told))


def _sent(progress: Progress, situation: Situation, name: str) -> Planned | None:
    if name != SEND or SEND not in situation.tools:
        return None
    return Planned(name=SEND, arguments={"message": _joined(progress.told)})


def _joined(told: Sequence[str]) -> str:
    separator = "\n" if any("\n" in text for text in told) else " "
    return separator.join(told) or remark("agreed")


def _pursue(situation: Situation) -> Progress:
    """What the message still needs: all is written first, then searched, then told."""
    tried = {attempt.name for attempt in situation.attempts}
    named = named_tool(situation.message, {*situation.tools, *tried}, _KNOWN_TOOLS)
    if named is not None:
        return _use(named, situation)
    intents = understand(situation.message)
    progress = learn([intent for intent in intents if isinstance(intent, Learn)], situation)
    for intent in intents:
        written = _write(intent, situation)
        progress.calls += written.calls
        progress.told += written.told
    if progress.calls:
        return Progress(calls=progress.calls)
    for intent in intents:
        if isinstance(intent, Ask):
            answer = ask(intent, situation)
            if answer.calls:
                return answer
            progress.told += answer.told
    if situation.has_image:
        progress.told.append(NO_IMAGES)
    return Progress(told=_with_small_talk(progress.told, intents, situation))


def _write(intent: Intent, situation: Situation) -> Progress:
    match intent:
        case Swap():
            return swap(intent, situation)
        case Note():
            return keep(intent.text, situation)
        case Forget():
            return forget(intent, situation)
        case Learn() | Ask() | Talk():
            return Progress()


def _with_small_talk(told: list[str], intents: Sequence[Intent], situation: Situation) -> list[str]:
    """A greeting goes before what is told; other remarks are made when there is nothing else."""
    topics: list[Topic] = [intent.topic for intent in intents if isinstance(intent, Talk)]
    if "greeting" in topics:
        return [greeting(_name(intents, situation)) + ("\n" if told else ""), *told]
    return told or [remark(topic) for topic in topics[:1]]


def _name(intents: Sequence[Intent], situation: Situation) -> str | None:
    told = [fact for intent in intents if isinstance(intent, Learn) for fact in intent.facts]
    known = [fact for entry in entries_of_blocks(situation.blocks) for fact in entry.facts]
    return next((fact.value for fact in [*told, *reversed(known)] if fact.key == "Name"), None)


def _use(name: str, situation: Situation) -> Progress:
    """Call the tool the user named; once it has answered, say what it said."""
    tries = situation.done(name)
    if not tries:
        tool = situation.tools[name]
        return Progress(
            calls=[Planned(name=name, arguments=named_arguments(tool, situation.message))]
        )
    if tries[-1].is_ok:
        return Progress(told=[f"{name} returned: {tries[-1].text}"])
    return Progress(told=[f"{name} failed: {error_line(tries[-1].text)}."])
