"""Custom Python tools through the official SDK: made from source, called by agents, run by hand."""

from __future__ import annotations

import inspect
import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest
from letta_client import ConflictError, NotFoundError, UnprocessableEntityError
from support.server import MODEL, new_id, serving
from support.world import value

if TYPE_CHECKING:
    from collections.abc import Generator

    from letta_client import Letta
    from letta_client.types import AgentState, Tool
    from support.pg import Databases
    from support.server import Server


@pytest.fixture(scope="module")
def server(databases: Databases) -> Generator[Server]:
    """A server of its own: other tests count the tools of theirs."""
    database = databases.clone()
    with serving(database, tool_requirements={"pyyaml": None, "numpy": "2.1"}) as running:
        yield running
    databases.drop(database)


@pytest.fixture
def client(server: Server) -> Generator[Letta]:
    with server.client() as client:
        yield client


def roll(sides: int, times: int = 1, mode: Literal["sum", "list"] = "sum") -> str:
    """Roll dice.

    Args:
        sides: How many sides each of them has.
        times: How often it is rolled.
    """
    print("rolling", times)
    rolls = [sides] * times
    return str(sum(rolls) if mode == "sum" else rolls)


def renamed(name: str, source: str = "") -> str:
    return (source or inspect.getsource(roll)).replace("def roll(", f"def {name}(")


def a_name() -> str:
    return f"tool_{uuid.uuid4().hex[:12]}"


def a_tool(client: Letta, body: str, arguments: str = "", **fields: Any) -> Tool:
    name = a_name()
    source = f'def {name}({arguments}):\n    """Tested."""\n    {body}\n'
    return client.tools.create(source_code=source, **fields)


def an_agent(client: Letta, *tools: Tool, **fields: Any) -> AgentState:
    ids = [tool.id for tool in tools]
    return client.agents.create(
        **({"name": uuid.uuid4().hex, "model": MODEL, "tool_ids": ids} | fields)
    )


def ask(client: Letta, agent: AgentState, script: str, **options: Any) -> Any:
    """Have the model play a script: steps are separated by `; `, calls of one reply by ` & `."""
    steps = script.replace("; ", " ]] [[then: ").replace(" & ", " ]] [[and: ")
    content = f"go [[script: {steps} ]]"
    messages: Any = [{"role": "user", "content": content}]
    return client.agents.messages.create(agent.id, messages=messages, **options)


def returns(response: Any) -> list[Any]:
    return [each for each in response.messages if each.message_type == "tool_return_message"]


def test_tool_is_made_from_the_source_of_a_function(client: Letta) -> None:
    name = a_name()

    tool = client.tools.create(
        source_code=renamed(name), tags=["dice"], return_char_limit=100, pip_requirements=[]
    )

    assert (tool.name, tool.description, tool.tool_type) == (name, "Roll dice.", "custom")
    assert tool.json_schema == {
        "name": name,
        "description": "Roll dice.",
        "parameters": {
            "type": "object",
            "properties": {
                "sides": {
                    "type": "integer",
                    "description": "How many sides each of them has.",
                },
                "times": {"type": "integer", "description": "How often it is rolled."},
                "mode": {"type": "string", "enum": ["sum", "list"]},
            },
            "required": ["sides"],
        },
    }
    assert (tool.tags, tool.return_char_limit, tool.source_type) == (["dice"], 100, "python")
    assert client.tools.retrieve(tool.id) == tool


def test_agent_calls_a_custom_tool_and_goes_on(client: Letta) -> None:
    tool = client.tools.create(source_code=renamed(a_name()))
    agent = an_agent(client, tool)

    response = ask(client, agent, f'call {tool.name} {{"sides": "6", "times": 2}}; say done')

    (answer,) = returns(response)
    assert (answer.status, answer.tool_return, answer.name) == ("success", "12", tool.name)
    assert answer.stdout == ["rolling 2"]
    assert response.messages[-1].content == "done"
    assert response.stop_reason.stop_reason == "end_turn"


