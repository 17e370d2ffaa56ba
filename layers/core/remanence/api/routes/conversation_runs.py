"""The runs of a conversation: following the one that goes on, or one that is over."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from remanence.api.conversation_refs import ConversationIdPath, conversation_ref
from remanence.api.deps import ThisCall
from remanence.api.ids import check_id
from remanence.api.resuming import ResumeRequest, resumed
from remanence.api.wire.problems import STREAMED
from remanence.errors import Conflict, NotFound

router = APIRouter(tags=["conversations"])


class ResumeConversationRequest(ResumeRequest):
    """Which run of a conversation to follow, from where, and how."""

    agent_id: str | None = Field(default=None, description='Needed for the conversation "default".')
    run_id: str | None = Field(default=None, description="Which of its runs is followed.")
    otid: str | None = Field(default=None, description="The run that a message of it began.")


@router.post("/v1/conversations/{conversation_id}/stream", response_model=None, responses=STREAMED)
def stream_conversation(
    conversation_id: ConversationIdPath,
    call: ThisCall,
    body: ResumeConversationRequest | None = None,
) -> Response:
    """Follow a run of a conversation: the one that goes on, unless `run_id` or `otid` names one."""
    body = body or ResumeConversationRequest()
    if body.run_id is not None:
        check_id("run", body.run_id, field="run_id")
    found = call.deps.ongoing.find_conversation_run(
        call.org_id,
        conversation_ref(conversation_id, body.agent_id),
        run_id=body.run_id,
        otid=body.otid,
    )
    if found.run_id is not None:
        return resumed(found.run_id, body, call)
    if body.run_id is not None:
        raise NotFound("run", body.run_id, hint="or it is not one of this conversation")
    if body.otid is not None:
        raise NotFound("run", body.otid, hint="no message with this otid began a run here")
    raise Conflict("no active run to follow: name one that is over by its run_id or an otid")
