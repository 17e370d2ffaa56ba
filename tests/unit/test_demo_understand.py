from __future__ import annotations

import pytest

from remanence.demo.questions import read_question
from remanence.demo.sentences import is_english, is_question, keywords, search_words, sentences
from remanence.demo.understand import Ask, Forget, Learn, Note, Swap, Talk, understand


def learned(message: str) -> list[str]:
    return [
        fact.line
        for intent in understand(message)
        if isinstance(intent, Learn)
        for fact in intent.facts
    ]


def test_message_of_several_sentences_gives_all_its_facts() -> None:
    message = (
        "Hello, I'm Ada. I live in Lisbon, I have a dog called Rex and I'm allergic to peanuts! "
        "My sister is Anna. She lives in Berlin"
    )

    assert learned(message) == [
        "Name: Ada",
        "Home: Lisbon",
        "Dog's name: Rex",
        "Allergy: peanuts",
        "Sister's name: Anna",
        "Sister's home: Berlin",
    ]
    assert understand(message)[0] == Talk(topic="greeting")


@pytest.mark.parametrize(
    "message",
    [
        "actually I moved to Porto",
        "Actually, I moved to Porto",
        "no wait, I live in Porto",
        "By the way, I live in Porto!",
        "Just so you know: I live in Porto",
        "I want you to know that I live in Porto",
        "did you know that I live in Porto?",
        "Remember that I live in Porto.",
        "please remember: I live in Porto",
        "can you remember that I live in Porto?",
        "Don't forget that I live in Porto",
        "ok so I live in Porto now",
    ],
)
def test_openings_do_not_hide_what_is_said(message: str) -> None:
    assert learned(message) == ["Home: Porto"]


@pytest.mark.parametrize(
    ("message", "note"),
    [
        ("Remember that the wifi password is hunter2", "The wifi password is hunter2."),
        ("Remember to buy milk", "Remember to buy milk."),
        ("Archive this: Project Apollo starts on Monday.", "Project Apollo starts on Monday."),
        ("Save to archival memory that I like tea", "I like tea."),
        ("The Eiffel tower is 330 m tall.", "The Eiffel tower is 330 m tall."),
        ("I went to the dentist yesterday", "I went to the dentist yesterday."),
        ("Ich wohne in Berlin.", "Ich wohne in Berlin."),
        ("Me llamo Ana y vivo en Madrid.", "Me llamo Ana y vivo en Madrid."),
        ("我住在里斯本。", "我住在里斯本。"),
        ("меня зовут Аня", "меня зовут Аня"),
    ],
)
def test_what_is_no_fact_about_the_user_is_noted_word_for_word(message: str, note: str) -> None:
    assert understand(message) == [Note(text=note)]


@pytest.mark.parametrize(
    ("message", "swap"),
    [
        ("Sorry, Porto, not Lisbon", Swap(old="Lisbon", new="Porto")),
        ("not Lisbon but Porto", Swap(old="Lisbon", new="Porto")),
        ("It's Porto, not Lisbon", Swap(old="Lisbon", new="Porto")),
        ("no, it's Porto", Swap(old="", new="Porto")),
        ("I meant Porto", Swap(old="", new="Porto")),
    ],
)
def test_correction_without_a_subject_is_a_swap(message: str, swap: Swap) -> None:
    assert understand(message) == [swap]


def test_correction_of_a_key_is_its_new_value() -> None:
    assert learned("My name isn't Ada, it's Eda") == ["Name: Eda"]


@pytest.mark.parametrize(
    ("message", "what"),
    [
        ("forget my address", "my address"),
        ("Please forget that I live in Lisbon.", "I live in Lisbon"),
        ("delete everything", "everything"),
        ("remove my birthday from your memory", "my birthday"),
    ],
)
def test_wish_to_forget_is_understood(message: str, what: str) -> None:
    assert understand(message) == [Forget(what=what)]


@pytest.mark.parametrize(
    "message",
    [
        "where do I live?",
        "what do you know about me",
        "Do you remember my name?",
        "tell me about my sister",
        "search your memory for apollo",
        "Wo wohne ich?",
        "我住在哪里？",  # noqa: RUF001
        "¿Dónde vivo?",
        "What is the capital of France?",
    ],
)
def test_question_is_asked_as_it_was_put(message: str) -> None:
    assert understand(message) == [Ask(question=message)]


def test_two_questions_in_one_sentence_are_two() -> None:
    asked = understand("where do I live and what's my dog's name?")

    assert asked == [Ask(question="where do I live"), Ask(question="what's my dog's name?")]


def test_question_after_a_fact_is_asked_too() -> None:
    intents = understand("Actually, I live in Porto now. Where do I live?")

    assert [type(intent) for intent in intents] == [Learn, Ask]


