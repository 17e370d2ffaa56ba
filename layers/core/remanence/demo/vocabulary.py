"""The words the demonstration knows: relations, pets, verbs and the keys they stand for.

Data; demo.predicates and demo.facts read it. Word lists are split strings, one per meaning.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """A list of words, written as one text."""
    return frozenset(text.split())


RELATIONS = (
    "sister|brother|mother|mum|mom|father|dad|wife|husband|partner|girlfriend|boyfriend|fiancée?"
    "|son|daughter|child|kid|baby|uncle|aunt|cousin|niece|nephew|grandmother|grandfather|grandma"
    "|grandpa|granddaughter|grandson|friend|boss|manager|colleague|coworker|neighbour|neighbor"
    "|teacher|doctor|dentist|therapist|roommate|flatmate|landlord|twin|stepmother|stepfather"
    "|parents|grandparents|children|kids|sisters|brothers|sons|daughters|friends"
)
PETS = "dogs?|cats?|puppy|kitten|horse|pony|hamster|rabbit|parrot|bird|fish|turtle|snake|pet"

# Words that follow "I am", "this is" or a relation with a capital, and are no names.
NOT_NAMES = words(
    "i is was and or who lives has had will the a an it that here back home fine good great ok "
    "okay well tired happy sad sick ill busy late ready hungry lost sure sorry glad alone curious "
    "bored new right wrong done not important true false so very awesome nice cool amazing fun "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july august september october november december"
)

# What stands between a subject and its verb without changing what is said.
ADVERBS = (
    r"(?:also|really|currently|now|usually|always|still|just|recently|finally|actually|absolutely"
    r"|definitely|mostly|mainly|often|sometimes|both|already|very much|only|simply|quite"
    r"|can(?! not)|used to(?= be )|(?:have|has|had)(?= (?:just |recently |already |always )*"
    r"(?:moved|relocated|turned|been|lived|worked|got)\b))"
)

# Verbs whose third person is itself a key: "plays: the cello".
HABITS = {
    "play": "plays",
    "speak": "speaks",
    "drive": "drives",
    "use": "uses",
    "eat": "eats",
    "drink": "drinks",
    "collect": "collects",
    "teach": "teaches",
    "read": "reads",
    "cook": "cooks",
    "grow": "grows",
    "support": "supports",
    "wear": "wears",
    "ride": "rides",
    "write": "writes",
    "watch": "watches",
    "take": "takes",
    "practise": "practises",
    "study": "studies",
    "learn": "learns",
    "want": "wants",
    "need": "needs",
}
# The base form of every key that is a verb.
BASES = {"likes": "like", "prefers": "prefer", "dislikes": "dislike", "has": "have"} | {
    third: base for base, third in HABITS.items()
}
# Keys that gather values; any other key has one value, and a new one takes its place.
MANY_VALUED = frozenset([*BASES, "is", "allergy", "diet"])

_VERBS = {
    "be": "am|is|are|been",
    "was": "was|were",
    "live": "live|lives|reside|resides|stay|stays",
    "move": "moved|relocated",
    "work": "work|works",
    "have": "have|has|own|owns|got",
    "come": "come|comes",
    "grew": "grew",
    "turned": "turned",
    "go": "go|goes",
    "like": "like|likes|love|loves|enjoy|enjoys|adore|adores",
    "prefer": "prefer|prefers",
    "dislike": "dislike|dislikes|hate|hates",
}
# Form of a verb -> the verb.
LEMMAS = {form: verb for verb, forms in _VERBS.items() for form in forms.split("|")} | {
    form: base for base, third in HABITS.items() for form in (base, third)
}
FORMS = "|".join(sorted(LEMMAS, key=len, reverse=True))

# What different people call the same key.
CANONICAL = {
    "occupation": "job",
    "profession": "job",
    "company": "employer",
    "workplace": "employer",
    "hometown": "origin",
    "home town": "origin",
    "home city": "home",
    "full name": "name",
    "first name": "name",
    "date of birth": "birthday",
    "birth date": "birthday",
    "hobby": "likes",
    "hobbies": "likes",
    "allergies": "allergy",
}
