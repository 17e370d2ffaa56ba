"""What clients made for OpenAI name: an agent as the model, a user as a conversation of its own.

Path: routes/chat_completions.py, routes/responses.py -> here -> db/catalog.
"""

import hashlib
import uuid

from fastapi.responses import JSONResponse

from remanence.api.answering import failed_run
from remanence.api.deps import Call
from remanence.api.errors import openai_shaped
from remanence.api.ids import check_id
from remanence.core.events import RunError
from remanence.core.ids import is_id
from remanence.db.catalog_agents import AgentFilter
from remanence.db.paging import Page
from remanence.errors import InvalidRequest, NotFound


def agent_id_of(model: str, call: Call) -> str:
    """The agent that a model names, by its id (which may still not exist) or by its name.

    Raises:
        NotFound: no agent has this name.
        InvalidRequest: several have it.
    """
    if is_id("agent", model):
        return model
    named = AgentFilter(agent_name=model, with_hidden=True)
    found = call.deps.catalog.agents.list_agents(call.org_id, named, Page(limit=2), ())
    if not found:
        raise NotFound("agent", model, hint="model is the id or the name of an agent")
    if len(found) > 1:
        raise InvalidRequest(f"several agents are called {model!r}: use an id", field="model")
    return found[0].agent.id


def conversation_id_of(
    agent_id: str, call: Call, *, named: str | None, user: str | None
) -> str | None:
    """The conversation asked for; the user's own, made on first use; or None, the default one.

    Raises:
        InvalidRequest: malformed.
        NotFound: a user speaks to an agent that does not exist.
    """
    if named is not None:
        return check_id("conv", named, field="conversation")
    if not user:
        return None
    # The same for the same user, so that two first messages at once make one conversation.
    digest = hashlib.sha256(f"{agent_id}\n{user}".encode()).digest()
    view = call.deps.catalog.conversations.create_conversation(
        call.org_id,
        agent_id,
        conversation_id=f"conv-{uuid.UUID(bytes=digest[:16], version=4)}",
        summary=user,
        extras={},
    )
    return view.id


def failed_openai_run(error: RunError) -> JSONResponse:
    """The answer for a run that failed, in OpenAI's shape."""
    return openai_shaped(failed_run(error), error.type)
