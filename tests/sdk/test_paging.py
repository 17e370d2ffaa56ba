"""The SDK's own iterators over every list it pages through, in both orders and backwards."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from letta_client import AsyncLetta
from support.sdk_operations import operations
from support.server import MODEL, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from letta_client import Letta
    from support.pg import Database
    from support.server import Server

    Call = Callable[..., Any]

ITEMS = 7
SIZE = 2
# Their answers are empty lists, whatever is asked for.
UNSERVED = {"agents.files", "agents.folders", "folders", "folders.files"}
_SOURCE = 'def {name}() -> str:\n    """Say hi."""\n    return "hi"\n'


class Shelf:
    """Seven of everything that can be listed, and one agent that has them all."""

    def __init__(self, client: Letta) -> None:
        names = [f"n{number}_{uuid.uuid4().hex}" for number in range(ITEMS)]
        tools = [client.tools.create(source_code=_SOURCE.format(name=name)) for name in names]
        blocks = [client.blocks.create(label=name, value="x").id for name in names]
        agent = client.agents.create(
            model=MODEL,
            name="shelf",
            block_ids=blocks,
            tool_ids=[tool.id for tool in tools],
            include_base_tools=False,
        )
        self.shared_block_id = blocks[0]
        for name in names[1:]:
            client.agents.create(name=name, model=MODEL, block_ids=blocks[:1])
        for name in names:
            client.archives.create(name=name)
        # One run of seven steps, and six of one, each of one call or one text.
        script = "]] [[then: ".join([f"call {name} {{}}" for name in names[1:]] + ["say done"])
        run = client.agents.messages.create(agent.id, input=f"go [[script: {script}]]")
        self.run_id, self.agent_id = run.messages[0].run_id, agent.id
        self.conversation_id = client.conversations.create(agent_id=agent.id).id
        for number in range(ITEMS - 1):
            list(client.conversations.messages.create(self.conversation_id, input=f"m{number}"))

    def arguments(self) -> dict[str, dict[str, Any]]:
        """How to list what is on the shelf."""
        return {
            "agents.list": {},
            "agents.blocks.list": {"agent_id": self.agent_id},
            "agents.messages.list": {"agent_id": self.agent_id},
            "agents.tools.list": {"agent_id": self.agent_id},
            "archives.list": {},
            "blocks.list": {},
            "blocks.agents.list": {"block_id": self.shared_block_id},
            "conversations.messages.list": {"conversation_id": self.conversation_id},
            "runs.list": {"agent_id": self.agent_id},
            "runs.messages.list": {"run_id": self.run_id},
            "runs.steps.list": {"run_id": self.run_id},
            "steps.list": {"agent_id": self.agent_id},
            "steps.messages.list": {},
            "tools.list": {"tool_types": ["custom"]},
        }


def pagers(client: Letta) -> dict[str, Call]:
    """Every operation whose answer the SDK can go on from, page by page."""
    return {
        name: call
        for name, call in operations(client)
        if "Page[" in str(inspect.signature(call).return_annotation)
        and name.removesuffix(".list") not in UNSERVED
    }


@pytest.fixture(scope="module")
def shelf(databases: Any) -> Generator[tuple[Server, Shelf]]:
    clone: Database = databases.clone()
    with serving(clone) as server, server.client() as client:
        yield server, Shelf(client)
    databases.drop(clone)


def test_every_paged_operation_is_walked(shelf: tuple[Server, Shelf]) -> None:
    server, things = shelf

    assert set(pagers(server.client())) == set(things.arguments())


# A page of a history is oldest first whichever end it comes from, so that the SDK's iterator sees
# all of it from the oldest on, or backwards from a message, and one page by default.
HISTORIES = ["agents.messages.list", "conversations.messages.list"]
PAGED = [
    *("agents.list", "agents.blocks.list", "agents.tools.list", "archives.list", "blocks.list"),
    *("blocks.agents.list", "runs.list", "runs.messages.list", "runs.steps.list", "steps.list"),
    "tools.list",
]


@pytest.mark.parametrize("name", [*PAGED, *HISTORIES])
def test_iterator_sees_everything_once_whichever_way_it_goes(
    shelf: tuple[Server, Shelf], name: str
) -> None:
    server, things = shelf
    with server.client() as client:
        call, given = pagers(client)[name], things.arguments()[name]

        def seen(**options: Any) -> list[str]:
            return [item.id for item in call(**given, limit=SIZE, **options)]

        whole = [item.id for item in call(**given, order="asc", limit=1000).items]
        pages = list(call(**given, order="asc", limit=SIZE).iter_pages())
        before = [
            item.id for item in call(**given, order="desc", limit=SIZE, before=whole[-1]).items
        ]

        assert len(set(whole)) == len(whole) >= ITEMS
        assert len(pages) > 3
        assert [item.id for page in pages for item in page.items] == whole
        assert seen(order="asc", after=whole[2]) == whole[3:]
        if name in HISTORIES:
            assert before == whole[-3:-1]
            assert seen(order="desc") == whole[-2:]
            assert sorted(seen(order="desc", before=whole[-1])) == sorted(whole[:-1])
        else:
            assert before == []
            assert seen(order="desc") == whole[::-1]
            assert sorted(seen(order="asc", before=whole[-1])) == sorted(whole[:-1])
            assert sorted(seen(order="desc", before=whole[0])) == sorted(whole[1:])


def test_messages_of_a_step_are_paged(shelf: tuple[Server, Shelf]) -> None:
    server, _things = shelf
    with server.client() as client:
        agent = client.agents.create(model=MODEL, memory_blocks=[{"label": "human", "value": ""}])
        insert = 'call memory_insert {"label": "human", "new_string": "x"}'
        run = client.agents.messages.create(agent.id, input=f"go [[script: {insert}]]")
        pages = list(client.steps.messages.list(run.messages[0].step_id, limit=1).iter_pages())

    kinds = [item.message_type for page in pages for item in page.items]
    assert kinds == ["tool_call_message", "tool_return_message"]


def test_async_iterator_sees_the_same(shelf: tuple[Server, Shelf]) -> None:
    server, _things = shelf

    async def listed() -> list[str]:
        async with AsyncLetta(base_url=server.base_url) as client:
            return [block.id async for block in client.blocks.list(order="desc", limit=SIZE)]

    with server.client() as client:
        assert asyncio.run(listed()) == [block.id for block in client.blocks.list(order="desc")]
