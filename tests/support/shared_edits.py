"""Five writers of one block, each in its own way, and what its versions say afterwards.

Two agents edit it in real runs, by content and by line number, one caller of the API merges, one
compares and sets, and the sweep merges in the database. Every edit adds a line of its own.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
from support.server import MODEL, serving
from support.world import World, ended

from remanence.core.exchange import Reply, Text, ToolCall
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.versions import Author
from remanence.db.block_versions import BlockVersions
from remanence.db.catalog_blocks import BlockTarget
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.pg import Database


WRITERS = 5
EDITS_OF_RUN = 5
SWEEP = Author(origin="sweep")


@dataclass(frozen=True)
class Report:
    """What came of it. `lines` are those that were written, `refused` the 412 answers."""

    lines: list[str]
    versions: list[dict[str, Any]]
    steps: dict[str, str]
    refused: int
    took_s: float

    def __str__(self) -> str:
        origins = Counter(version["made_by"]["origin"] for version in self.versions)
        return (
            f"{len(self.lines)} edits by {WRITERS} writers in {self.took_s:.1f} s:"
            f" {len(self.versions)} versions {dict(origins)}, {self.refused} times 412"
        )

    def check(self) -> None:
        """No edit is lost, no version is missing, and each says whose it is."""
        versions = self.versions[::-1]
        assert [v["version"] for v in versions] == list(range(1, len(versions) + 1))
        assert len(versions) == len(self.lines) + 1
        assert sorted(versions[-1]["value"].split("\n")) == sorted(["start", *self.lines])
        for before, after in pairwise(versions):
            (added,) = set(after["value"].split("\n")) - set(before["value"].split("\n"))
            assert set(before["value"].split("\n")) < set(after["value"].split("\n"))
            assert after["at"] > before["at"]
            self._check_author(added, after["made_by"])

    def _check_author(self, line: str, made_by: dict[str, Any]) -> None:
        writer = line.split(maxsplit=1)[0]
        if writer.startswith("agent"):
            assert made_by["origin"] == "step"
            assert self.steps[made_by["step_id"]] == writer
            assert made_by["tool_call_id"]
        elif writer == "sweep":
            assert made_by == SWEPT
        else:
            assert (made_by["origin"], made_by["step_id"]) == ("api", None)
            assert made_by["actor"]


SWEPT = {"origin": "sweep", "step_id": None, "tool_call_id": None, "actor": None, "undoes": None}


def edit_together(database: Database, *, edits: int) -> Report:
    """Let all of them edit one block, `edits` times in all."""
    each = edits // WRITERS
    with serving(database) as server, httpx.Client(base_url=server.base_url, timeout=60) as http:
        block_id = made(http, "/v1/blocks/", {"label": "team", "value": "start"})
        agents = {
            f"agent{number}": made(http, "/v1/agents/", an_agent(block_id)) for number in (1, 2)
        }
        refused: list[str] = []
        writers: list[Callable[[], None]] = [
            *(
                lambda name=name, agent_id=agent_id: run_agent(database, agent_id, name, each)
                for name, agent_id in agents.items()
            ),
            lambda: merge_by_api(server.base_url, block_id, each),
            lambda: compare_and_set(server.base_url, block_id, each, refused),
            lambda: sweep(database, block_id, each),
        ]
        took_s = all_at_once(writers)
        return Report(
            lines=[
                f"{writer} {number}"
                for writer in ("agent1", "agent2", "merger", "setter", "sweep")
                for number in range(each)
            ],
            versions=history(http, block_id),
            steps=steps_of(http, agents),
            refused=len(refused),
            took_s=took_s,
        )


def an_agent(block_id: str) -> dict[str, Any]:
    return {
        "model": MODEL,
        "block_ids": [block_id],
        "tools": ["core_memory_append", "memory_insert"],
        "include_base_tools": False,
        "message_buffer_autoclear": True,
        "context_window_limit": 32_000,
    }


def made(http: httpx.Client, path: str, body: dict[str, Any]) -> str:
    answer = http.post(path, json=body)
    assert answer.is_success, answer.text
    return str(answer.json()["id"])


def all_at_once(writers: list[Callable[[], None]]) -> float:
    """Run them in threads of their own; gives the seconds until the last is done."""
    failures: list[BaseException] = []

    def guarded(write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:  # noqa: BLE001  raised again where it is read
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=[write]) for write in writers]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.monotonic() - began


def run_agent(database: Database, agent_id: str, name: str, edits: int) -> None:
    """Half of the edits go to the end, half behind a line that the agent counted to."""
    runs = [
        range(first, min(first + EDITS_OF_RUN, edits)) for first in range(0, edits, EDITS_OF_RUN)
    ]
    done = Reply(parts=(Text(text="done"),), finish="stop")
    steps = [
        reply for part in runs for reply in (*(an_edit(name, number) for number in part), done)
    ]
    world = World.over(database.app_uri, steps, busy_wait_s=30.0)
    try:
        for _ in runs:
            assert ended(world.say(agent_id, "go on")).stop_reason == "end_turn"
    finally:
        world.close()


def an_edit(name: str, number: int) -> Reply:
    arguments = {"label": "team", "new_string": f"{name} {number}"}
    tool = "memory_insert"
    if number % 2:
        arguments = {"label": "team", "content": f"{name} {number}"}
        tool = "core_memory_append"
    else:
        arguments["insert_line"] = 1
    call = ToolCall(
        tool_call_id=f"call-{uuid.uuid4().hex}", name=tool, arguments=json.dumps(arguments)
    )
    return Reply(parts=(call,), finish="tool_calls")


def merge_by_api(base_url: str, block_id: str, edits: int) -> None:
    """A caller that names the version it has read, and leaves the merging to the server."""
    with httpx.Client(base_url=base_url, timeout=60) as http:
        for number in range(edits):
            value, version = read(http, block_id)
            body = {"value": f"{value}\nmerger {number}", "base_version": version}
            http.patch(f"/v1/blocks/{block_id}", json=body).raise_for_status()


def compare_and_set(base_url: str, block_id: str, edits: int, refused: list[str]) -> None:
    """A caller that is refused when others were faster, and goes on from what it is shown."""
    with httpx.Client(base_url=base_url, timeout=60) as http:
        for number in range(edits):
            value, version = read(http, block_id)
            while True:
                answer = http.patch(
                    f"/v1/blocks/{block_id}",
                    json={"value": f"{value}\nsetter {number}"},
                    headers={"If-Match": f'"{version}"'},
                )
                if answer.status_code != 412:
                    break
                refused.append(answer.text)
                detail = answer.json()["detail"]
                value, version = detail["current"]["value"], detail["current_version"]
            answer.raise_for_status()


def sweep(database: Database, block_id: str, edits: int) -> None:
    """The schedule's way to a block: a merge with what it has read, in the database."""
    connection = OneConnection(database.app_uri)
    blocks = BlockVersions(Queries(connection))
    try:
        for number in range(edits):
            (newest,) = blocks.list_versions(DEFAULT_ORG_ID, block_id, before=None, limit=1)
            blocks.merge(
                DEFAULT_ORG_ID,
                BlockTarget(block_id=block_id),
                {"value": f"{newest.value}\nsweep {number}"},
                SWEEP,
                base_version=newest.version,
            )
    finally:
        connection.close()


def read(http: httpx.Client, block_id: str) -> tuple[str, int]:
    answer = http.get(f"/v1/blocks/{block_id}")
    answer.raise_for_status()
    return str(answer.json()["value"]), int(answer.headers["etag"].strip('"'))


def history(http: httpx.Client, block_id: str) -> list[dict[str, Any]]:
    """All versions, the newest first, page by page."""
    versions: list[dict[str, Any]] = []
    while True:
        before = versions[-1]["version"] if versions else None
        page = http.get(
            f"/v1/blocks/{block_id}/history",
            params={"limit": 100} | ({"before": before} if before else {}),
        ).json()
        if not page:
            return versions
        versions += page


def steps_of(http: httpx.Client, agents: dict[str, str]) -> dict[str, str]:
    """The name of the agent that took each step."""
    found: dict[str, str] = {}
    for name, agent_id in agents.items():
        after: str | None = None
        while True:
            query: dict[str, Any] = {"agent_id": agent_id, "limit": 1000}
            page = http.get("/v1/steps/", params=query | ({"after": after} if after else {})).json()
            if not page:
                break
            found |= {step["id"]: name for step in page}
            after = page[-1]["id"]
    return found
