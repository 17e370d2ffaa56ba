"""Cassettes: a conversation over each wire is recorded, and plays without provider and database."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.past import Past
from support.process import run_cli
from support.wires import AnthropicServer, BedrockServer, OpenAIServer, ResponsesServer, a_reply
from support.world import World, an_agent

from remanence.core.exchange import Reply, Text, ToolCall
from remanence.core.ids import DEFAULT_ORG_ID as ORG
from remanence.core.redaction import Redaction, stand_in
from remanence.core.replay import compiled
from remanence.errors import InvalidRequest, NotFound
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm
from remanence.llm.vendors import VENDORS, Provider
from remanence.local.cassette import play_file, read_cassette, recorded
from remanence.zones import zone

if TYPE_CHECKING:
    from pathlib import Path

    from support.pg import Database
    from support.wires import WireServer

WIRES: dict[str, type[WireServer]] = {
    "vllm/some-model": OpenAIServer,
    "openai/gpt-5.5": ResponsesServer,
    "anthropic/claude-sonnet-4-5": AnthropicServer,
    "bedrock/us.anthropic.claude-sonnet-4-5-v1:0": BedrockServer,
}
KEY = "sk-proj-0123456789abcdefghij"
SAID = (f"My harp is red, and my key is {KEY}.", "What colour is Zoë's harp?")


def noted(call_id: str = "call_1") -> ToolCall:
    arguments = json.dumps({"label": "human", "new_string": "The harp is red."})
    return ToolCall(tool_call_id=call_id, name="memory_insert", arguments=arguments)


def talked(database: Database, models: Any, handle: str) -> str:
    """A conversation of three model calls; its id."""
    agent_id = an_agent(database.admin_uri, model=handle, blocks={"human": "Ann"})
    world = World.over(database.app_uri, models=models)
    for said in SAID:
        world.say(agent_id, said)
    world.close()
    return conversation_of(database, agent_id)


def conversation_of(database: Database, agent_id: str) -> str:
    (row,) = Past(database.app_uri).run(
        "select id from remanence.conversations where agent_id = %(id)s", id=agent_id
    )
    return str(row[0])


def scripted(database: Database) -> str:
    steps = [
        Reply(parts=(Text(text="Let me note that."), noted()), finish="tool_calls"),
        Reply(parts=(Text(text="Noted: red."),), finish="stop"),
        Reply(parts=(Text(text="Red."),), finish="stop"),
    ]
    return talked(
        database, Models((), in_process={"scripted": ScriptedLlm(steps)}), "scripted/model"
    )


def taped(database: Database, wanted: str, path: Path, *, hides_text: bool = False) -> Any:
    cassette = recorded(database.app_uri, wanted, ORG, hides_text=hides_text)
    path.write_text(json.dumps(cassette))
    return cassette


@pytest.mark.parametrize("handle", WIRES)
def test_a_conversation_over_each_wire_plays_offline_and_sends_the_same_bytes(
    database: Database, tmp_path: Path, aws_credentials: None, handle: str
) -> None:
    vendors = {vendor.name: vendor for vendor in VENDORS}
    tape = tmp_path / "tape.json"
    with WIRES[handle]() as server:
        provider = Provider(
            vendor=vendors[handle.partition("/")[0]],
            base_url=server.base_url,  # type: ignore[attr-defined]
            api_key="k",
            region="r",
        )
        models = Models([provider])
        answers = [a_reply(noted(), finish="tool_calls"), a_reply("Noted."), a_reply("Red.")]
        server.answers += answers
        wanted = talked(database, models, handle)
        sent = [*server.bodies]
        taped(database, wanted, tape)
        server.answers += answers
        for track in read_cassette(tape):
            request = compiled(track.kept, zone)
            assert list(models.call(request, stream=True, deadline=time.monotonic() + 30))
        models.close()

    assert play_file(tape) == (3, [])
    assert server.problems == []
    # Only the key is another text.
    assert json.dumps(server.bodies[3:]) == json.dumps(sent).replace(KEY, stand_in(KEY))


def test_keys_and_names_of_secrets_are_replaced_and_all_text_on_request(
    database: Database, tmp_path: Path
) -> None:
    wanted = scripted(database)
    tape, quiet = tmp_path / "tape.json", tmp_path / "quiet.json"

    taped(database, wanted, tape)
    taped(database, wanted, quiet, hides_text=True)

    assert KEY not in tape.read_text()
    assert stand_in(KEY) in tape.read_text()
    assert "Noted: red." in tape.read_text()
    hidden = quiet.read_text()
    assert not any(word in hidden for word in ("harp", "Noted", "colour", "Zo", KEY))
    assert "memory_insert" in hidden
    assert (play_file(tape), play_file(quiet)) == ((3, []), (3, []))
    assert Redaction(names=["MY_TOKEN"]).text("use MY_TOKEN") == f"use {stand_in('MY_TOKEN')}"


def test_what_was_changed_in_a_cassette_is_named_by_its_place(
    database: Database, tmp_path: Path
) -> None:
    tape = tmp_path / "tape.json"
    cassette = taped(database, scripted(database), tape)

    tape.write_text(tape.read_text().replace("Noted: red.", "Noted: blue."))
    _, problems = play_file(tape)

    last = cassette["steps"][-1]["step"]["id"]
    (problem,) = [each for each in problems if each.startswith(last)]
    assert "it differs at message 4 of 5 (assistant)" in problem
    body = json.dumps(cassette)
    (system,) = {step["step"]["receipt"]["system"] for step in cassette["steps"]}
    changed = json.loads(body)
    changed["snapshots"][system] += "!"
    tape.write_text(json.dumps(changed))
    assert "its system is another one" in play_file(tape)[1][0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "is no cassette"),
        ("words", "is no cassette"),
        ('{"remanence_cassette": 99}', "format 99"),
        pytest.param("[" * 200_000, "is no cassette", id="deep"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(content)

    with pytest.raises(InvalidRequest, match=reason):
        play_file(path)


def test_damage_is_told_in_one_line(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "tape.json"
    whole = taped(database, scripted(database), path)

    for part, value in (("snapshots", dict.fromkeys(whole["snapshots"], "{")), ("marks", {})):
        damaged = json.loads(json.dumps(whole))
        (damaged if part in damaged else damaged["steps"][0])[part] = value
        path.write_text(json.dumps(damaged))
        with pytest.raises(InvalidRequest, match="is damaged"):
            play_file(path)


def test_a_stranger_and_an_unknown_id_find_nothing(database: Database) -> None:
    wanted = scripted(database)

    for org, of in ((ORG, "run-nothing"), ("org-00000000-0000-4000-8000-0000000000ff", wanted)):
        with pytest.raises(NotFound, match="run or conversation"):
            recorded(database.app_uri, of, org, hides_text=False)  # type: ignore[arg-type]


def test_the_command_records_and_plays(database: Database, tmp_path: Path) -> None:
    wanted = scripted(database)
    made = run_cli("record", wanted, "--uri", database.app_uri)
    tape = tmp_path / "tape.json"
    tape.write_text(made.stdout)

    played = run_cli("replay", str(tape))

    assert (made.returncode, played.returncode) == (0, 0)
    assert played.stdout == "3 of 3 steps as recorded\n"


def test_stand_ins_have_the_length_and_the_shape_of_what_they_replace() -> None:
    text = "Zoë's 12 harps: {\"a\": [1, 'é']}\n"

    hidden = Redaction(hides_text=True).text(text)

    assert len(hidden) == len(text)
    assert hidden == Redaction(hides_text=True).text(text)
    shape = [(c.isalpha(), c.isdigit(), c.isupper()) for c in text]
    assert [(c.isalpha(), c.isdigit(), c.isupper()) for c in hidden] == shape


@pytest.mark.parametrize(
    "key",
    [
        "ghu_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0123456789_abcdefghijklmnop",
        "sbp_0102030405060708090a0b0c0d0e0f1011121314",
        "nvapi-abcdefghijklmnopqrstuvwxyz0123456789",
        "AQ.Ab8RN6KabcdefghijklmnopqrstuvwxyzABCDEFGH",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
def test_keys_are_known_by_how_their_makers_write_them(key: str) -> None:
    assert Redaction().text(f"it is {key}.") == f"it is {stand_in(key)}."


def test_what_is_announced_as_a_password_is_none_any_more() -> None:
    hidden = Redaction().text("password: hunter2hunter2, API_KEY='abc-def-ghi'")

    assert hidden == f"password: {stand_in('hunter2hunter2')}, API_KEY='{stand_in('abc-def-ghi')}'"


@pytest.mark.parametrize("hides_text", [False, True])
def test_the_keys_of_an_object_are_text_too(hides_text: bool) -> None:
    said = json.dumps({"what": {KEY: 1, "TOKEN": 2, "Ann": 3}})

    hidden = Redaction(names=["TOKEN"], hides_text=hides_text).arguments(said)

    assert not any(word in hidden for word in (KEY, "TOKEN", *(["Ann"] if hides_text else [])))
    assert '"what"' in hidden
    assert len(hidden) == len(said)
