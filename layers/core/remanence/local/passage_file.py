"""`remanence import passages`: a file of texts, line by line, into an archive.

Path: cli -> import_passages -> engine.archival (vectors), catalog.archives. It can be stopped and
started again at any time: a file beside the texts says how far it came, and the id of a passage is
made of the archive, the line and the text, so a batch that was sent twice is stored once.
"""

from __future__ import annotations

import codecs
import json
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from remanence.api.wire.instants import in_utc
from remanence.core.archival import NewText
from remanence.core.ids import DEFAULT_ORG_ID
from remanence.core.ranking import clean
from remanence.db.connect import OneConnection
from remanence.dispatch.none import NoDoorbell
from remanence.errors import InvalidRequest
from remanence.wiring import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from remanence.core.ids import OrgId
    from remanence.settings import Settings

# Of one statement and one request for vectors: some 200 kB of text.
BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an import is: what of the file is stored, by whatever call, and how fast this is."""

    lines: int
    bytes_read: int
    bytes_in_all: int
    passages_per_s: float


def import_passages(  # noqa: PLR0913  the options of the command
    settings: Settings,
    env: Mapping[str, str],
    path: Path,
    *,
    archive_id: str,
    uri: str,
    show: Callable[[Progress], None],
    org_id: OrgId = DEFAULT_ORG_ID,
) -> int:
    """Store every line of a file as a passage; what an earlier call stored is passed over.

    Args:
        settings: as the server has them.
        env: where keys of providers are.
        path: JSON Lines: {"text", "tags"?, "created_at"? (ISO 8601)}, or strings.
        archive_id: where they go; its model, if it has one, makes their vectors.
        uri: of the database.
        show: told after every batch how far it is.
        org_id: whose archive it is.

    Returns:
        How many lines were stored by this call.

    Raises:
        NotFound: no such archive.
        InvalidRequest: a line is not a passage (those before its batch are stored), or there is
            no such file.
    """
    mark = path.with_name(path.name + ".progress")
    done = _lines_done(mark, archive_id)
    started, stored = time.monotonic(), 0
    with closing(OneConnection(uri)) as connections:
        parts = build(settings, env, connections, NoDoorbell())
        archives = parts.catalog.archives
        archive = archives.load_archive(org_id, archive_id)
        archival = parts.archival.for_org(org_id, parts.tenants.models_of(org_id))
        for batch in _batches(path, archive_id, done):
            archives.fill_archive(
                org_id, archive_id, archival.with_vectors(archive.embedding, batch.texts)
            )
            _note(mark, archive_id, batch.last_line)
            stored += len(batch.texts)
            show(
                Progress(
                    lines=batch.last_line,
                    bytes_read=batch.end_byte,
                    bytes_in_all=path.stat().st_size,
                    passages_per_s=stored / max(0.001, time.monotonic() - started),
                )
            )
    return stored


def _lines_done(mark: Path, archive_id: str) -> int:
    """How many lines of the file are in this archive already, as an earlier call noted."""
    try:
        noted = json.loads(mark.read_text())
        return int(noted["lines"]) if noted["archive_id"] == archive_id else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _note(mark: Path, archive_id: str, lines: int) -> None:
    """Whole or not at all, so that an import that dies here does not begin anew."""
    draft = mark.with_name(mark.name + ".new")
    draft.write_text(json.dumps({"archive_id": archive_id, "lines": lines}))
    draft.replace(mark)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Texts of some lines, the number of the last of these, and where it ends in the file."""

    texts: list[NewText]
    last_line: int
    end_byte: int


def _batches(path: Path, archive_id: str, done: int) -> Iterator[_Batch]:
    """Texts of the lines after the first `done`."""
    texts: list[NewText] = []
    number = end_byte = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                end_byte += len(line)
                if number > done and line.strip():
                    # the mark that some editors begin a file with is not part of its first line
                    texts.append(_text(line.removeprefix(codecs.BOM_UTF8), number, archive_id))
                if len(texts) == BATCH:
                    yield _Batch(texts, number, end_byte)
                    texts = []
    except OSError as error:
        raise InvalidRequest(f"{path}: {error}") from error
    if texts:
        yield _Batch(texts, number, end_byte)


def _text(line: bytes, number: int, archive_id: str) -> NewText:
    try:
        row: Any = json.loads(line.decode())
        fields: dict[str, Any] = {"text": row} if isinstance(row, str) else row
        text = _not_empty(clean(fields["text"]))
        moment = fields.get("created_at")
        return NewText(
            id=f"passage-{uuid.uuid5(uuid.NAMESPACE_URL, f'{archive_id}/{number}/{text}')}",
            text=text,
            tags=_tags(fields.get("tags") or []),
            created_at=None if moment is None else in_utc(datetime.fromisoformat(moment)),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequest(f"line {number} is not a passage: {error!r}") from error


def _not_empty(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    return text


def _tags(found: object) -> tuple[str, ...]:
    """Each once, as the routes take them; a bare text would be one tag for each of its letters."""
    if not isinstance(found, list):
        raise TypeError("tags must be a list of texts")
    tags = cast("list[str]", found)  # what is no text has no method of one, and is refused so
    return tuple(dict.fromkeys(_not_empty(clean(tag)) for tag in tags))
