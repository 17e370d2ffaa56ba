"""What new facts do to those that are known: nothing is deleted, no source is lost.

Path: core.fact_judge -> merge -> db commit. Pure. A fact that is known gains a source; one that
contradicts an older one closes its time and stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from remanence.core.facts import KnownFact, Trust, lowest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from remanence.core.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChanges:
    """What has to be written: passages to make, and known ones as they are to be."""

    created: tuple[KnownFact, ...]
    changed: tuple[KnownFact, ...]


def merge(
    known: Sequence[KnownFact], new: Sequence[Fact], new_id: Callable[[], str]
) -> FactChanges:
    """Take new facts in, in the order they were said.

    Args:
        known: at least all that share a gist or a key with one of `new`.
        new: judged.
        new_id: makes ids of passages.

    Invariants:
        Every source of every fact, old and new, is a source of some fact afterwards.
        No fact is trusted more than any of those it was merged from.
        A fact of low trust closes none that is trusted more.
        Taking the same facts in again changes nothing.
    """
    before = {each.passage_id: each.fact for each in known}
    facts = dict(before)
    for fact in sorted(new, key=lambda each: (each.valid_from, each.said_at)):
        if any(_is_taken_in(old, fact) for old in facts.values()):
            continue
        same = next((each for each in facts if _is_same(facts[each], fact)), None)
        if same is not None:
            facts[same] = _merged(facts[same], fact)
            continue
        fresh = fact
        for passage_id, old in facts.items():
            closed, fresh = _settled(old, fresh)
            facts[passage_id] = closed
        facts[new_id()] = fresh
    return FactChanges(
        created=tuple(
            KnownFact(passage_id=each, fact=fact)
            for each, fact in facts.items()
            if each not in before
        ),
        changed=tuple(
            KnownFact(passage_id=each, fact=fact)
            for each, fact in facts.items()
            if each in before and before[each] != fact
        ),
    )


def _is_taken_in(old: Fact, new: Fact) -> bool:
    """Whether nothing of the new fact is new: the same messages have said it before."""
    return (
        old.gist == new.gist
        and set(new.source_ids) <= set(old.source_ids)
        and set(new.entities) <= set(old.entities)
        and lowest(old.trust, new.trust) is old.trust
        and (old.key is not None or new.key is None)
    )


def _is_same(old: Fact, new: Fact) -> bool:
    """Whether they say the same of the same time: "lives in Rome" may be true twice in a life."""
    if old.gist != new.gist:
        return False
    if old.valid_to is None:
        return new.valid_to is None or new.valid_to > old.valid_from
    return old.valid_from <= new.valid_from <= old.valid_to


def _merged(old: Fact, new: Fact) -> Fact:
    """The known fact with what the new one adds; its words stay."""
    return replace(
        old,
        key=old.key or new.key,
        entities=tuple(dict.fromkeys((*old.entities, *new.entities))),
        source_ids=tuple(dict.fromkeys((*old.source_ids, *new.source_ids))),
        trust=lowest(old.trust, new.trust),
        valid_from=min(old.valid_from, new.valid_from),
        valid_to=new.valid_to if old.valid_to is None else old.valid_to,
    )


def _settled(old: Fact, new: Fact) -> tuple[Fact, Fact]:
    """Both, when they speak of the same: what was true first ends where the other begins.

    A web page that says otherwise ends nothing that the user said: both stand, each with its mark.
    """
    if old.key is None or old.key != new.key:
        return old, new
    first, then = (old, new) if old.valid_from <= new.valid_from else (new, old)
    if not first.holds_at(then.valid_from) or (then.trust is Trust.LOW is not first.trust):
        return old, new
    ended = replace(first, valid_to=then.valid_from)
    return (ended, then) if first is old else (then, ended)
