"""Whether requests are served. Open to everybody, and asks nothing of the database."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from remanence import __version__

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The answer of a server that serves."""

    version: str = Field(description="The version of this server.")
    status: str = Field(description="Always `ok`: a server that cannot answer does not.")


@router.get("/v1/health/")
def read_health() -> Health:
    """Say that requests are served."""
    return Health(version=__version__, status="ok")
