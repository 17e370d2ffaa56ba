"""Whether requests are served, and whether the database is there too. Open to everybody."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from remanence import __version__
from remanence.api.deps import ThisCall

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The answer of a server that serves."""

    version: str = Field(description="The version of this server.")
    status: str = Field(description="Always `ok`: a server that cannot answer does not.")


@router.get("/v1/health/")
def read_health() -> Health:
    """Say that requests are served; asks nothing of the database."""
    return Health(version=__version__, status="ok")


class Ready(BaseModel):
    """The answer of a server that can do its work."""

    status: str = Field(description="Always `ok`; 503 while the database is away.")


@router.get("/v1/ready/")
def read_ready(call: ThisCall) -> Ready:
    """Say that the database answers, after asking it."""
    call.deps.catalog.queries.check_ready(call.org_id)
    return Ready(status="ok")