def test_limit_of_steps_counts_model_calls_and_leaves_no_call_open(client: Letta) -> None:
    tool = client.tools.create(source_code=renamed(a_name()))
    agent = an_agent(client, tool)

    response = ask(client, agent, f'call {tool.name} {{"sides": 6}}; say done', max_steps=1)

    assert [answer.tool_return for answer in returns(response)] == ["6"]
    assert response.stop_reason.stop_reason == "max_steps"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ValueError('bad dice')", "ValueError: bad dice (line 3"),
        ("import time; time.sleep(60)", "its time limit"),
        ("while True: pass", "its time limit"),
        ("x = [bytearray(10**7) for _ in range(10**6)]", "MemoryError"),
        ("import os\n    while True: os.fork()", "may not start"),
        ("import socket; socket.create_connection(('127.0.0.1', 80))", "PermissionError"),
        ("return open('/etc/passwd').read()", "PermissionError"),
        ("import os; os._exit(0)", "without an answer"),
        ("import psycopg", "No module named 'psycopg'"),
    ],
)
def test_tool_that_goes_wrong_is_an_error_the_model_reads(
    server: Server, client: Letta, body: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    custom = server.deps.tool_desk.deps.custom_tools
    assert custom is not None
    monkeypatch.setattr(custom.sandbox, "_limits", quick(custom.sandbox))
    agent = an_agent(client, tool := a_tool(client, body))

    response = ask(client, agent, f"call {tool.name} {{}}; say on we go")

    (answer,) = returns(response)
    assert answer.status == "error"
    assert told in answer.tool_return
    assert "/work" not in answer.tool_return
    assert response.messages[-1].content == "on we go"


def quick(sandbox: Any) -> Any:
    return replace(sandbox._limits, seconds=2.0, memory_bytes=200 * 1024 * 1024)


def test_long_return_is_cut_to_the_tools_limit(client: Letta) -> None:
    agent = an_agent(client, tool := a_tool(client, "return 'x' * 5000", return_char_limit=50))

    response = ask(client, agent, f"call {tool.name} {{}}; say done")

    assert returns(response)[0].tool_return.startswith("x" * 50 + "... [cut here")


def test_return_that_postgres_could_not_keep_is_kept_without_its_nul(client: Letta) -> None:
    agent = an_agent(client, tool := a_tool(client, "return 'a' + chr(0) + chr(0xD800) + 'b'"))

    response = ask(client, agent, f"call {tool.name} {{}}; say done")

    assert returns(response)[0].tool_return == "a?b"
    assert response.stop_reason.stop_reason == "end_turn"


def test_tool_sees_who_it_runs_for_and_no_variable_of_the_server(
    client: Letta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    agent = an_agent(client, tool := a_tool(client, "import os; return dict(os.environ)"))

    response = ask(client, agent, f"call {tool.name} {{}}; say done")

    answer = returns(response)[0]
    seen = json.loads(answer.tool_return)
    assert seen["LETTA_AGENT_ID"] == agent.id
    assert seen["LETTA_TOOL_ID"] == tool.id
    assert seen["REMANENCE_TOOL_CALL_ID"] == answer.tool_call_id
    assert "secret" not in answer.tool_return
    assert set(seen) == {
        *("HOME", "LANG", "LETTA_AGENT_ID", "LETTA_TOOL_ID", "PATH"),
        *("REMANENCE_TOOL_CALL_ID", "TMPDIR"),
    }


def test_two_calls_of_a_reply_run_in_their_order(client: Letta) -> None:
    tool = client.tools.create(source_code=renamed(a_name()))
    block = {"label": "human", "value": "Name: Bob"}
    agent = an_agent(client, tool, memory_blocks=[block])
    insert = 'call memory_insert {"label": "human", "new_string": "rolls dice"}'
    one = f'call {tool.name} {{"sides": 2}}'
    two = f'call {tool.name} {{"sides": 3}}'

    response = ask(client, agent, f"{one} & {insert} & {two}; say done")

    assert [answer.tool_return for answer in returns(response)][::2] == ["2", "3"]
    assert "rolls dice" in client.agents.blocks.retrieve("human", agent_id=agent.id).value
    assert response.stop_reason.stop_reason == "end_turn"


def test_upsert_replaces_the_tool_of_the_name_and_running_agents_see_it(client: Letta) -> None:
    name = a_name()
    first = client.tools.create(source_code=renamed(name))
    agent = an_agent(client, first)
    changed = f'def {name}(sides: int) -> str:\n    """Never rolls."""\n    return "no"\n'

    second = client.tools.upsert(source_code=changed)

    assert second.id == first.id
    assert second.description == "Never rolls."
    assert returns(ask(client, agent, f'call {name} {{"sides": 1}}; say x'))[0].tool_return == "no"


def test_upsert_keeps_what_was_not_said_again(client: Letta) -> None:
    name = a_name()
    tool = client.tools.upsert(
        source_code=renamed(name), tags=["a"], default_requires_approval=True, return_char_limit=9
    )
    client.tools.update(tool.id, metadata={"by": "us"})

    again = client.tools.upsert(source_code=renamed(name), tags=[])

    assert (again.id, again.metadata, again.tags) == (tool.id, {"by": "us"}, [])
    assert (again.default_requires_approval, again.return_char_limit) == (True, 9)


def test_update_changes_what_is_named_and_keeps_the_rest(client: Letta) -> None:
    tool = client.tools.create(source_code=renamed(a_name()), tags=["a"])
    new_name = a_name()

    told = client.tools.update(tool.id, description="Rolls.", metadata={"by": "us"})
    moved = client.tools.update(tool.id, source_code=renamed(new_name))

    assert (told.description, told.tags, told.metadata) == ("Rolls.", ["a"], {"by": "us"})
    assert told.json_schema is not None
    assert tool.json_schema is not None
    assert told.json_schema["parameters"] == tool.json_schema["parameters"]
    assert (moved.id, moved.name, moved.description) == (tool.id, new_name, "Roll dice.")
    other = client.tools.create(source_code=renamed(a_name()))
    with pytest.raises(ConflictError, match="another tool"):
        client.tools.update(other.id, source_code=renamed(new_name))


def test_deleted_tool_leaves_its_agents_and_a_call_of_it_is_refused(client: Letta) -> None:
    tool = client.tools.create(source_code=renamed(a_name()))
    agent = an_agent(client, tool)

    client.tools.delete(tool.id)

    assert tool.name not in {each.name for each in client.agents.tools.list(agent.id)}
    response = ask(client, agent, f'call {tool.name} {{"sides": 1}}; say done')
    assert "[ToolConstraintError]" in returns(response)[0].tool_return
    with pytest.raises(NotFoundError):
        client.tools.delete(tool.id)


def test_built_in_tools_can_be_neither_replaced_nor_deleted(client: Letta) -> None:
    send = client.tools.list(name="send_message").items[0]

    with pytest.raises(ConflictError, match="built in"):
        client.tools.delete(send.id)
    with pytest.raises(ConflictError, match="built in"):
        client.tools.update(send.id, description="x")
    with pytest.raises(ConflictError, match="built-in"):
        client.tools.create(source_code=renamed("send_message"))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"source_code": "def f(x:"}, "not valid Python"),
        ({"source_code": "def f(x):\n    'd'"}, "argument 'x' of 'f' has no type"),
        ({"source_code": "def f(x: Thing):\n    'd'"}, "argument 'x' of 'f' has the type Thing"),
        ({"source_code": "def f(x: int): pass"}, "give it a docstring"),
        ({"source_code": "x = 1"}, "no public function"),
        ({"source_code": "import letta\ndef f():\n    'd'"}, "imports 'letta'"),
        ({"source_code": "def f(agent_state: dict):\n    'd'"}, "agent_state"),
        ({"source_code": "def f(*x: int):\n    'd'"}, "cannot be passed by name"),
        ({"source_code": "x", "source_type": "typescript"}, "tools are Python"),
        ({"source_code": "def f():\n    'd'", "npm_requirements": [{"name": "x"}]}, "Python"),
        ({"source_code": "def f():\n    'd'", "pip_requirements": [{"name": "x"}]}, "pyyaml"),
        (
            {
                "source_code": "def f():\n    'd'",
                "pip_requirements": [{"name": "NumPy", "version": "1"}],
            },
            "2.1",
        ),
        ({"source_code": "def f():\n    'd'", "json_schema": {"name": "g"}}, "no function 'g'"),
        ({"source_code": "def f():\n    'd'", "json_schema": {"parameters": []}}, "an object"),
        (
            {"source_code": "def f(x):\n    'd'", "args_json_schema": {"required": ["x"]}},
            "does not describe",
        ),
        ({"source_code": "def f():\n    'd'", "description": "\0"}, "NUL"),
        ({"source_code": "def f():\n    'd'\n" + "#" * 200_001}, "200000 characters"),
    ],
)
def test_tool_that_cannot_be_served_is_refused_with_what_to_change(
    client: Letta, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(UnprocessableEntityError) as refused:
        client.tools.create(**fields)

    assert told in str(refused.value.body)
    assert client.tools.list(name="f").items == []


def test_given_schema_needs_no_annotations(client: Letta) -> None:
    name = a_name()
    parameters = {"properties": {"x": {"type": "integer"}}, "required": ["x"]}

    tool = client.tools.create(
        source_code=f"def {name}(x):\n    return x + 1\n",
        json_schema={"name": name, "description": "Adds one.", "parameters": parameters},
    )
    by_args = client.tools.create(
        source_code=f"def {name}(x):\n    return x + 1\n",
        args_json_schema=parameters,
        description="Adds one.",
    )

    assert tool.json_schema is not None
    assert tool.json_schema["parameters"] == {"type": "object", **parameters}
    assert by_args.json_schema == tool.json_schema
    assert by_args.args_json_schema == parameters
    assert (
        client.agents.tools.run(name, agent_id=an_agent(client, tool).id, args={"x": 1}).func_return
        == "2"
    )


def test_requirements_of_the_deployment_can_be_imported(client: Letta) -> None:
    body = "import yaml; return yaml.safe_load('{a: 1}')"
    tool = a_tool(client, body, pip_requirements=[{"name": "PyYAML"}])

    ran = client.agents.tools.run(str(tool.name), agent_id=an_agent(client, tool).id)

    assert tool.pip_requirements is not None
    assert (tool.pip_requirements[0].name, ran.status) == ("PyYAML", "success")
    assert ran.func_return == '{"a": 1}'


def test_tools_are_run_by_hand(client: Letta) -> None:
    tool = client.tools.create(source_code=renamed(a_name()))
    agent = an_agent(client, tool)
    name = str(tool.name)

    ran = client.agents.tools.run(name, agent_id=agent.id, args={"sides": 3, "mode": "list"})
    unfit = client.agents.tools.run(name, agent_id=agent.id, args={"mode": "list"})

    assert (ran.status, ran.func_return, ran.stdout) == ("success", "[3]", ["rolling 1"])
    assert unfit.status == "error"
    assert "`sides` is missing" in str(unfit.func_return)
    with pytest.raises(NotFoundError, match="has no tool"):
        client.agents.tools.run("archival_memory_insert", agent_id=agent.id)
    with pytest.raises(NotFoundError, match="agent"):
        client.agents.tools.run(name, agent_id=new_id("agent"))


def test_built_in_tool_run_by_hand_edits_memory_with_a_version(
    server: Server, client: Letta
) -> None:
    block = {"label": "human", "value": "Name: Bob"}
    agent = an_agent(client, memory_blocks=[block], tools=["archival_memory_insert", "memory"])

    ran = client.agents.tools.run(
        "memory_replace",
        agent_id=agent.id,
        args={"label": "human", "old_string": "Bob", "new_string": "Ada"},
    )
    kept = client.agents.tools.run(
        "archival_memory_insert", agent_id=agent.id, args={"content": "Ada rolls dice."}
    )
    client.agents.tools.run(
        "memory",
        agent_id=agent.id,
        args={"command": "create", "path": "/memories/dice", "file_text": "d6"},
    )

    human = client.agents.blocks.retrieve("human", agent_id=agent.id)
    assert (ran.status, kept.status) == ("success", "success")
    assert human.value == "Name: Ada"
    assert client.agents.blocks.retrieve("dice", agent_id=agent.id).value == "d6"
    assert [passage.text for passage in client.agents.passages.list(agent.id)] == [
        "Ada rolls dice."
    ]
    versions = value(
        server.database.admin_uri,
        "select count(*) from remanence.block_versions where block_id = %s",
        human.id,
    )
    assert versions == 2


def test_tools_are_found_by_words_and_tags(client: Letta) -> None:
    word = uuid.uuid4().hex
    near = a_tool(client, "return 1", description=f"Says {word} and more.", tags=["odd"])
    a_tool(client, "return 1", description="Says other things.")

    found = client.tools.search(query=word, tool_types=["custom"])
    tagged = client.tools.search(tags=["odd"])

    assert [result.tool.id for result in found] == [near.id]
    assert found[0].combined_score > 0
    assert near.id in {result.tool.id for result in tagged}
    assert near.name in {tool.name for tool in client.tools.list(tool_types=["custom"])}


def test_rule_gives_arguments_to_children(client: Letta) -> None:
    parent = a_tool(client, "return 'p'")
    child = a_tool(client, "return f'{x}-{y}'", "x: int, y: int")
    rule: Any = {
        "type": "constrain_child_tools",
        "tool_name": parent.name,
        "children": [child.name],
        "child_arg_nodes": [{"name": child.name, "args": {"x": 7}}],
    }
    end: Any = {"type": "exit_loop", "tool_name": child.name}
    agent = an_agent(client, parent, child, tool_rules=[rule, end], include_base_tools=False)

    response = ask(
        client, agent, f'call {parent.name} {{}}; call {child.name} {{"x": 1, "y": 2}}; say no'
    )

    assert agent.tool_rules is not None
    assert agent.tool_rules[0].to_dict()["child_arg_nodes"] == rule["child_arg_nodes"]
    assert [answer.tool_return for answer in returns(response)] == ["p", "7-2"]
    assert response.stop_reason.stop_reason == "tool_rule"
    with pytest.raises(UnprocessableEntityError, match="not among the children"):
        an_agent(client, parent, tool_rules=[rule | {"children": [parent.name]}])


def test_rules_that_can_never_end_are_refused_with_the_reason(client: Letta) -> None:
    tool = a_tool(client, "return 1")
    rule: Any = {
        "type": "constrain_child_tools",
        "tool_name": tool.name,
        "children": [tool.name],
    }
    first: Any = {"type": "run_first", "tool_name": tool.name}

    with pytest.raises(UnprocessableEntityError) as refused:
        an_agent(client, tool, tool_rules=[first, rule], include_base_tools=False)

    assert "could not end any more" in str(refused.value.body)


def test_custom_tool_waits_for_approval_where_it_says_so(client: Letta) -> None:
    tool = client.tools.create(source_code=renamed(a_name()), default_requires_approval=True)
    agent = an_agent(client, tool)

    response = ask(client, agent, f'call {tool.name} {{"sides": 6}}; say done')

    assert tool.default_requires_approval is True
    assert response.stop_reason.stop_reason == "requires_approval"
    assert returns(response) == []
