from __future__ import annotations

from datetime import UTC

import pytest
from support.states import a_state, said

from remanence.core.exchange import Reply
from remanence.core.fact_judge import judge_facts
from remanence.core.fact_request import facts_request, read_span
from remanence.demo.facts import Fact, fact_of, facts_in
from remanence.demo.model import DemoModel
from remanence.demo.wording import enumerated, quoted, say

# What somebody says -> the lines that are kept of it.
SAID: list[tuple[str, list[str]]] = [
    # names
    ("my name is Ada", ["Name: Ada"]),
    ("My name's Ada Lovelace.", ["Name: Ada Lovelace"]),
    ("my name is ada lovelace", ["Name: Ada Lovelace"]),
    ("I'm Ada", ["Name: Ada"]),
    ("I\u2019m Ada", ["Name: Ada"]),
    ("I am Dr. Smith", ["Name: Dr. Smith"]),
    ("call me Bob", ["Name: Bob"]),
    ("You can call me Al", ["Name: Al"]),
    ("people call me Bobby", ["Name: Bobby"]),
    ("this is Ada speaking", ["Name: Ada"]),
    ("I go by Sam", ["Name: Sam"]),
    # several in one sentence
    ("My name is Ada and I live in Lisbon", ["Name: Ada", "Home: Lisbon"]),
    ("I'm Ada, 34, from Lisbon", ["Name: Ada", "Age: 34", "Origin: Lisbon"]),
    ("I'm Ada, a nurse from Porto", ["Name: Ada", "Job: nurse", "Origin: Porto"]),
    ("I live in Rome and work at Fiat", ["Home: Rome", "Employer: Fiat"]),
    ("i live in lisbon and i like fado", ["Home: Lisbon", "Likes: fado"]),
    ("I am from Portugal but I live in Spain", ["Origin: Portugal", "Home: Spain"]),
    # places
    ("I live in Lisbon with my friends", ["Home: Lisbon"]),
    ("we live in Oslo", ["Home: Oslo"]),
    ("I'm based in Oslo these days", ["Home: Oslo"]),
    ("I moved to Porto last week", ["Home: Porto"]),
    ("I've just moved to Porto", ["Home: Porto"]),
    ("I recently moved from Lisbon to Porto", ["Home: Porto"]),
    ("I live in Porto, not Lisbon", ["Home: Porto"]),
    ("I live in São Paulo", ["Home: São Paulo"]),
    ("I come from Japan", ["Origin: Japan"]),
    ("I was born in Rome", ["Origin: Rome"]),
    ("I grew up in Rome", ["Origin: Rome"]),
    ("I'm German", ["Nationality: German"]),
    # work and studies
    ("I work as a nurse at St. Mary's", ["Job: nurse", "Employer: St. Mary's"]),
    ("I work at Google as an engineer", ["Employer: Google", "Job: engineer"]),
    ("I'm a software engineer living in Berlin", ["Job: software engineer", "Home: Berlin"]),
    ("I work in finance", ["Line of work: finance"]),
    ("my occupation is teaching maths", ["Job: teaching maths"]),
    ("I'm studying physics at MIT", ["Studies: physics at MIT"]),
    ("I am learning Spanish", ["Learns: Spanish"]),
    # dates and numbers
    ("I'm 34 years old", ["Age: 34"]),
    ("i turned 34 yesterday", ["Age: 34"]),
    ("I was born on 3 May 1990", ["Birthday: 3 May 1990"]),
    ("I was born in 1990", ["Birth year: 1990"]),
    ("My birthday is on May 3rd", ["Birthday: May 3rd"]),
    ("my phone number is 555-1234", ["Phone number: 555-1234"]),
    ("my favourite number is 34", ["Favourite number: 34"]),
    # likes, food, health
    ("I like tea and coffee", ["Likes: tea and coffee"]),
    ("I really love hiking because it's quiet", ["Likes: hiking"]),
    ("I'm into jazz", ["Likes: jazz"]),
    ("I'm a big fan of Bach", ["Likes: Bach"]),
    ("I hate Mondays", ["Dislikes: Mondays"]),
    ("I can't stand cilantro", ["Dislikes: cilantro"]),
    ("I prefer tea over coffee", ["Prefers: tea over coffee"]),
    ("my favourite drink is tea", ["Favourite drink: tea"]),
    ("i'm allergic to peanuts and shrimp", ["Allergy: peanuts and shrimp"]),
    ("I have a peanut allergy", ["Allergy: peanut"]),
    ("I have an allergy to nuts", ["Allergy: nuts"]),
    ("I am lactose intolerant", ["Allergy: lactose"]),
    ("I'm vegan", ["Diet: vegan"]),
    ("I speak German, French and a bit of Polish", ["Speaks: German, French and a bit of Polish"]),
    ("I play the cello", ["Plays: the cello"]),
    ("I'm a morning person", ["Is: a morning person"]),
    # people and pets
    ("my dog is called Rex", ["Dog's name: Rex"]),
    ("I have a dog called Rex", ["Dog's name: Rex"]),
    ("I have a small brown dog named Rex", ["Dog's name: Rex"]),
    ("the name of my dog is Rex", ["Dog's name: Rex"]),
    ("My dog Rex is 5 years old", ["Dog's name: Rex", "Dog's age: 5"]),
    ("my dog's a labrador", ["Dog: a labrador"]),
    ("I've got two kids, Max and Lena", ["Has: two kids, Max and Lena"]),
    ("my sister's birthday is on 3 May", ["Sister's birthday: 3 May"]),
    ("my mum's name is Clara", ["Mum's name: Clara"]),
    ("I'm married to Tom", ["Partner's name: Tom"]),
    ("My sister Anna works as a doctor", ["Sister's name: Anna", "Sister's job: doctor"]),
    (
        "my sister is a doctor and she lives in Oslo",
        ["Sister's job: doctor", "Sister's home: Oslo"],
    ),
    ("my wife Anna and I live in Lisbon", ["Wife's name: Anna", "Home: Lisbon"]),
    (
        "My brother Paul's birthday is 7 June",
        ["Brother's name: Paul", "Brother's birthday: 7 June"],
    ),
    ("my parents live in Madrid", ["Parents' home: Madrid"]),
    ("my boss likes golf", ["Boss likes: golf"]),
    ("my wifi password is hunter2", ["Wifi password: hunter2"]),
]