@pytest.mark.parametrize(
    ("message", "topic"),
    [
        ("Hi!", "greeting"),
        ("good morning", "greeting"),
        ("How are you?", "greeting"),
        ("Who are you?", "identity"),
        ("are you a real person?", "identity"),
        ("Are you ChatGPT?", "identity"),
        ("what model do you use?", "identity"),
        ("What can you do?", "help"),
        ("help", "help"),
        ("thanks!", "thanks"),
        ("Thank you very much", "thanks"),
        ("bye", "farewell"),
        ("ok", "agreed"),
        ("It's raining", "unknown"),
        ("blah", "unknown"),
        ("", "unknown"),
        ("???", "unknown"),
    ],
)
def test_small_talk_is_recognised(message: str, topic: str) -> None:
    found = understand(message)

    assert [intent.topic for intent in found if isinstance(intent, Talk)] == [topic]


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        ("where do I live?", ("home",)),
        ("Where am I living now?", ("home",)),
        ("which city do I live in?", ("home",)),
        ("do you know where I live?", ("home",)),
        ("Can you tell me where my sister lives?", ("Sister's home",)),
        ("what's my name?", ("name",)),
        ("Do you remember what my name is?", ("name",)),
        ("Tell me my name", ("name",)),
        ("who am I", ("name",)),
        ("where am I from?", ("origin", "nationality")),
        ("where do I work?", ("employer", "job", "line of work")),
        ("how old am I?", ("age", "birthday", "birth year")),
        ("How old is my son?", ("Son's age", "Son's birthday", "Son's birth year")),
        ("when is my sister's birthday?", ("sister's birthday",)),
        ("What's my dog's name?", ("dog's name",)),
        ("what is my dog called?", ("Dog's name",)),
        ("what's the name of my dog?", ("dog's name",)),
        ("who is my wife?", ("Wife's name", "wife", "Wife's job")),
        ("what am I allergic to?", ("allergy",)),
        ("do I have any allergies?", ("allergy",)),
        ("What do I like?", ("likes",)),
        ("which languages do I speak?", ("speaks",)),
        ("what does my sister like?", ("Sister likes",)),
        ("what pets do I have?", ("dog's name", "cat's name")),
        ("What is my favourite colour?", ("favourite colour",)),
        ("what is my occupation?", ("job",)),
    ],
)
def test_question_asks_for_keys(question: str, keys: tuple[str, ...]) -> None:
    assert read_question(question).keys == keys


def test_question_what_somebody_does_asks_for_the_job_first() -> None:
    assert read_question("what do I do for a living?").keys[0] == "job"
    assert read_question("what does my sister do?").keys[0] == "Sister's job"


@pytest.mark.parametrize(
    ("question", "claim"),
    [
        ("do I like tea?", "Likes: tea"),
        ("Am I allergic to peanuts?", "Allergy: peanuts"),
        ("does my sister live in Berlin?", "Sister's home: Berlin"),
        ("is my dog called Rex?", "Dog's name: Rex"),
        ("is my sister's birthday 3 May?", "Sister's birthday: 3 May"),
    ],
)
def test_question_of_yes_or_no_is_a_claim(question: str, claim: str) -> None:
    assert [fact.line for fact in read_question(question).claims] == [claim]


@pytest.mark.parametrize(
    "question",
    [
        "what do you know about me?",
        "What do you remember about me so far?",
        "tell me everything you know about me",
        "tell me about myself",
        "what's in your memory?",
        "show me your memory",
    ],
)
def test_question_for_everything_is_an_overview(question: str) -> None:
    assert read_question(question).is_overview


@pytest.mark.parametrize(
    ("question", "topic", "in_conversation"),
    [
        ("what do you know about my sister?", "my sister", False),
        ("tell me about Project Apollo", "Project Apollo", False),
        ("search your memory for apollo", "apollo", False),
        ("search our conversation for apollo", "apollo", True),
        ("what did I say about the dentist?", "the dentist", True),
        ("did I mention bananas?", "bananas", True),
    ],
)
def test_question_about_a_topic_names_it(question: str, topic: str, in_conversation: bool) -> None:
    read = read_question(question)

    assert (read.topic, read.in_conversation) == (topic, in_conversation)


def test_sentences_are_cut_at_their_ends_only() -> None:
    text = "Dr. Smith has 3.5 cats. See https://a.b/c?d=e now! 你好。再见\n\nLast one"

    assert sentences(text) == [
        "Dr. Smith has 3.5 cats.",
        "See https://a.b/c?d=e now!",
        "你好。",
        "再见",
        "Last one",
    ]


def test_long_message_is_read_to_a_limit_and_quickly() -> None:
    assert sum(map(len, sentences("word " * 10_000))) <= 8_000
    assert sentences(" " * 8_000) == []


@pytest.mark.parametrize(
    ("sentence", "is_asked"),
    [
        ("Really?", True),
        ("what is this", True),
        ("When I was young I lived in Rome", False),
        ("I wonder", False),
        ("本当ですか？", True),  # noqa: RUF001
    ],
)
def test_question_is_told_from_statement(sentence: str, is_asked: bool) -> None:
    assert is_question(sentence) is is_asked


@pytest.mark.parametrize(
    ("sentence", "english"),
    [
        ("the cat is there", True),
        ("I run", True),
        ("Ich wohne in Berlin", False),
        ("J'habite à Paris", False),
        ("我住在里斯本", False),
    ],
)
def test_english_is_told_from_other_languages(sentence: str, english: bool) -> None:
    assert is_english(sentence) is english


def test_keywords_compare_what_texts_are_about() -> None:
    assert keywords("What are my mum's allergies?") == keywords("mother's allergy")
    assert keywords("I studied") == keywords("study")
    assert keywords("里斯本") == {"里斯", "斯本"}
    assert keywords("what do you know about me?") == frozenset()


def test_search_words_leave_out_what_every_question_has() -> None:
    assert search_words("What's the wifi password?") == "wifi password"
    assert search_words("What do you know about me?") == "What do you know about me"
    assert search_words("Wo wohne ich?") == "Wo wohne ich"
