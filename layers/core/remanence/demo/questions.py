"""What a question asks for: keys of facts, a topic, or everything.

Path: demo.recall -> read_question. Pure; English shapes. What fits no shape is left to a
comparison of words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from remanence.demo.facts import Fact, facts_in, owned
from remanence.demo.sentences import spelled_out
from remanence.demo.vocabulary import CANONICAL, HABITS, LEMMAS, PETS, RELATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as understood.

    Args:
        text: as it was put.
        keys: the keys that answer it, best first; all of the first known one are said.
        claims: facts that it asks to confirm ("do I like tea?").
        is_overview: everything about the user is asked for.
        topic: everything about this is asked for.
        in_conversation: it is about what was said, so the history is searched first.
    """

    text: str
    keys: tuple[str, ...] = ()
    claims: tuple[Fact, ...] = ()
    is_overview: bool = False
    topic: str | None = None
    in_conversation: bool = False


_S = r"(?:i|we|(?:my|our) (?P<who>.+?))"
_DO = r"(?:do|does|can|did)"
_BE = r"(?:am|is|are|was|were)"
# Shapes of questions, and the keys that answer each.
_SHAPES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), keys)
    for pattern, keys in (
        (
            rf"(?:where|(?:what|which) (?:city|town|country|place)) {_DO} {_S} (?:currently )?"
            r"(?:live|stay|reside)(?: in)?(?: now)?",
            ("home",),
        ),
        (rf"where {_BE} {_S} (?:living|based|at home)(?: now)?", ("home",)),
        (rf"where {_BE} {_S} (?:(?:originally )?from|born)", ("origin", "nationality")),
        (rf"where {_DO} {_S} (?:come from|grow up)", ("origin", "nationality")),
        (rf"(?:where|who) {_DO} {_S} work(?: for| at)?", ("employer", "job", "line of work")),
        (
            rf"what {_DO} {_S} do(?: for (?:a living|work)| professionally)?|what {_BE} my work",
            ("job", "employer", "line of work", "studies", "is"),
        ),
        (rf"what (?:do|does) {_S} (?:work as|do at work)", ("job",)),
        (rf"what(?: foods?)? {_BE} {_S} allergic to", ("allergy",)),
        (
            rf"(?:what(?: \w+)?|{_DO}|which)(?: do| does| are)? {_S} (?:have )?(?:any )?(?:\w+ )?"
            r"allerg(?:y|ies)(?: .*)?",
            ("allergy",),
        ),
        (rf"how old {_BE} {_S}", ("age", "birthday", "birth year")),
        (rf"when {_BE} {_S} born", ("birthday", "birth year")),
        (rf"what {_BE} {_S} (?:called|named)|who am i|how am i called", ("name",)),
        (rf"what {_DO} {_S} (?:study|learn)", ("studies",)),
        (rf"what {_DO} {_S} (?:not like|dislike|hate)", ("dislikes",)),
        (rf"{_BE} {_S} (?:married|single|engaged).*", ("partner's name", "status")),
    )
)
_VERB = re.compile(
    rf"(?:what|which|who|how many)(?: kind of)?(?: (?P<noun>\w+))? {_DO} {_S}"
    rf" (?P<verb>{'|'.join(LEMMAS)})"
    r"(?: (?:to \w+|doing|at|in|most|best))?",
    re.IGNORECASE,
)
_WHAT_IS_MY = re.compile(
    rf"(?:what|who|when|where|which|how)(?: \w+)? {_BE} (?:my|our) (?P<key>.+)", re.IGNORECASE
)
_YES_NO_DO = re.compile(r"(?:do|does|did) (?P<claim>(?:i|we|my .+) .+)", re.IGNORECASE)
_YES_NO_BE = re.compile(r"(?P<be>am|is|are) (?P<subject>i|we|my) (?P<rest>.+)", re.IGNORECASE)
_OVERVIEW = re.compile(
    r"what (?:do|did|have) you (?:know|remember|learn\w*|store\w*|save\w*|have)(?: .*)?"
    r" (?:about|on|of) (?:me|us)(?: .*)?|what do you (?:know|remember)(?: so far)?"
    r"|what have i told you(?: so far)?"
    r"|tell me (?:everything |all |something )*(?:you know )?about (?:me|myself)|who am i to you"
    r"|(?:show|list)(?: me)? (?:your |the |all )*(?:core )?(?:memory|memories|facts|notes)(?: .*)?"
    r"|what is in your (?:core )?memory|do you (?:know|remember) (?:me|who i am)",
    re.IGNORECASE,
)
_TOPIC = re.compile(
    r"(?:what (?:do|did|have) you (?:know|remember|store\w*|save\w*|note\w*) (?:about|on|of|for)"
    r"|tell me (?:everything |all |something |more )*(?:you know )?about|anything (?:on|about)"
    r"|what about|do you (?:know|remember) (?:anything|something|what i \w+(?: you)?) about"
    r"|(?:search|look|check)(?: through| in)?(?: (?:your|my|the|our))?"
    r"(?: \w+){0,3}? (?:for|about|up)"
    r"|find|search|look up) (?P<topic>.+)",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?:what|when|where) (?:did|have|do) (?:i|we) (?:say|said|tell|told|talk|mention|discuss)\w*"
    r"(?: you)?(?: (?:about|of|on))?(?P<topic>.*)"
    r"|did (?:i|we) (?:ever )?(?:say|tell|talk|mention|discuss)(?: you)?"
    r"(?: (?:about|of|on))?(?P<topic2>.*)",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:(?:and|so|ok|please|hey|well|but|then|now)[, ]+|(?:can|could|would|will) you (?:please )?"
    r"(?=tell|remind|search|find|look|show|list)|(?:do|can) you (?:still )?"
    r"(?:know|remember|recall|tell me)(?: again)?"
    r" (?=what|where|who|when|which|how|my|our|if|whether)"
    r"|(?:tell|remind) me (?:again )?(?:of )?(?=what|where|who|when|which|how|my|our|if)"
    r"|any idea )+",
    re.IGNORECASE,
)
# "... where I live": the order of an indirect question.
_INDIRECT = re.compile(
    r"(?P<wh>what|where|who|when|which|how(?: old)?)(?P<noun> \w+)? (?P<who>i|we|my .+?) "
    r"(?P<verb>am|is|are|was|were|live|lives|work|works|do|does|like|likes|speak|speaks|play|plays)"
    r"\b(?P<rest>.*)",
    re.IGNORECASE,
)


