"""`remanence record` and `remanence replay FILE`: model calls as a file, played without a provider.

Path: cli -> recorded -> db.receipts -> core.cassette, core.redaction -> JSON -> play_file ->
core.cassette.played, llm.scripted. What several steps share (messages, summaries, system parts,
tools) stands in the file once.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from remanence.core.cassette import FORMAT, Track, marked, played
from remanence.core.exchange import Approval, Reply
from remanence.core.redaction import Redaction
from remanence.core.replay import replay
from remanence.db.connect import OneConnection
from remanence.db.queries import Queries
from remanence.db.receipts import Receipts, kept_from_row
from remanence.db.rows import message_from_row
from remanence.errors import InvalidRequest, NotReplayable
from remanence.llm.models import Models
from remanence.llm.scripted import ScriptedLlm
from remanence.zones import zone

if TYPE_CHECKING:
    from pathlib import Path

    from remanence.core.exchange import Request
    from remanence.core.ids import OrgId
    from remanence.db.queries import Row

# How long a scripted model may take for one answer: it needs no time.
_LIMIT_S = 60.0
# Of a step's row, what plays no part and may hold words.
_LEFT_OUT: Row = {"error": None, "feedback": None, "tags": [], "lease_token": ""}
_SHARED = ("messages", "summaries")
# What comes of reading a file that is not as `recorded` writes it.
_DAMAGE = (AttributeError, LookupError, TypeError, ValueError, RecursionError)


def recorded(uri: str, wanted_id: str, org_id: OrgId, *, hides_text: bool) -> Row:
    """The model calls of a run or a conversation, as JSON.

    Each request is first compiled from the database and compared with what was sent; keys and the
    names of secrets are then replaced by stand-ins, with `hides_text` every text. `left_out` says
    which steps could not be compiled, and why.

    Raises:
        NotFound: there is no such run or conversation, or it asked no model.
    """
    cassette: dict[str, Any] = {
        "remanence_cassette": FORMAT,
        "of": wanted_id,
        "text_is_hidden": hides_text,
        "messages": {},
        "summaries": {},
        "snapshots": {},
        "steps": [],
        "left_out": [],
    }
    with closing(OneConnection(uri)) as connections:
        receipts = Receipts(Queries(connections))
        for found in receipts.list_recorded(org_id, wanted_id):
            row = receipts.load_kept_row(org_id, found["step_id"])
            redaction = Redaction(names=found["secrets"], hides_text=hides_text)
            try:
                replay(kept_from_row(row), zone)
            except NotReplayable as error:
                cassette["left_out"].append({"step": found["step_id"], "reason": error.reason})
            else:
                _add(cassette, _redacted(row, redaction), redaction.row(found["answer"]))
    return cassette


def play_file(path: Path) -> tuple[int, list[str]]:
    """Play a cassette: how many steps it has, and what does not come out as recorded.

    Raises:
        InvalidRequest: as `read_cassette`.
        NotReplayable: something that a receipt names is not in the file.
    """
    tracks = read_cassette(path)
    try:
        return len(tracks), played(tracks, zone, _ask)
    except _DAMAGE as error:
        raise InvalidRequest(f"{path} is damaged ({error!r}); record it again") from None


def read_cassette(path: Path) -> list[Track]:
    """The model calls in a file that `recorded` has made.

    Raises:
        InvalidRequest: the file is no cassette, or one of newer code.
    """
    try:
        cassette: Any = json.loads(path.read_text(encoding="utf-8"))
        if cassette["remanence_cassette"] != FORMAT:
            raise InvalidRequest(
                f"{path} has format {cassette['remanence_cassette']!r}, and this version plays "
                f"{FORMAT}; play it with the version that recorded it"
            )
        return [_track(cassette, step) for step in cassette["steps"]]
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
    except _DAMAGE as error:
        raise InvalidRequest(
            f"{path} is no cassette ({error}); `remanence record ID > FILE` makes one"
        ) from None


def _ask(request: Request, track: Track) -> Reply:
    """The recorded answer, by way of a scripted model under the recorded handle."""
    scripted = ScriptedLlm([Reply(parts=track.answer, finish="stop")])
    models = Models((), in_process={request.handle.partition("/")[0]: scripted})
    *_, reply = models.call(request, stream=True, deadline=time.monotonic() + _LIMIT_S)
    if not isinstance(reply, Reply):
        raise TypeError("a model call ends with its reply")
    return reply


def _redacted(row: Row, redaction: Redaction) -> Row:
    step = row["step"] | _LEFT_OUT
    tools = step["receipt"]["tools"]
    return {
        "step": step,
        "messages": [redaction.row(message) for message in row["messages"]],
        "note": redaction.row(row["note"]),
        "summaries": [redaction.row(summary) for summary in row["summaries"]],
        "snapshots": {
            key: redaction.tools(body) if key == tools else redaction.text(body)
            for key, body in row["snapshots"].items()
        },
    }


def _add(cassette: dict[str, Any], row: Row, answer: Any) -> None:
    kept, marks = marked(kept_from_row(row), zone)
    for name in _SHARED:
        cassette[name] |= {item["id"]: item for item in row[name]}
    cassette["snapshots"] |= row["snapshots"]
    cassette["steps"].append(
        {
            "step": row["step"] | {"receipt": dict(kept.receipt)},
            "messages": [item["id"] for item in row["messages"]],
            "summaries": [item["id"] for item in row["summaries"]],
            "note": row["note"],
            "marks": marks,
            "answer": answer,
        }
    )


def _track(cassette: Row, step: Row) -> Track:
    shared = {name: [cassette[name][key] for key in step[name]] for name in _SHARED}
    receipt = step["step"]["receipt"]
    kept = kept_from_row(
        step | shared | {"snapshots": {key: cassette["snapshots"][key] for key in _hashes(receipt)}}
    )
    said = message_from_row(step["answer"]).parts if step["answer"] else ()
    # a reply holds no approvals: they are the answers of people
    answer = tuple(part for part in said if not isinstance(part, Approval))
    return Track(kept=kept, marks=step["marks"], answer=answer)


def _hashes(receipt: Row) -> tuple[str, str]:
    return receipt["system"], receipt["tools"]