@pytest.mark.parametrize(("sentence", "lines"), SAID, ids=[said for said, _ in SAID])
def test_statement_is_kept_as_facts(sentence: str, lines: list[str]) -> None:
    assert [fact.line for fact in facts_in(sentence)] == lines


@pytest.mark.parametrize(
    ("sentence", "gone", "new"),
    [
        ("I no longer work at Acme", ["Employer: Acme"], []),
        ("I don't live in Lisbon anymore", ["Home: Lisbon"], []),
        ("I'm not allergic to nuts", ["Allergy: nuts"], []),
        ("I don't like mushrooms", ["Likes: mushrooms"], ["Dislikes: mushrooms"]),
        ("I don't like tea anymore", ["Likes: tea"], []),
        ("I don't eat meat", ["Eats: meat"], ["Doesn't eat: meat"]),
    ],
)
def test_denial_takes_a_fact_back(sentence: str, gone: list[str], new: list[str]) -> None:
    facts = facts_in(sentence)

    assert [fact.line for fact in facts if fact.is_gone] == gone
    assert [fact.line for fact in facts if not fact.is_gone] == new


@pytest.mark.parametrize(
    "sentence",
    [
        "I'm tired",
        "I'm fine, thanks",
        "I have a question",
        "I have a meeting with Tom at nine",
        "I need help",
        "I'd like a coffee",
        "I used to live in Rome",
        "I want to go home",
        "I love you",
        "Tom lives in Paris",
        "You are kind",
        "",
    ],
)
def test_sentence_that_says_nothing_lasting_gives_no_fact(sentence: str) -> None:
    assert facts_in(sentence) == []