def read_question(question: str) -> Question:
    """Understand a question; one that fits no shape comes back with its text only."""
    spoken = spelled_out(question)
    polite = _POLITE.match(spoken)
    plain = _direct(spoken[polite.end() :] if polite else spoken)
    said = _SAID.fullmatch(plain)
    if _OVERVIEW.fullmatch(plain):
        return Question(text=question, is_overview=True)
    if said is not None:
        topic = (said["topic"] or said["topic2"] or "").strip()
        return Question(text=question, topic=topic or None, in_conversation=True)
    if topical := _TOPIC.fullmatch(plain):
        in_chat = re.search(r"\b(?:conversation|chat|history)\b", plain) is not None
        return Question(text=question, topic=topical["topic"], in_conversation=in_chat)
    keys = _keys(plain)
    if keys:
        return Question(text=question, keys=keys)
    return Question(text=question, claims=_claims(plain))


def _direct(plain: str) -> str:
    """Indirect questions made direct: "where I live", "my name"."""
    if re.match(r"(?:my|our) ", plain, re.IGNORECASE):
        return f"what is {plain}"
    match = _INDIRECT.fullmatch(plain)
    if match is None or re.match(r" (?:am|is|are|do|does)$", match["noun"] or ""):
        return plain
    front = f"{match['wh']}{match['noun'] or ''}"
    if match["verb"].lower() in {"am", "is", "are", "was", "were"}:
        return f"{front} {match['verb']} {match['who']}{match['rest']}"
    verb = LEMMAS.get(match["verb"].lower(), "do")
    return f"{front} do {match['who']} {verb}{match['rest']}"


def _keys(plain: str) -> tuple[str, ...]:
    for pattern, keys in _SHAPES:
        match = pattern.fullmatch(plain)
        if match is not None:
            who = match.groupdict().get("who")
            return tuple(owned(who, key) if who else key for key in keys)
    verb = _VERB.fullmatch(plain)
    if verb is not None:
        lemma = LEMMAS[verb["verb"].lower()]
        key = {"like": "likes", "prefer": "prefers", "dislike": "dislikes", "have": "has"}.get(
            lemma, HABITS.get(lemma, lemma)
        )
        keys = _keys_of_having(verb["noun"]) if key == "has" else (key,)
        return tuple(owned(verb["who"], key) if verb["who"] else key for key in keys)
    what = _WHAT_IS_MY.fullmatch(plain)
    return keys_of_noun(what["key"]) if what is not None else ()


def _keys_of_having(noun: str | None) -> tuple[str, ...]:
    """The keys for "what do I have", "what pets do I have"; of other nouns the words decide."""
    if noun is None:
        return ("has",)
    return ("dog's name", "cat's name") if noun.lower() in {"pet", "pets", "animals"} else ()


def keys_of_noun(noun: str) -> tuple[str, ...]:
    """The keys that "my <noun>" may mean: "sister's birthday", "dog called", "wife"."""
    called = re.fullmatch(r"(.+) (?:called|named)(?: again)?", noun)
    if called is not None:
        return (owned(called.group(1), "name"),)
    noun = re.sub(r"\b (?:again|now|please)$|^(?:current|own) ", "", noun)
    noun = CANONICAL.get(noun.lower(), noun)
    if re.fullmatch(rf"(?:[\w-]+ )?(?:{RELATIONS}|{PETS})", noun, re.IGNORECASE):
        return (owned(noun, "name"), noun, owned(noun, "job"))
    return (noun,)


def _claims(plain: str) -> tuple[Fact, ...]:
    """The facts that a yes-or-no question asks to confirm."""
    does = _YES_NO_DO.fullmatch(plain)
    if does is not None:
        return tuple(facts_in(does["claim"]))
    match = _YES_NO_BE.fullmatch(plain)
    if match is None:
        return ()
    if match["subject"].lower() != "my":
        return tuple(facts_in(f"{match['subject']} {match['be']} {match['rest']}"))
    words = match["rest"].split(" ")
    for at in range(1, len(words)):
        subject, rest = " ".join(words[:at]), " ".join(words[at:])
        if not words[at - 1].endswith("'s"):
            return tuple(facts_in(f"my {subject} {match['be']} {rest}"))
    return ()
