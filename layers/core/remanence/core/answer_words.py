"""Words that answers have where their questions have others. Pure data, and who asks for what.

Path: core.ranking -> answer_words. "When did she go" is answered by "we went yesterday": forms of
irregular words, which no stemmer brings together, and words of time. Whoever asks for help is
helped best by who knows their wishes: "always", "never", "rather". The lists are those of
grammars and phrase books; none was made from the questions of a measurement.
"""

# ruff: noqa: RUF001  (words of many languages)

from __future__ import annotations

import re
from functools import cache

_IRREGULAR = """
arise arose arisen|awake awoke awoken|beat beaten|become became|begin began begun|bend bent
bind bound|bite bit bitten|bleed bled|blow blew blown|break broke broken|breed bred|bring brought
build built|burn burnt|buy bought|catch caught|choose chose chosen|cling clung|come came
creep crept|deal dealt|dig dug|draw drew drawn|dream dreamt|drink drank drunk|drive drove driven
eat ate eaten|fall fell fallen|feed fed|feel felt|fight fought|find found|flee fled|fly flew flown
forbid forbade forbidden|forget forgot forgotten|forgive forgave forgiven|freeze froze frozen
get got gotten|give gave given|go goes went gone|grow grew grown|hang hung|hear heard
hide hid hidden|hold held|keep kept|kneel knelt|know knew known|lay laid|lead led|lean leant
leap leapt|learn learnt|leave left|lend lent|lie lay lain|light lit|lose lost|make made|mean meant
meet met|mistake mistook mistaken|overcome overcame|pay paid|prove proven|ride rode ridden
ring rang rung|rise rose risen|run ran|say said|see saw seen|seek sought|sell sold|send sent
sew sewn|shake shook shaken|shine shone|shoot shot|show shown|shrink shrank shrunk|sing sang sung
sink sank sunk|sit sat|sleep slept|slide slid|smell smelt|sow sown|speak spoke spoken|spell spelt
spend spent|spill spilt|spin spun|spoil spoilt|spring sprang sprung|stand stood
steal stole stolen|stick stuck|sting stung|strike struck|strive strove|swear swore sworn
sweep swept|swim swam swum|swing swung|take took taken|teach taught|tear tore torn|tell told
think thought|throw threw thrown|undergo underwent undergone|understand understood
undertake undertook undertaken|wake woke woken|wear wore worn|weave wove woven|weep wept|win won
wind wound|withdraw withdrew withdrawn|write wrote written
bad worse worst|child children|foot feet|good better best|goose geese|half halves|knife knives
leaf leaves|life lives|loaf loaves|man men|mouse mice|person people|shelf shelves|thief thieves
tooth teeth|wife wives|wolf wolves|woman women
"""

# What asks for a time, and the words of times that answers have.
_TIMES = (
    (
        r"\bwhen\b|\bhow long\b|\b(?:what|which) (?:date|day|month|year|time)\b",
        "yesterday today tomorrow tonight week weekend month year day ago last next monday tuesday"
        " wednesday thursday friday saturday sunday january february march april may june july"
        " august september october november december morning evening recently since",
    ),
    (
        r"\bwann\b|\bwie lange\b",
        "gestern heute morgen woche wochenende monat jahr tag letzte nächste montag dienstag"
        " mittwoch donnerstag freitag samstag sonntag abend seit",
    ),
    (
        r"\bquand\b|\bdepuis combien\b",
        "hier aujourd'hui demain semaine mois année jour dernier prochain lundi mardi mercredi"
        " jeudi vendredi samedi dimanche matin soir",
    ),
    (
        r"\bcuándo\b|\bcuánto tiempo\b",
        "ayer hoy mañana semana mes año día pasado próximo lunes martes miércoles jueves viernes"
        " sábado domingo noche",
    ),
    (
        r"\bкогда\b|\bкак долго\b",
        "вчера сегодня завтра неделя месяц год день назад прошлый следующий понедельник вторник"
        " среда четверг пятница суббота воскресенье",
    ),
    (
        r"什么时候|何时|哪天|哪一天|几号|几月|哪年|多久",
        "昨天 今天 明天 上周 下周 周末 上个月 下个月 去年 今年 明年",
    ),
    (r"いつ", "昨日 今日 明日 先週 来週 週末 先月 来月 去年 今年 来年"),
    (r"언제", "어제 오늘 내일 지난주 다음주 주말 지난달 작년 올해 내년"),
    (r"เมื่อไ|วันไหน", "เมื่อวาน วันนี้ พรุ่งนี้ สัปดาห์ เดือน ปี"),
    (r"متى", "أمس اليوم غدا أسبوع شهر سنة"),
)

