"""Taking a message apart: sentences, clauses, words.

Path: demo.understand -> sentences -> clauses -> demo.facts; demo.recall compares words.
Pure. Clauses are cut by English shapes only; a sentence of any other language stays whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from remanence.demo.vocabulary import words

if TYPE_CHECKING:
    from collections.abc import Iterator

# The whole text of a message that is looked at; a pasted book is not a list of facts.
LONGEST_MESSAGE_CHARS = 8_000

_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "\u00a0": " "})  # noqa: RUF001
_BLANKS = re.compile(r"[^\S\n]+")
_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？؟])\s*|\s*\n+\s*|;\s+")  # noqa: RUF001
_ABBREVIATION = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|St|Prof|Jr|Sr|e\.g|i\.e|vs|No|approx|[A-Z])\.$")

_SHORT_FORMS = tuple(
    (re.compile(pattern, re.IGNORECASE), full)
    for pattern, full in (
        (r"\bI'?m\b", "I am"),
        (r"\b(we|you|they)'re\b", r"\1 are"),
        (r"\b(I|we|you|they)'ve\b", r"\1 have"),
        (r"\b(I|we|you|he|she|it|they)'ll\b", r"\1 will"),
        (r"\b(I|we|you|he|she|they)'d\b", r"\1 would"),
        (r"\b(he|she|it|that|what|who|where|when|how|there)'s\b", r"\1 is"),
        (r"\b(what|where|who|how)s\b", r"\1 is"),
        (r"\bcan(?:'t|not| not) (?:stand|bear|abide)\b", "hate"),
        (r"\bcan'?t\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\b(do|does|did|is|are|was|were|has|have|had)n'?t\b", r"\1 not"),
        (r"\b(name|birthday|number|address|favou?rite \w+)'s\b(?! name)", r"\1 is"),
        (r"'s (?=called |named |an? |\d)", " is "),
        (r"\bthe ((?!(?:one|rest|end|most|best)\b)\w+(?: \w+)?) of my (\w+)\b", r"my \2's \1"),
    )
)

_PERSON = r"(?:I|my|we|our|he|she|they|his|her|their|it is)\b"
_NEW_SUBJECT = re.compile(
    rf",?\s+(?:and|but|so|also|plus|while|whereas)\s+(?:(?:also|now|then)\s+)?(?={_PERSON})|,\s+(?={_PERSON})",
    re.IGNORECASE,
)

_QUESTION_START = re.compile(
    r"(?:what|where|who|whom|when|why|how|which|whose)(?: (?:is|are|am|was|were|do|does|did|can"
    r"|should|has|have|many|much|old|about|\w+ (?:do|does|did|am|is|are))\b)"
    r"|(?:do|does|did|is|are|am|was|were|can|could|will|would|should|has|have) "
    r"(?:i|you|we|my|your|our|he|she|it|they|the|there|any)\b"
    r"|(?:tell|remind) me\b|(?:search|look)\b.* (?:for|up|about)\b|find\b|show me\b|list\b"
    r"|any idea\b",
    re.IGNORECASE,
)
_QUESTION_END = re.compile(r"[?？؟]\W*$")  # noqa: RUF001

# Words that only English uses this way; names and loan words of other languages are not here.
_ENGLISH = words(
    """the my i'm i've your you is are and of to with what where who how when have has does
    like live this that there for not am hello hi thanks please about know remember name can
    we they he she it's don't from was were been would could should because very
    """
)
_STOP = words(
    """a an the i me my mine we our you your he she his her it its they their this that these
    is are am was were be been do does did done have has had can could will would should may
    of to in on at for from with by about as and or but not no so if then than too also
    what where who whom when why how which whose there here any some anything something
    tell know remember remind say said told please search look find show list memory memories
    archive archival notes note again ever called it's i'm us just really now
    user assistant talk talked mention mentioned think get got give idea much many
    """
)
# What different people call the same thing; both sides of a comparison go through it.
_SYNONYMS = {
    "mum": "mother",
    "mom": "mother",
    "mam": "mother",
    "dad": "father",
    "favorite": "favourite",
    "color": "colour",
    "phone": "phone",
    "telephone": "phone",
    "bday": "birthday",
    "born": "birthday",
    "reside": "live",
    "home": "live",
    "profession": "job",
    "occupation": "job",
    "work": "job",
    "kid": "child",
    "children": "child",
    "puppy": "dog",
    "kitten": "cat",
    "wi-fi": "wifi",
    "hobby": "like",
    "love": "like",
    "enjoy": "like",
    "allergic": "allergy",
    "intolerant": "allergy",
}
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
# Scripts without spaces between words: Han, kana, Hangul syllables, Thai.
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def sentences(text: str) -> list[str]:
    """The sentences of a message in their order, each with its closing mark."""
    found: list[str] = []
    # Runs of blanks are made one first: the pattern of ends would try every place in them.
    tidy = _BLANKS.sub(" ", text[:LONGEST_MESSAGE_CHARS].translate(_STRAIGHT))
    for piece in _END.split(tidy):
        sentence = piece.strip()
        if not sentence:
            continue
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {sentence}"
        else:
            found.append(sentence)
    return found


def is_question(sentence: str) -> bool:
    """Whether something is asked: by its mark in any script, or by its English beginning."""
    return bool(_QUESTION_END.search(sentence) or _QUESTION_START.match(spelled_out(sentence)))


def spelled_out(sentence: str) -> str:
    """The sentence without closing mark and English short forms: "I'm" -> "I am"."""
    plain = " ".join(sentence.translate(_STRAIGHT).split()).rstrip(".!?。！？ ")  # noqa: RUF001
    for pattern, full in _SHORT_FORMS:
        plain = pattern.sub(full, plain)
    return plain


def clauses(sentence: str) -> list[str]:
    """The parts of a spelled-out sentence that have a subject of their own."""
    return [part.strip(" ,") for part in _NEW_SUBJECT.split(sentence) if part.strip(" ,")]


def is_english(sentence: str) -> bool:
    """Whether at least one word in five is one that only English has."""
    spoken = [match.group().lower() for match in _WORD.finditer(sentence)]
    return sum(word in _ENGLISH or word == "i" for word in spoken) * 5 >= max(len(spoken), 1)


def keywords(text: str) -> frozenset[str]:
    """What a text is about, comparable: stems without function words; CJK as pairs of signs."""
    lowered = text.translate(_STRAIGHT).lower()
    return frozenset(
        [*_pairs(lowered), *(_stem(word) for word in _spaced(lowered) if word not in _STOP)]
    )


def search_words(text: str) -> str:
    """The words of a question that a search should look for, as they were written."""
    plain = spelled_out(text)
    kept = [word for word in plain.split(" ") if word.strip(",:").lower() not in _STOP]
    return " ".join(word.strip(',:"') for word in kept) or plain


def _spaced(lowered: str) -> Iterator[str]:
    for match in _WORD.finditer(_UNSPACED.sub(" ", lowered)):
        yield match.group().removesuffix("'s")


def _pairs(lowered: str) -> Iterator[str]:
    for match in _UNSPACED.finditer(lowered):
        run = match.group()
        yield from (run[at : at + 2] for at in range(max(len(run) - 1, 1)))


def _stem(word: str) -> str:
    word = _SYNONYMS.get(word, word)
    for ending, keep in (
        ("ies", "y"),
        ("ied", "y"),
        ("sses", "ss"),
        ("ing", ""),
        ("ed", ""),
        ("s", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + keep
            break
    word = word.rstrip("e") if len(word) > 3 else word
    return _SYNONYMS.get(word, word)
