"""What a message wants: intents, in the order said.

Path: demo.plan -> understand -> one intent per thing to learn, note, forget, answer or say.
Pure. A sentence that no rule knows becomes a note when it looks worth keeping, or small talk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from remanence.demo.facts import Fact, facts_in
from remanence.demo.sentences import is_english, is_question, keywords, sentences, spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator

Topic = Literal["greeting", "thanks", "farewell", "identity", "help", "agreed", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """Facts for core memory; `text` is the sentence that said them."""

    facts: tuple[Fact, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Something known is wrong: put `new` in place of `old`, or of the last fact if that is ""."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence to be kept word for word, in archival memory when there is one."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """What is to be removed from core memory."""

    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question, as it was put."""

    question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Nothing to remember or to look up."""

    topic: Topic


Intent: TypeAlias = Learn | Swap | Note | Forget | Ask | Talk

_GREETING = re.compile(
    r"(?:hi|hello|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day))"
    r"(?: there| again| all| everyone)?(?=$|[\s,!.:–-])[\s,!.:–-]*",  # noqa: RUF001
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:(?:oh|ah|hm+|well|so|ok|okay|hey|yes|yeah|yep|actually|sorry|wait|correction|also|and|but"
    r"|btw|by the way|fyi|just so you know|for the record|please|now|anyway|in fact|great|cool|nice"
    r"|no|nope|update|thanks|thank you|i mean(?:t)?(?: to say)?|make that|to be precise"
    r"|(?:one|another) (?:more )?thing|fun fact)(?:[\s,:.!–-]+|$))*",  # noqa: RUF001
    re.IGNORECASE,
)
_PREFACE = re.compile(
    r"(?:i (?:just )?(?:want|need|would like|wanted) (?:you to (?:know|remember|note)"
    r"|to (?:tell you|say|let you know|mention|add))|you should (?:also )?know|let me tell you"
    r"|did you know|i (?:think|guess|believe)|as you (?:may )?know|it turns out)(?: about me)?"
    r"[:,]?(?: that)? ",
    re.IGNORECASE,
)
_CORRECTING = re.compile(
    r"\b(?:actually|sorry|wait|correction|no|nope|mean|meant|make that)\b", re.IGNORECASE
)
_REMEMBER = re.compile(
    r"(?:(?:can|could|would|will) you )?(?:please )?(?:always )?(?P<verb>remember|note(?: down)?"
    r"|keep in mind|do not forget|save|store|write down|make a note(?: of)?|memori[sz]e|archive)"
    r"(?: (?:this|the following|it|for me))*(?P<archive>(?: (?:in|into|to) (?:your |the )?"
    r"(?:archival |long[- ]term )?(?:memory|archive|notes?))?)(?:: ?|, ?| that:? | )(?=\S)",
    re.IGNORECASE,
)
_FORGET = re.compile(
    r"(?:please )?(?:forget|delete|remove|erase)(?: (?:about|that|the fact that|everything about"
    r"|what i (?:said|told you) about))* (?P<what>.+?)(?: from (?:your )?memory)?",
    re.IGNORECASE,
)
_NOT_BUT = re.compile(
    r"(?:(?:it|that|this|he|she) is )?(?:(?P<new>[^,]+?),? not (?P<old>[^,]+)"
    r"|not (?P<old2>[^,]+?),? (?:but|it is|rather)? ?(?P<new2>[^,]+))",
    re.IGNORECASE,
)
_NAME_IS_NOT = re.compile(
    r"my (?P<what>[\w' ]+?) is not (?P<old>[^,]+?),? (?:but|it is|rather) (?P<new>.+)",
    re.IGNORECASE,
)
_ELLIPSIS = re.compile(r"(?:(?:it|that) (?:is|was|should be) )?(?:in |at )?(?P<new>[\w'. -]{1,40})")
_ANOTHER_QUESTION = re.compile(
    r",? and (?=(?:what|where|who|when|how|which|do|does|is|am|are)\b)", re.IGNORECASE
)
_TALK: dict[Topic, str] = {
    "thanks": r"(?:many |ok |great )?(?:thanks|thank you|thx|cheers)(?: \w+){0,5}",
    "farewell": (
        r"(?:good ?bye|bye|bye bye|see you|good night|ciao|farewell|talk to you)(?: \w+){0,3}"
        r"|have a (?:nice|good|great) .+|that is all(?: for \w+)?"
    ),
    "identity": (
        r"(?:(?:and )?who|what) (?:exactly )?are you(?: .*)?|what is your (?:name|model)"
        r"|(?:which|what) (?:\w+ )*model (?:are you|is this|do you use).*"
        r"|are you (?:an? |the |really )*(?:ai|llm|\w+ model|real|human|person|bot|robot|demo"
        r"|machine|chatgpt|gpt.*|claude|gemini|letta|computer|intelligent|alive|scripted.*)"
        r"(?: .*)?|(?:tell me about|introduce) yourself|how do you work|do you have a name"
    ),
    "help": (
        r"(?:can you )?help(?: me)?|what can (?:you|i) (?:do|ask|say).*"
        r"|how do(?:es)? (?:i|this) .+"
    ),
    "greeting": r"how (?:are you|is it going)(?: .*)?|(?:nice|pleased|glad) to meet you|what is up",
}
_ABOUT_NOTHING = re.compile(
    r"(?:it|that|this|there|you|your|what|how|let us|i (?:want|need|think|feel|would|wonder|hope"
    r"|see|understand|agree|do not (?:know|understand|think|care)))\b",
    re.IGNORECASE,
)
_WHEN = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|week|weekend|month|year|morning|evening|ago"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.IGNORECASE,
)
_STATES = re.compile(r"\b(?:is|are|was|were|has|have|had|will|\w{3,}s|\w{3,}ed)\b")


def understand(message: str) -> list[Intent]:
    """The intents of a message, in order; at least one."""
    found: list[Intent] = []
    before = ""
    for sentence in sentences(message):
        greeting = _GREETING.match(sentence)
        if greeting is not None:
            found.append(Talk(topic="greeting"))
        rest = sentence[greeting.end() :] if greeting else sentence
        if rest:
            found += _intents(rest, before)
        before = f"{before} {rest}"
    return [*dict.fromkeys(found)] or [Talk(topic="unknown")]


def _intents(sentence: str, before: str) -> Iterator[Intent]:
    plain = spelled_out(sentence)
    opening = _OPENING.match(plain)
    start = opening.end() if opening else 0
    is_correction = _CORRECTING.search(plain[:start]) is not None
    bare = plain[start:]
    topic = _topic(plain) or _topic(bare)
    if not bare:
        topic = topic or ("agreed" if plain else "unknown")
    if topic is not None:
        yield Talk(topic=topic)
        return
    preface = _PREFACE.match(bare)
    bare = bare[preface.end() :] if preface else bare
    request = _REMEMBER.match(bare)
    if request is not None:
        yield _kept(request, bare[request.end() :], before)
    elif forget := _FORGET.fullmatch(bare):
        yield Forget(what=forget["what"])
    elif is_question(sentence if start == 0 else bare) and preface is None:
        asked = sentence[-len(bare) - 1 :] if start else sentence
        yield from (Ask(question=part) for part in _ANOTHER_QUESTION.split(asked))
    else:
        yield _statement(sentence, bare, before, is_correction=is_correction)


def _topic(bare: str) -> Topic | None:
    return next(
        (topic for topic, said in _TALK.items() if re.fullmatch(said, bare, re.IGNORECASE)), None
    )


def _kept(request: re.Match[str], what: str, before: str) -> Intent:
    """What "remember that ..." asks for: facts about the user are core memory, the rest is not."""
    to_archive = request["archive"] or request["verb"].lower() == "archive"
    facts = () if to_archive else tuple(facts_in(what, before))
    if facts:
        return Learn(facts=facts, text=_sentence(what))
    if what.startswith("to "):
        return Note(text=f"Remember {what}.")
    return Note(text=_sentence(what))


def _statement(sentence: str, bare: str, before: str, *, is_correction: bool) -> Intent:
    if not_this := _NAME_IS_NOT.fullmatch(bare):
        bare = f"my {not_this['what']} is {not_this['new']}"
    facts = tuple(facts_in(bare, before))
    if facts:
        return Learn(facts=facts, text=_sentence(bare))
    swap = _NOT_BUT.fullmatch(bare)
    if swap is not None and (is_correction or len(bare.split()) <= 8):
        return Swap(old=swap["old"] or swap["old2"], new=swap["new"] or swap["new2"])
    ellipsis = _ELLIPSIS.fullmatch(bare)
    if is_correction and ellipsis is not None and len(ellipsis["new"].split()) <= 3:
        return Swap(old="", new=ellipsis["new"])
    if not is_english(bare) and len(keywords(bare)) > 1:
        return Note(text=sentence)
    if _is_worth_noting(bare):
        return Note(text=_sentence(bare))
    return Talk(topic="unknown")


def _is_worth_noting(bare: str) -> bool:
    """A statement of some length about something: with a name, a number, a time or a subject."""
    words = bare.split(" ")
    if len(words) < 4 or _ABOUT_NOTHING.match(bare):
        return False
    if _WHEN.search(bare):
        return True
    is_specific = re.search(r"\d|\b[A-Z]\w|https?://", " ".join(words[1:])) is not None
    return _STATES.search(bare) is not None and (is_specific or words[0].lower() != "i")


def _sentence(text: str) -> str:
    text = text.strip(" ,;:")
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")