# What asks for help, and the words that wishes have.
_WISHES = (
    (
        r"\b(?:can|could|would|will) you (?:please )?(?:help|show|give|recommend|suggest|write"
        r"|explain|teach|walk|draft|create|generate|make|plan|list|provide|outline|describe|guide)"
        r"|^\W*(?:please|help me|show me|give me|recommend|suggest|write|explain|teach me|draft"
        r"|create|generate|plan|make me|how (?:do|can|should|could|would) (?:i|we)|how to"
        r"|i'd like|i would like|i need|i want|i'm (?:looking|trying|planning|thinking)"
        r"|i am (?:looking|trying|planning|thinking))\b"
        r"|\b(?:what|which|how) (?:\w+ ){0,6}(?:should|could|can) i\b|\bthe best way\b"
        r"|\bany (?:ideas|tips|suggestions|recommendations|advice)\b",
        "always never prefer preference instead rather avoid whenever ensure remember include"
        " sure favor",
    ),
    (
        r"\b(?:kannst|könntest|würdest) du\b|\bhilf mir\b|\bempfiehl\b|\bwas soll(?:te)? ich\b"
        r"|\bwie (?:kann|soll|könnte) ich\b",
        "immer nie niemals bevorzuge lieber statt vermeide unbedingt",
    ),
    (
        r"\b(?:peux|pourrais)[- ]tu\b|\bpouvez[- ]vous\b|\baide[- ]moi\b|\bque (?:dois|devrais)-je",
        "toujours jamais préfère plutôt évite surtout",
    ),
    (
        r"\b(?:puedes|podrías)\b|\bayúdame\b|\brecomi[eé]nda\w*|\bqué debería\b",
        "siempre nunca prefiero evita asegúrate",
    ),
    (r"\bможешь\b|\bпомоги|\bпосоветуй|\bпорекомендуй", "всегда никогда предпочитаю лучше избегай"),
    (
        r"帮我|能不能|请(?:给|为|帮)|教我|有什么建议|该怎么",
        "总是 从不 一定要 不要 偏好 更喜欢 务必",
    ),
    (r"してください|してくれ|教えて|おすすめ|どうすれば", "いつも 必ず 絶対 避けて しないで"),
    (r"해 ?줘|해 ?주세요|도와|추천해|어떻게 해야", "항상 절대 선호 반드시"),
    (r"ช่วย|แนะนำ", "เสมอ ไม่เคย หลีกเลี่ยง"),
    (r"هل يمكنك|ساعدني|اقترح", "دائما أبدا أفضل تجنب"),
)
# Whoever asks what was said wants that, and no help.
_OF_TALK = (
    r"\b(?:i|we|you)(?:'ve| have| had)?(?: ever| also| just| previously| already| first)?"
    r" (?:said|say|mention\w*|told|tell|ask\w*|discuss\w*|talk\w*|brought|bring|describ\w*|shar\w*"
    r"|rais\w*|cover\w*)\b|\b(?:our|this|these|the) (?:conversation|chat|discussion|session)s?\b"
    r"|\bso far\b|\bthroughout\b|\bsummar(?:y|i[sz]e\w*)\b|\brecap\b|\boverview\b"
)


@cache
def _forms() -> dict[str, tuple[str, ...]]:
    """Every irregular form with the others of its words."""
    found: dict[str, dict[str, None]] = {}
    for word in _IRREGULAR.strip().replace("\n", "|").split("|"):
        forms: dict[str, None] = dict.fromkeys(str(form) for form in word.split())
        for form in forms:
            found.setdefault(form, {}).update(forms)
    return {form: tuple(other for other in found[form] if other != form) for form in found}


def answer_words(question: str) -> tuple[str, ...]:
    """Words to look for beside those of a question, without those that it has.

    Args:
        question: in any language; case does not matter.
    """
    text = question.lower()
    spoken = re.findall(r"[a-z]+", text)
    words = [form for word in spoken for form in _forms().get(word, ())]
    words += _of(_TIMES, text)
    if not re.search(_OF_TALK, text):
        words += _of(_WISHES, text)
    return tuple(word for word in dict.fromkeys(words) if word not in text)


def _of(lists: tuple[tuple[str, str], ...], text: str) -> list[str]:
    return [word for asks, words in lists if re.search(asks, text) for word in words.split()]