@pytest.mark.parametrize(
    ("before", "sentence", "line"),
    [
        ("My sister is Anna.", "She lives in Berlin.", "Sister's home: Berlin"),
        ("I have a cat.", "It's called Tom.", "Cat's name: Tom"),
        (
            "My sister works as a doctor.",
            "Her favourite colour is red.",
            "Sister's favourite colour: red",
        ),
    ],
)
def test_pronoun_means_whom_was_spoken_of_before(before: str, sentence: str, line: str) -> None:
    assert [fact.line for fact in facts_in(sentence, before)] == [line]


@pytest.mark.parametrize(
    ("key", "is_single"),
    [
        ("Home", True),
        ("Name", True),
        ("Sister's birthday", True),
        ("Favourite drink", True),
        ("Likes", False),
        ("Sister likes", False),
        ("Allergy", False),
        ("Sister's allergy", False),
        ("Doesn't eat", False),
        ("Is", False),
    ],
)
def test_new_value_replaces_only_what_there_is_one_of(key: str, is_single: bool) -> None:
    assert Fact(key=key, value="x").is_single is is_single


def test_keys_that_mean_the_same_are_one_key() -> None:
    assert Fact(key="Mum's birthday", value="x").has_key("mother's birthday")
    assert Fact(key="Favorite color", value="x").has_key("favourite colour")
    assert not Fact(key="Sister's name", value="x").has_key("sister's birthday")
    assert not Fact(key="Name", value="x").has_key("Dog's name")


def test_line_of_a_block_is_read_back_as_the_fact_it_was() -> None:
    for sentence, lines in SAID:
        assert [fact_of(line) for line in lines] == facts_in(sentence)


@pytest.mark.parametrize("line", ["The user's name is Ada.", "", "a: b", "Note: ", "12: x"])
def test_prose_line_is_no_fact(line: str) -> None:
    assert fact_of(line) is None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Name: Ada", "your name is Ada"),
        ("Home: Lisbon", "you live in Lisbon"),
        ("Job: nurse", "you work as a nurse"),
        ("Job: engineer", "you work as an engineer"),
        ("Job: teaching maths", "you work as teaching maths"),
        ("Age: 34", "you are 34 years old"),
        ("Allergy: peanuts", "you are allergic to peanuts"),
        ("Likes: tea", "you like tea"),
        ("Doesn't eat: meat", "you do not eat meat"),
        ("Has: a dog", "you have a dog"),
        ("Is: a night owl", "you are a night owl"),
        ("Dog's name: Rex", "your dog's name is Rex"),
        ("Sister's home: Berlin", "your sister lives in Berlin"),
        ("Parents' home: Madrid", "your parents lives in Madrid"),
        ("Sister's job: doctor", "your sister works as a doctor"),
        ("Sister likes: chess", "your sister likes chess"),
        ("Wifi password: hunter2", "your wifi password is hunter2"),
        ("IBAN: X", "your IBAN is X"),
    ],
)
def test_fact_is_said_to_its_owner(line: str, sentence: str) -> None:
    fact = fact_of(line)

    assert fact is not None
    assert say(fact) == sentence


def test_items_are_said_in_one_breath() -> None:
    assert [enumerated(items) for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_quotation_is_bounded_and_in_one_line() -> None:
    assert quoted("one\n two.") == '"one two"'
    assert len(quoted("x" * 1000)) == 302


def test_demonstration_reads_the_facts_of_a_span_and_they_hold_before_the_judge() -> None:
    span = (
        said("I live in Lisbon. Where do you live?", 1),
        said("I moved to Porto.", 2),
    )
    lines = read_span(span, UTC)
    request = facts_request(a_state().agent, lines)

    [reply] = DemoModel().call(request, stream=False, deadline=0.0)

    assert isinstance(reply, Reply)
    facts = judge_facts(reply, lines, tz=UTC)
    assert facts[0].text == "The user said: I live in Lisbon."
    assert facts[0].source_ids == (span[0].id,)
    assert facts[0].key == facts[1].key == "user|hom"
    assert facts[0].trust == "high"
    assert [reply] == list(DemoModel().call(request, stream=False, deadline=0.0))
