"""What both routes for clients made for OpenAI do: find what is named, and answer a run.

An agent is named as the model, and each user has a conversation of their own.

Path: routes/chat_completions.py, routes/responses.py -> here -> db/catalog.
"""

import hashlib
import uuid
from typing import Any

from fastapi.responses import JSONResponse

from remanence.api.answering import failed_run
from remanence.api.deps import Call
from remanence.api.errors import openai_shaped
from remanence.api.ids import check_id
from remanence.api.wire.stream import handed_over_message
from remanence.core.events import RunEnded, RunError, RunHandedOver
from remanence.core.ids import is_id
from remanence.db.catalog_agents import AgentFilter
from remanence.db.paging import Page
from remanence.errors import InvalidRequest, NotFound, ProviderTimeout


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


def answered(whole: dict[str, Any], ended: RunEnded | RunHandedOver) -> JSONResponse:
    """The answer of a run that is over: what it said, or why it failed, in OpenAI's shape.

    Raises:
        ProviderTimeout: it goes on without its request.
    """
    match ended:
        case RunHandedOver():
            raise ProviderTimeout(handed_over_message(ended))
        case RunEnded(error=RunError() as error):
            return openai_shaped(failed_run(error), error.type)
        case RunEnded():
            return JSONResponse(whole)
