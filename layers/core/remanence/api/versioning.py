"""What requests say about versions: which one they mean, and whether nothing may be left."""

import re
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Header, Query, Response
from pydantic import TypeAdapter, ValidationError

from remanence.api.deps import Call
from remanence.api.wire.blocks import BlockState, UpdateBlock, block_to_wire
from remanence.api.wire.instants import Instant
from remanence.core.ids import is_id
from remanence.core.types import Block
from remanence.core.versions import AsOf
from remanence.db.catalog_blocks import BlockTarget
from remanence.errors import InvalidRequest

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

EraseQuery = Annotated[
    bool,
    Query(description="Erase its earlier versions too: it cannot be brought back."),
]
BeforeVersionQuery = Annotated[
    int | None, Query(ge=1, lt=2**31, description="Only versions below this number.")
]
VersionLimitQuery = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


def etag_of(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def tagged(response: Response, block: Block) -> BlockState:
    """A block as the protocol shows it, its version in the answer's ETag."""
    response.headers["etag"] = etag_of(block.version)
    return block_to_wire(block)


def edited(call: Call, target: BlockTarget, body: UpdateBlock, only_version: int | None) -> Block:
    """Change a block as a request asks: as it is now, only from one version on, or merged.

    Raises:
        AppError: as the two ways in db do; InvalidRequest when both are asked for.
    """
    if body.base_version is None:
        return call.deps.catalog.blocks.update_block(
            call.org_id, target, body.to_row(), call.author, only_version=only_version
        )
    if only_version is not None:
        raise InvalidRequest(
            "base_version: send either it, to merge, or If-Match, to be refused",
            field="base_version",
        )
    return call.deps.catalog.block_versions.merge(
        call.org_id, target, body.to_row(), call.author, base_version=body.base_version
    )


async def _version_in(
    if_match: Annotated[
        str | None,
        Header(
            description="The ETag of the version that was read: what has changed since then is "
            "left alone, and the answer is 412 with both sides."
        ),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    match = re.fullmatch(r'"?(\d{1,9})"?', if_match.strip())
    if match is None:
        raise InvalidRequest(
            'If-Match in header: must be one ETag as it was sent, like "3", or *', field="If-Match"
        )
    return int(match[1])


# The version that If-Match names; None: any.
IfMatch = Annotated[int | None, Depends(_version_in)]


async def _moment_of(
    as_of: Annotated[
        str | None,
        Query(
            description="As it was then: an ISO 8601 time, or a step's id (as that step left it)."
        ),
    ] = None,
) -> AsOf | None:
    if as_of is None:
        return None
    if is_id("step", as_of):
        return AsOf(step_id=as_of)
    try:
        return AsOf(at=_INSTANT.validate_python(as_of))
    except ValidationError:
        raise InvalidRequest(
            "as_of in the query: must be a time like 2026-05-04T12:00:00Z, or a step's id",
            field="as_of",
        ) from None


# The moment that as_of names; None: now.
AsOfQuery = Annotated[AsOf | None, Depends(_moment_of)]
