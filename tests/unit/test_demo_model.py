"""The demonstration model in conversation, over the real core (tests/support/demo_session.py)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from support.demo_session import ARCHIVES, MEMGPT, TALKS, DemoSession, a_block, a_tool

from remanence.core.exchange import (
    Image,
    ModelSettings,
    Reply,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Turn,
)
from remanence.core.tokens import estimate_parts, estimate_request, estimate_text
from remanence.core.types import StopReason, ToolRule
from remanence.demo.model import HANDLE, DemoModel


def a_request(*texts: str, tools: tuple[str, ...] = (), **changes: object) -> Request:
    request = Request(
        handle=HANDLE,
        system="You are kind.\n\n<memory_blocks>\n</memory_blocks>",
        turns=tuple(Turn(role="user", parts=(Text(text=text),)) for text in texts),
        tools=tuple(
            ToolSpec(name=t.name, description=t.description, parameters=t.parameters)
            for t in map(a_tool, tools)
        ),
        cache_key="conv-1",
    )
    return replace(request, **changes)  # type: ignore[arg-type]  # fields of Request


def reply_to(request: Request) -> Reply:
    (reply,) = DemoModel().call(request, stream=False, deadline=0.0)
    assert isinstance(reply, Reply)
    return reply


# --- storing -----------------------------------------------------------------------------------


def test_facts_of_one_message_go_into_core_memory_in_one_call() -> None:
    session = DemoSession()

    said = session.say("Hi, I'm Ada. I live in Lisbon and I'm allergic to peanuts. I like tea.")

    assert session.value() == "Name: Ada\nHome: Lisbon\nAllergy: peanuts\nLikes: tea"
    assert session.names() == ["memory_insert"]
    assert "you live in Lisbon" in said
    assert session.stop_reason is StopReason.END_TURN


def test_correction_replaces_the_old_line() -> None:
    session = DemoSession()
    session.say("my name is Ada and I live in Lisbon and I like tea")

    said = session.say("actually I moved to Porto")

    assert session.value() == "Name: Ada\nHome: Porto\nLikes: tea"
    assert session.names() == ["memory_replace"]
    assert "you live in Porto (before: Lisbon)" in said


@pytest.mark.parametrize(
    "correction", ["no, it's Porto", "Sorry, Porto, not Lisbon", "not Lisbon but Porto"]
)
def test_correction_in_a_few_words_replaces_what_it_means(correction: str) -> None:
    session = DemoSession()
    session.say("my name is Ada and I live in Lisbon")

    session.say(correction)

    assert session.value() == "Name: Ada\nHome: Porto"


def test_new_fact_and_change_in_one_message_are_two_parallel_calls() -> None:
    session = DemoSession()
    session.say("I live in Lisbon")

    session.say("I moved to Porto. My dog is called Rex.")

    assert session.value() == "Home: Porto\nDog's name: Rex"
    assert session.names() == ["memory_insert", "memory_replace"]
    assert len(session.requests[-2].turns) + 2 == len(session.requests[-1].turns)


def test_calls_are_made_one_by_one_where_only_one_is_allowed() -> None:
    session = DemoSession(parallel=False)
    session.say("I live in Lisbon")
    before = len(session.requests)

    session.say("I moved to Porto. My dog is called Rex.")

    assert session.value() == "Home: Porto\nDog's name: Rex"
    assert len(session.requests) - before == 3


def test_known_fact_is_not_written_again() -> None:
    session = DemoSession()
    session.say("I like tea")

    said = session.say("I like tea")

    assert session.names() == []
    assert said == "That I already had: you like tea."


def test_fact_taken_back_is_removed() -> None:
    session = DemoSession()
    session.say("I like tea. I live in Rome. I like jazz.")

    session.say("I don't like tea anymore")

    assert session.value() == "Home: Rome\nLikes: jazz"


@pytest.mark.parametrize(
    ("wish", "left"),
    [
        ("forget my home", "Name: Ada\nLikes: tea"),
        ("forget that I like tea", "Name: Ada\nHome: Lisbon"),
        ("forget everything", ""),
        ("forget about Lisbon", "Name: Ada\nLikes: tea"),
    ],
)
def test_wish_to_forget_removes_lines(wish: str, left: str) -> None:
    session = DemoSession()
    session.say("my name is Ada, I live in Lisbon, I like tea")

    session.say(wish)

    assert session.value() == left


def test_wish_to_forget_the_unknown_says_so() -> None:
    assert "holds nothing about my address" in DemoSession().say("forget my address")


def test_line_that_is_part_of_another_is_replaced_alone() -> None:
    session = DemoSession(blocks=[a_block("human", "Home: Lis\nHome: Lisbon\nLikes: tea")])

    session.say("I moved to Porto")

    assert session.value() == "Home: Porto\nHome: Lisbon\nLikes: tea"


def test_notes_go_to_archival_memory() -> None:
    session = DemoSession()

    said = session.say("Remember that the wifi password is hunter2")

    assert session.archive == ["The wifi password is hunter2."]
    assert session.value() == ""
    assert said == 'Kept in archival memory: "The wifi password is hunter2".'


def test_notes_without_archival_memory_go_to_core_memory() -> None:
    session = DemoSession(tools=TALKS)

    session.say("Remember that the wifi password is hunter2")
    answer = session.say("what is the wifi password?")

    assert session.value() == "The wifi password is hunter2."
    assert answer == 'Core memory says: "The wifi password is hunter2".'


@pytest.mark.parametrize(
    ("tools", "value"),
    [
        (("memory_insert", "memory_replace"), "Name: Ada\nHome: Porto\nLikes: tea"),
        (("core_memory_append", "core_memory_replace"), "Name: Ada\nHome: Porto\nLikes: tea"),
        (("memory",), "Name: Ada\nHome: Porto\nLikes: tea"),
        (("memory_rethink",), "Name: Ada\nHome: Porto\nLikes: tea"),
        (("memory_apply_patch",), "Name: Ada\nHome: Porto\nLikes: tea"),
        # Without a tool that replaces, the newer line counts.
        (("memory_insert",), "Name: Ada\nHome: Lisbon\nHome: Porto\nLikes: tea"),
    ],
)
def test_every_memory_tool_can_be_driven(tools: tuple[str, ...], value: str) -> None:
    session = DemoSession(tools=tools)

    session.say("my name is Ada and I live in Lisbon")
    session.say("I moved to Porto")
    session.say("I like tea")

    assert session.value() == value
    assert session.say("where do I live?") == "You live in Porto."


def test_block_of_another_label_is_used_when_there_is_no_human() -> None:
    session = DemoSession(blocks=[a_block("persona", "I am kind."), a_block("profile")])

    session.say("I'm Ada")

    assert (session.value("profile"), session.value("persona")) == ("Name: Ada", "I am kind.")


# --- what goes wrong ---------------------------------------------------------------------------


def test_full_block_sends_the_sentence_to_archival_memory() -> None:
    session = DemoSession(blocks=[a_block("human", limit=10)])

    said = session.say("my name is Ada and I work as a nurse")

    assert [made.is_ok for made in session.made] == [False, True]
    assert session.archive == ["My name is Ada and I work as a nurse."]
    assert said.startswith("Core memory refused it (")
    assert "Kept in archival memory" in said


def test_full_block_without_archival_memory_is_told() -> None:
    session = DemoSession(tools=TALKS, blocks=[a_block("human", limit=5)])

    said = session.say("my name is Ada")

    assert said.startswith('I could not store "My name is Ada": core memory refused it (')
    assert session.say("what is my name?") == "Your name is Ada (from our earlier conversation)."


def test_read_only_block_is_not_written_to() -> None:
    session = DemoSession(blocks=[a_block("human", read_only=True)])

    said = session.say("my name is Ada")

    assert session.names() == ["archival_memory_insert"]
    assert said == 'No block may be written to. Kept in archival memory: "My name is Ada".'


def test_agent_without_tools_talks_and_knows_what_was_said_above() -> None:
    session = DemoSession(tools=())

    assert "I have no tool that edits core memory" in session.say("my name is Ada")
    assert session.say("what's my name?") == "Your name is Ada (from what you said above)."


# --- answering ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("where do I live?", "You live in Lisbon."),
        ("What's my name?", "Your name is Ada."),
        ("what's my dog's name?", "Your dog's name is Rex."),
        ("When is my sister's birthday?", "Your sister's birthday is 3 May."),
        ("what do I do for a living?", "You work as a nurse."),
        ("do I like tea?", "Yes, you like tea."),
        ("do I live in Porto?", "No, you live in Lisbon."),
        ("am I allergic to peanuts?", "Yes, you are allergic to peanuts."),
        ("Do I have a dog?", "Your dog's name is Rex."),
        ("who is Anna?", "Your sister's name is Anna."),
    ],
)
def test_question_is_answered_from_core_memory_without_a_search(question: str, answer: str) -> None:
    session = DemoSession()
    session.say("my name is Ada, I live in Lisbon and I'm allergic to peanuts. I like tea.")
    session.say("My dog is called Rex. My sister Anna's birthday is 3 May. I work as a nurse.")

    assert session.say(question) == answer
    assert session.names() == []


def test_question_for_everything_lists_core_memory_without_the_persona() -> None:
    session = DemoSession()
    session.say("my name is Ada and I live in Lisbon")

    assert session.say("what do you know about me?") == (
        "This is in my core memory:\n- Your name is Ada.\n- You live in Lisbon."
    )


def test_blocks_written_by_others_in_prose_are_understood() -> None:
    prose = "The user's name is Grace. She lives in New York.\nHer favourite language is COBOL"
    session = DemoSession(blocks=[a_block("human", prose), a_block("persona", "I am Sam.")])

    assert session.say("what's my name?") == "Your name is Grace."
    assert session.say("where do I live?") == "You live in New York."
    assert session.say("what is my favourite language?") == "Your favourite language is COBOL."


def test_question_about_a_note_searches_archival_memory() -> None:
    session = DemoSession()
    session.say("Remember that the wifi password is hunter2")

    answer = session.say("What is the wifi password?")

    assert session.names() == ["archival_memory_search"]
    assert session.made[0].arguments["query"] == "wifi password"
    assert answer == 'Archival memory says: "The wifi password is hunter2".'


def test_fact_in_archival_memory_is_said_with_where_it_was_found() -> None:
    session = DemoSession(archive=["My sister's birthday is 3 May."])

    answer = session.say("when is my sister's birthday?")

    assert answer == "Your sister's birthday is 3 May (from archival memory)."


def test_what_was_only_said_is_found_in_the_conversation() -> None:
    session = DemoSession(tools=("conversation_search", *ARCHIVES))
    session.say("my sister's birthday is 3 May")
    session.archive.clear()
    session.forget_window()

    answer = session.say("when is my sister's birthday?")

    assert session.names() == ["archival_memory_search", "conversation_search"]
    assert session.made[1].arguments["roles"] == ["user"]
    assert answer == "Your sister's birthday is 3 May (from our earlier conversation)."


def test_question_about_what_was_said_searches_the_conversation_first() -> None:
    session = DemoSession()
    session.say("I went to the dentist yesterday")

    answer = session.say("what did I say about the dentist?")

    assert session.names() == ["conversation_search"]
    assert answer == 'Our earlier conversation says: "I went to the dentist yesterday".'


def test_unknown_is_searched_everywhere_and_then_admitted() -> None:
    session = DemoSession()

    answer = session.say("What is the capital of France?")

    assert session.names() == ["archival_memory_search", "conversation_search"]
    assert answer.startswith("I do not know: core memory does not say, and I searched")


def test_neighbour_of_an_answer_is_not_passed_off_as_one() -> None:
    session = DemoSession()
    session.say("my sister's name is Anna")

    answer = session.say("when is my sister's birthday?")

    assert answer == (
        "I did not find exactly that. The closest I have: Your sister's name is Anna."
    )


def test_fact_taken_back_is_not_answered_from_old_messages() -> None:
    session = DemoSession()
    session.say("I like tea")
    session.say("I don't like tea anymore")

    assert "you like tea" not in session.say("What do I like?").lower()


def test_fact_and_question_in_one_message_are_both_served() -> None:
    session = DemoSession()
    session.say("I live in Lisbon")

    said = session.say("I moved to Porto. Where do I live?")

    assert session.names() == ["memory_replace"]
    assert said.endswith("You live in Porto.")


@pytest.mark.parametrize(
    ("statement", "question"),
    [
        ("Ich wohne in Berlin.", "Wo wohne ich?"),
        ("我住在里斯本。", "我住在哪里？"),  # noqa: RUF001
        ("je m'appelle Léa et j'habite à Lyon", "où est-ce que j'habite ?"),
    ],
)
def test_sentence_in_another_language_is_kept_and_found_again(
    statement: str, question: str
) -> None:
    session = DemoSession()
    session.say(statement)

    answer = session.say(question)

    assert session.archive == [statement]
    assert "archival_memory_search" in session.names()
    assert statement.rstrip(".。") in answer


# --- who it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("message", ["Hi!", "Who are you?", "are you an AI?", "help"])
def test_it_says_that_it_is_a_script_and_how_to_get_a_model(message: str) -> None:
    said = DemoSession().say(message)

    assert "a scripted demonstration and not a language model" in said
    assert all(name in said for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OLLAMA_BASE_URL"))


def test_greeting_uses_the_name_it_knows() -> None:
    session = DemoSession()
    session.say("my name is Ada")

    assert session.say("hello").startswith("Hello, Ada!")


@pytest.mark.parametrize(
    ("message", "answer"),
    [("thanks", "You are welcome."), ("ok", "Good."), ("bye", "Goodbye.")],
)
def test_small_talk_is_answered_without_a_tool(message: str, answer: str) -> None:
    session = DemoSession()

    assert session.say(message).startswith(answer)
    assert session.names() == []


def test_image_is_not_pretended_to_be_seen() -> None:
    request = a_request()
    turn = Turn(role="user", parts=(Text(text="thanks"), Image(url="https://x/y.png")))

    reply = reply_to(replace(request, turns=(turn,)))

    assert "cannot see images" in reply.text


# --- agents of the older types, tool rules, other tools ------------------------------------------

MEMGPT_RULES = [
    ToolRule(type="exit_loop", tool_name="send_message"),
    *(ToolRule(type="continue_loop", tool_name=name) for name in MEMGPT[1:]),
]


def test_memgpt_agent_works_by_heartbeat_and_speaks_by_tool() -> None:
    session = DemoSession(tools=MEMGPT, agent_type="memgpt_agent", rules=MEMGPT_RULES)

    said = session.say("I'm Ada and I live in Lisbon")
    session.say("I moved to Porto")

    assert said.endswith("your name is Ada and you live in Lisbon.")
    assert session.value() == "Name: Ada\nHome: Porto"
    assert session.names() == ["core_memory_replace", "send_message"]
    heartbeats = [made.arguments["request_heartbeat"] for made in session.made]
    assert heartbeats == [True, False]
    assert session.stop_reason is StopReason.END_TURN


def test_memgpt_agent_whose_rules_never_end_a_turn_still_ends_it() -> None:
    session = DemoSession(tools=MEMGPT, agent_type="memgpt_agent")

    session.say("my name is Ada")

    assert session.names() == ["core_memory_append", "send_message"]
    assert session.stop_reason is StopReason.END_TURN


def test_agent_that_has_send_message_and_ends_by_silence_says_it_once() -> None:
    session = DemoSession(tools=("send_message", *TALKS))

    said = session.say("thanks")

    assert (said, session.names()) == ("You are welcome.", ["send_message"])
    assert session.stop_reason is StopReason.END_TURN


def test_forced_tool_is_called_with_what_the_message_says() -> None:
    request = a_request("my name is Ada", tools=("archival_memory_search", "memory_insert"))

    reply = reply_to(replace(request, tool_choice="archival_memory_search"))

    (call,) = reply.tool_calls
    assert call.name == "archival_memory_search"
    assert json.loads(call.arguments) == {"query": "my name is Ada"}


def test_required_tool_is_called_even_for_small_talk() -> None:
    reply = reply_to(a_request("thanks", tools=TALKS, tool_choice="required"))

    assert [call.name for call in reply.tool_calls] == ["conversation_search"]
    assert reply.finish == "tool_calls"


def test_run_first_and_required_before_exit_are_obeyed() -> None:
    rules = [
        ToolRule(type="run_first", tool_name="archival_memory_search"),
        ToolRule(type="required_before_exit", tool_name="log_turn"),
    ]
    log = a_tool("log_turn", {"mood": {"type": "string", "enum": ["good", "bad"]}})
    session = DemoSession(
        tools=(*TALKS, *ARCHIVES, log), rules=rules, returns={"log_turn": "logged"}
    )

    said = session.say("my name is Ada")

    assert session.names() == ["archival_memory_search", "memory_insert", "log_turn"]
    assert session.made[-1].arguments == {"mood": "good"}
    assert "your name is Ada" in said
    assert session.stop_reason is StopReason.END_TURN


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("use roll_dice with sides=20", {"sides": 20}),
        ("roll_dice please", {"sides": 1}),
        ("call roll dice with 6 sides", {"sides": 6}),
        ('run roll_dice {"sides": 8}', {"sides": 8}),
    ],
)
def test_custom_tool_is_called_when_it_is_named(message: str, arguments: dict[str, int]) -> None:
    dice = a_tool("roll_dice", {"sides": {"type": "integer"}})
    session = DemoSession(tools=(*TALKS, dice), returns={"roll_dice": "4"})

    said = session.say(message)

    assert [(made.name, made.arguments) for made in session.made] == [("roll_dice", arguments)]
    assert said == "roll_dice returned: 4"


def test_failure_of_a_custom_tool_is_told() -> None:
    session = DemoSession(tools=(a_tool("roll_dice"),))

    assert session.say("use roll_dice").startswith("roll_dice failed: ")


# --- as a provider -----------------------------------------------------------------------------


def test_streamed_fragments_join_to_the_whole_reply() -> None:
    items = list(DemoModel().call(a_request("Hi!"), stream=True, deadline=0.0))

    *deltas, reply = items
    assert isinstance(reply, Reply)
    assert len(deltas) > 20
    assert "".join(d.text for d in deltas if isinstance(d, TextDelta)) == reply.text


def test_streamed_tool_call_begins_with_its_name() -> None:
    request = a_request("Remember that it rains", tools=ARCHIVES)

    first, *rest, reply = DemoModel().call(request, stream=True, deadline=0.0)

    assert isinstance(reply, Reply)
    (call,) = reply.tool_calls
    assert first == ToolCallDelta(tool_call_id=call.tool_call_id, name="archival_memory_insert")
    assert "".join(d.arguments for d in rest if isinstance(d, ToolCallDelta)) == call.arguments


def test_equal_requests_get_equal_replies_and_others_get_other_call_ids() -> None:
    request = a_request("Remember that it rains", tools=ARCHIVES)

    first, again = reply_to(request), reply_to(request)
    other = reply_to(replace(request, cache_key="conv-2"))

    assert first == again
    assert first.tool_calls[0].tool_call_id != other.tool_calls[0].tool_call_id


def test_call_ids_of_a_conversation_are_all_different() -> None:
    session = DemoSession()
    for _ in range(3):
        session.say("I like tea")
        session.say("forget that I like tea")

    ids = [
        part.tool_call_id
        for message in session.window
        for part in message.parts
        if isinstance(part, ToolCall)
    ]

    assert len(ids) == len(set(ids)) == 6


def test_usage_is_the_estimate_of_the_core() -> None:
    request = a_request("Hi!")

    reply = reply_to(request)

    assert reply.usage is not None
    assert reply.usage.prompt_tokens == estimate_request(request)
    assert reply.usage.completion_tokens == estimate_parts(reply.parts)
    assert (reply.model, reply.finish) == ("remanence-demo", "stop")


def test_model_is_listed_under_its_handle() -> None:
    (info,) = DemoModel().model_infos()

    assert (info.handle, info.provider, info.endpoint) == (
        "demo/remanence-demo",
        "demo",
        None,
    )
    assert "not a language model" in (info.display_name or "")


def test_old_envelopes_summaries_and_notices_are_not_taken_for_the_user() -> None:
    packed = json.dumps({"type": "user_message", "message": "where do I live?", "time": "now"})
    heartbeat = json.dumps({"type": "heartbeat", "reason": "go on"})
    summary = "<conversation_summary>\nuser: I live in Lisbon.\n</conversation_summary>"

    reply = reply_to(a_request(summary, packed, heartbeat))

    assert reply.text == "You live in Lisbon (from what you said above)."


def test_request_for_a_summary_gets_the_telling_sentences() -> None:
    lines = [
        f"[2026-11-25 10:{minute:02}] user: well, that is how it is with things, I suppose"
        for minute in range(30)
    ]
    lines[7] = "[2026-11-25 10:07] user: My sister Anna was born on 3 May 1990 in Lisbon."
    request = Request(
        handle=HANDLE,
        system="Write the summary that will stand in its place.",
        turns=(Turn(role="user", parts=(Text(text="\n".join(lines)),)),),
        settings=ModelSettings(max_output_tokens=256),
    )

    reply = reply_to(request)

    assert "My sister Anna was born on 3 May 1990 in Lisbon." in reply.text
    assert "[2026" not in reply.text
    assert estimate_text(reply.text) < estimate_text("\n".join(lines)) / 2
